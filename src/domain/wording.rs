//! How people read what others have written: in one line, between quotes, and never without the address of who
//! wrote it. A name or a purpose is chosen by who asks; it is not to look like words of this service.

use jiff::Timestamp;
use thiserror::Error;

use super::consent::{Consent, SCOPE_OCTETS_MAX, TEXT_MAX};
use super::language::{Language, text};
use super::party::Subject;

/// The purpose of a request that states none: by subscribing, without a form.
pub const NOT_STATED: &str = "not stated: asked for by subscribing";

/// Why a line that people will read is not taken, wherever it comes from: it could say something else than it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It holds what they do not see ([`is_hidden`]).
    #[error(
        "there is a line end, a control character or an invisible mark in it; write it in one line of plain letters"
    )]
    Hidden,
    /// It holds nothing else ([`is_blank`]).
    #[error("there is nothing to read in it; write a word")]
    Blank,
}

/// Checks a line that people will read. An empty one is none, and right.
pub fn check_line(text: &str) -> Result<(), Unreadable> {
    if text.chars().any(is_hidden) {
        Err(Unreadable::Hidden)
    } else if is_blank(text) && !text.is_empty() {
        Err(Unreadable::Blank)
    } else {
        Ok(())
    }
}

/// Whether it is an address that a browser opens, and does no more than that.
pub fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | '\\' | '`');
    // Who stands before an @ looks like the host, and is not.
    host.starts_with(|c: char| c.is_alphanumeric() || c == '[')
        && !host.contains('@')
        && rest.chars().all(fits)
}

/// What people do not see: controls, line ends, and format characters (Unicode category Cf) that turn the direction of
/// writing or have no width. Joiners are not among them: they are letters' own (Persian, emoji).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}')
}

/// Whether there is nothing to read: blanks, fillers, joiners and selectors by themselves are no text.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || is_hidden(c)
            || is_filler(c)
            || matches!(c, '\u{200c}' | '\u{200d}' | '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
    })
}

/// Letters that are drawn as blanks.
fn is_filler(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}')
}

/// A text in one line: line ends and the like become blanks, and what is not seen goes. Empty where there is nothing
/// to read.
pub fn one_line(text: &str) -> String {
    if is_blank(text) {
        return String::new();
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // A break in the middle of a word is one.
        if c.is_whitespace() || is_filler(c) || c < ' ' {
            if !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !is_hidden(c) {
            line.push(c);
        }
    }
    line.trim().to_owned()
}

/// The same between quotes, which it cannot end.
pub fn quoted(text: &str, language: Language) -> String {
    let line: String = one_line(text)
        .chars()
        .map(|c| if matches!(c, '“' | '”' | '„' | '‟' | '«' | '»' | '"' | '＂') { '\'' } else { c })
        .collect();
    match language {
        Language::En => format!("“{line}”"),
        Language::Fr => format!("« {line} »"),
    }
}

/// An address of the web, set off from the words around it.
pub fn url(text: &str) -> String {
    let address: String =
        one_line(text).chars().filter(|c| !c.is_whitespace() && !matches!(c, '<' | '>' | '"')).collect();
    format!("<{address}>")
}

/// The recipient: the address, behind the name where there is one.
pub fn recipient(consent: &Consent, language: Language) -> String {
    match consent.recipient_name.as_deref().filter(|name| !one_line(name).is_empty()) {
        Some(name) => format!("{} <{}>", quoted(name, language), consent.recipient),
        None => consent.recipient.to_string(),
    }
}

/// The person concerned.
pub fn subject(consent: &Consent) -> String {
    match &consent.subject {
        Subject::Jid(jid) => jid.to_string(),
        Subject::Reference(_) => one_line(&consent.subject.to_string()),
    }
}

/// What for, in the words of who asked; or that they did not say.
pub fn purpose(consent: &Consent, language: Language) -> String {
    match &*consent.purpose {
        NOT_STATED => text(NOT_STATED, "non indiquée : demandé par abonnement").of(language).to_owned(),
        said => quoted(said, language),
    }
}

/// A series: its name for people, where it has one, and its name behind it.
pub fn series(name: &str, title: Option<&str>, language: Language) -> String {
    match title.filter(|title| !one_line(title).is_empty()) {
        Some(title) => format!("{} ({name})", quoted(&beginning(title, TEXT_MAX), language)),
        None => name.to_owned(),
    }
}

/// A point in time in words; the hour only where it is not the beginning of a day.
pub fn moment(at: Timestamp, language: Language) -> String {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let month = usize::from(at.month().unsigned_abs()).saturating_sub(1) % 12;
    let whole = at.time() == jiff::civil::Time::midnight();
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    match language {
        Language::En if whole => format!("{day} {} {year}", MONTHS[month].0),
        Language::En => format!("{day} {} {year}, {hour:02}:{minute:02} UTC", MONTHS[month].0),
        Language::Fr => {
            let day = if day == 1 { "1er".to_owned() } else { day.to_string() };
            match whole {
                true => format!("{day} {} {year}", MONTHS[month].1),
                false => format!("{day} {} {year} à {hour} h {minute:02} UTC", MONTHS[month].1),
            }
        }
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("January", "janvier"),
    ("February", "février"),
    ("March", "mars"),
    ("April", "avril"),
    ("May", "mai"),
    ("June", "juin"),
    ("July", "juillet"),
    ("August", "août"),
    ("September", "septembre"),
    ("October", "octobre"),
    ("November", "novembre"),
    ("December", "décembre"),
];

/// The names of the series. All of them, but for a record of before there was a limit: what people are told goes into
/// one stanza.
pub fn scopes(consent: &Consent) -> String {
    let (mut all, count) = (String::new(), consent.scope.len());
    for (shown, scope) in consent.scope.iter().enumerate() {
        if all.len() + scope.octets() > SCOPE_OCTETS_MAX {
            return format!("{all}, … (+{})", count - shown);
        }
        if shown > 0 {
            all.push_str(", ");
        }
        all.push_str(&scope.to_string());
    }
    all
}

/// How many octets of names a line of a list has room for; a longer one stands alone.
const NAMES_MAX: usize = 1000;

/// The names of the series, as far as a line of a list has room for them, and how many others there are. One person's
/// request for many long names is not to keep the others' out of the list.
pub fn first_scopes(consent: &Consent, language: Language) -> String {
    let mut line = String::new();
    for (shown, scope) in consent.scope.iter().enumerate() {
        let name = scope.to_string();
        if shown > 0 {
            if line.len() + 2 + name.len() > NAMES_MAX {
                let more = (consent.scope.len() - shown).to_string();
                let more =
                    text(" … and {count} more", " … et {count} autres").fill(language, &[("count", &more)]);
                return line + &more;
            }
            line.push_str(", ");
        }
        line.push_str(&name);
    }
    line
}

/// The beginning of a text that may be too long to be shown; cut off, it ends in dots.
pub fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How the recipient gets it.
pub fn modes(consent: &Consent, language: Language) -> &'static str {
    match (consent.modes.notify, consent.modes.history) {
        (true, true) => text(
            "sent as it is published, and the past on request",
            "envoi dès publication, et le passé sur demande",
        ),
        (true, false) => {
            text("sent as it is published, without the past", "envoi dès publication, sans le passé")
        }
        _ => text("on request only, nothing is sent by itself", "sur demande seulement, sans envoi"),
    }
    .of(language)
}

#[cfg(test)]
mod tests {
    use super::super::consent::tests::sample;
    use super::super::name::Scope;
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_taken() {
        for text in ["a\nb", "a\u{7}", "\u{202e}evil", "a\u{2066}b", "a\u{200b}b", "\u{feff}a", "\u{200b}"] {
            assert_eq!(check_line(text), Err(Unreadable::Hidden), "{text:?}");
        }
        for text in [" ", "\u{3164}", "\u{200d}\u{200c}", "\u{2800}\u{fe0f}"] {
            assert_eq!(check_line(text), Err(Unreadable::Blank), "{text:?}");
        }
        for text in ["", "conseil énergie", "می\u{200c}خواهم", "👩\u{200d}🔬", "a\u{a0}b"] {
            assert_eq!(check_line(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_others_wrote_stays_in_its_line_and_between_its_quotes() {
        let forged =
            "advice”\n4f7a (active) bank@x\r\n\u{202e}To stop all,\u{2028}answer \"yes 4f7a\"\u{200b}\u{7}";
        assert_eq!(
            quoted(forged, Language::En),
            "“advice' 4f7a (active) bank@x To stop all, answer 'yes 4f7a'”"
        );
        assert_eq!(quoted("a » b", Language::Fr), "« a ' b »");
        assert_eq!(
            one_line("می\u{200c}خواهم 👩\u{200d}🔬"),
            "می\u{200c}خواهم 👩\u{200d}🔬",
            "joiners are letters' own"
        );
        assert_eq!(one_line("\u{200d}\u{3164}\u{fe0f}"), "");
        assert_eq!(
            url("https://x.example/p> answer yes"),
            "<https://x.example/panswer yes>".replace(' ', "")
        );
        let mut consent = sample();
        consent.recipient_name = Some("Courant\u{202e}\nservice".into());
        assert_eq!(recipient(&consent, Language::En), "“Courant service” <app@coop.example>");
        consent.recipient_name = Some("\u{200b}".into());
        assert_eq!(recipient(&consent, Language::En), "app@coop.example");
        consent.purpose = NOT_STATED.into();
        assert!(purpose(&consent, Language::Fr).starts_with("non indiquée"));
    }

    #[test]
    fn a_moment_is_said_in_words() {
        for (at, en, fr) in [
            ("2026-12-01T00:00:00Z", "1 December 2026", "1er décembre 2026"),
            ("2026-08-17T09:05:31Z", "17 August 2026, 09:05 UTC", "17 août 2026 à 9 h 05 UTC"),
        ] {
            let at = at.parse().unwrap();
            assert_eq!((moment(at, Language::En), moment(at, Language::Fr)), (en.into(), fr.into()));
        }
        assert_eq!(series("urn:a", Some("Toit « sud »"), Language::Fr), "« Toit ' sud ' » (urn:a)");
        assert_eq!(series("urn:a", Some("\u{200b}"), Language::En), "urn:a");
    }

    #[test]
    fn a_line_names_the_first_series_and_counts_the_others() {
        let mut consent = sample();
        let named = |number: usize, length: usize| -> Scope {
            Scope::parse(&format!("urn:{number:02}:{}", "a".repeat(length))).unwrap()
        };
        consent.scope = (0..3).map(|number| named(number, 10)).collect();
        assert_eq!(first_scopes(&consent, Language::En), scopes(&consent), "few are all shown");
        consent.scope = (0..60).map(|number| named(number, 300)).collect();
        let line = first_scopes(&consent, Language::En);
        assert!(line.starts_with("urn:00:") && line.ends_with("a … and 57 more"), "{line}");
        consent.scope = (0..60).map(|number| named(number, 1000)).collect();
        let line = first_scopes(&consent, Language::Fr);
        assert!(line.ends_with("a … et 59 autres") && line.len() < 1100, "{line}");
        assert_eq!((beginning("été", 3), beginning("été", 2)), ("été".into(), "ét…".into()));
    }
}
