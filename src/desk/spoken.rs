//! What somebody says by a line of text, read: `stop` leniently, since a withdrawal is not to be lost to a comma; `yes`
//! and `no` only as a line of their own, since more may leave by them.
//!
//! What is quoted says nothing: lines that begin with `>`.

use jid::BareJid;

use crate::domain::language::Language;
use crate::domain::party::parse_bare;
use crate::domain::wording::is_hidden;

/// The most that one message may say.
pub const SAID_MAX: usize = 10;

/// The longest code or address that is read.
const WORD_MAX: usize = 3071;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The request of this code is granted.
    Yes(String),
    /// It is refused.
    No(String),
    /// What has this code is to end.
    Stop(String),
    /// Everything with this recipient is to end.
    StopAll(BareJid),
    /// Something is to be done with a code that was not said.
    WithoutCode,
    /// What there is.
    List,
    /// How to write.
    Help,
}

/// What somebody said, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// What.
    pub said: Vec<Said>,
    /// In which language, if a word was of one alone.
    pub language: Option<Language>,
}

/// Reads a message; nothing where it is not understood. Where something is to end, nothing else is done; where the
/// same is granted and refused, neither is.
pub fn read(body: &str) -> Option<Spoken> {
    let lines: Vec<Vec<String>> =
        body.lines().filter(|line| !line.trim_start().starts_with('>')).map(words).collect();
    let lines = || lines.iter().filter(|line| !line.is_empty());
    let mut stops = Vec::new();
    for line in lines() {
        for said in stop(line) {
            if stops.len() < SAID_MAX && !stops.contains(&said) {
                stops.push(said);
            }
        }
    }
    if !stops.is_empty() {
        // A code says more than none.
        if stops.iter().any(|said| *said != Said::WithoutCode) {
            stops.retain(|said| *said != Said::WithoutCode);
        }
        return Some(Spoken { said: stops, language: None });
    }
    let mut spoken = Spoken { said: Vec::new(), language: None };
    for (said, language) in lines().filter_map(|line| answer(line)) {
        if spoken.said.len() < SAID_MAX && !spoken.said.contains(&said) {
            spoken.said.push(said);
            spoken.language = spoken.language.or(Some(language));
        }
    }
    let both = |said: &Said| match said {
        Said::Yes(code) => spoken.said.contains(&Said::No(code.clone())),
        _ => false,
    };
    (!spoken.said.is_empty() && !spoken.said.iter().any(both)).then_some(spoken)
}

/// The words of a line without what stands around them, in small letters; what is nothing but such marks is no word.
fn words(line: &str) -> Vec<String> {
    let blank = |c: char| is_hidden(c) || c.is_whitespace();
    let mark = |c: char| {
        blank(c)
            || c.is_ascii_punctuation() && !matches!(c, '_' | '-')
            || "«»‹›“”„‟‘’‚‛…·•¡¿。，！？「」".contains(c)
    };
    // Emphasis and dashes, which an address may begin with.
    let around = |c: char| mark(c) || "_-–—".contains(c);
    line.split_whitespace()
        .map(|word| if word.contains('@') { word.trim_matches(mark) } else { word.trim_matches(around) })
        .map(str::to_lowercase)
        .filter(|word| word.contains(char::is_alphanumeric))
        .collect()
}

/// What a line ends: `stop` is its first word, and what is meant comes next; more codes may follow.
fn stop(line: &[String]) -> Vec<Said> {
    // `stop:4f7a`, `stop,4f7a`
    let glued = |word: &String| {
        let rest = word.strip_prefix("stop")?.strip_prefix([':', ',', '=', '/', '«'])?;
        Some(rest.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()).filter(|rest| !rest.is_empty())
    };
    let (first, rest) = match line.split_first() {
        Some((word, rest)) if word == "stop" => match rest.split_first() {
            Some((first, rest)) => (first.clone(), rest),
            None => return vec![Said::WithoutCode],
        },
        Some((word, rest)) => match glued(word) {
            Some(first) => (first, rest),
            None => return Vec::new(),
        },
        None => return Vec::new(),
    };
    let mut said = vec![meant(&first)];
    said.extend(rest.iter().filter(|word| is_address(word) || is_code(word)).map(|word| meant(word)));
    said
}

/// An address, or a code.
fn meant(word: &str) -> Said {
    let word = word.split([',', ';']).next().unwrap_or_default();
    let address = word.strip_prefix("xmpp:").unwrap_or(word);
    let address = address.split(['/', '?']).next().unwrap_or_default();
    match parse_bare(address) {
        Ok(jid) if is_address(word) && word.len() <= WORD_MAX => Said::StopAll(jid),
        _ => Said::Stop(word.chars().take(WORD_MAX).collect()),
    }
}

/// A domain may be a recipient too; no code has a dot.
fn is_address(word: &str) -> bool {
    word.contains(['@', '.'])
}

/// Whether it looks like a code that was given: digits and letters up to f, of the lengths that there are.
fn is_code(word: &str) -> bool {
    matches!(word.len(), 4 | 6 | 8 | 32)
        && word.chars().all(|c| c.is_ascii_hexdigit())
        && word.contains(|c: char| c.is_ascii_digit())
}

/// What a line says that is nothing but a word, and a code where one belongs to it.
fn answer(line: &[String]) -> Option<(Said, Language)> {
    let (word, code) = match line {
        [word] => (word, None),
        [word, code] if code.len() <= WORD_MAX => (word, Some(code.clone())),
        _ => return None,
    };
    let with = |make: fn(String) -> Said| code.clone().map_or(Said::WithoutCode, make);
    Some(match &**word {
        "yes" => (with(Said::Yes), Language::En),
        "oui" => (with(Said::Yes), Language::Fr),
        "no" => (with(Said::No), Language::En),
        "non" => (with(Said::No), Language::Fr),
        "list" => (Said::List, Language::En),
        "liste" => (Said::List, Language::Fr),
        "help" => (Said::Help, Language::En),
        "aide" => (Said::Help, Language::Fr),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Vec<Said> {
        read(body).map(|spoken| spoken.said).unwrap_or_default()
    }

    #[test]
    fn a_withdrawal_is_not_lost_to_how_it_is_written() {
        for body in [
            "stop 4f7a",
            "Stop 4f7a !",
            "STOP 4F7A.",
            "« stop 4f7a »",
            "«\u{a0}stop 4f7a\u{a0}»",
            "'stop 4f7a'",
            "“Stop 4f7a”",
            "stop: 4f7a",
            "stop:4f7a",
            "stop, 4f7a, please",
            "stop (4f7a)",
            "stop <4f7a>",
            "- stop 4f7a",
            "_stop 4f7a_",
            "stop 4f7a,please",
            "stop «4f7a»",
            "\u{200b}stop\u{200b} 4f7a\u{feff}",
            "> yes 4f7a\n> no 9999\n\nstop 4f7a",
            "  > quoted\nstop 4f7a",
            "Hello\nstop 4f7a\nThank you",
            "stop 4f7a because I have changed my mind, and this line is longer than any that I would answer yes with, \
             since there is much to say about it, and nobody counts the letters of what they write when they are angry",
            "yes 4f7a\nstop 4f7a",
            "stop\nstop 4f7a",
        ] {
            assert_eq!(said(body), [Said::Stop("4f7a".into())], "{body}");
        }
        let both = [Said::Stop("4f7a".into()), Said::Stop("9b2c".into())];
        for body in [
            "stop 4f7a 9b2c",
            "stop 4f7a\nstop 9b2c",
            "stop 4f7a, 9b2c and that is it",
            "stop 4f7a\n\nstop 9b2c\nstop 4f7a",
        ] {
            assert_eq!(said(body), both, "{body}");
        }
        assert_eq!(said("stop"), [Said::WithoutCode]);
        assert_eq!(said("stop the music"), [Said::Stop("the".into())], "it is answered that there is none");
        for body in
            ["> stop 4f7a", "please do not stop 4f7a", "nonstop 4f7a", "stopping 4f7a", "", "?", "\u{200b}"]
        {
            assert_eq!(read(body), None, "{body}");
        }
        let many: String = (1000..1100).map(|code| format!("stop {code}\n")).collect();
        assert_eq!(said(&many).len(), SAID_MAX);
    }

    #[test]
    fn everything_with_one_recipient_is_ended_by_its_address() {
        let app = || vec![Said::StopAll(BareJid::new("app@coop.example").unwrap())];
        for body in [
            "stop app@coop.example",
            "Stop App@Coop.Example !",
            "« stop app@coop.example »",
            "stop <app@coop.example>.",
            "stop xmpp:app@coop.example",
            "stop app@coop.example/phone",
            "> nope\nstop app@coop.example, please",
        ] {
            assert_eq!(said(body), app(), "{body}");
        }
        assert_eq!(said("stop coop.example"), [Said::StopAll(BareJid::new("coop.example").unwrap())]);
        assert_eq!(said("stop @coop"), [Said::Stop("coop".into())]);
    }

    #[test]
    fn yes_is_a_line_of_its_own() {
        for (body, expected, language) in [
            ("yes 4f7a", Said::Yes("4f7a".into()), Language::En),
            (" OUI 4F7A. ", Said::Yes("4f7a".into()), Language::Fr),
            ("non «4f7a»", Said::No("4f7a".into()), Language::Fr),
            ("« oui 4f7a »", Said::Yes("4f7a".into()), Language::Fr),
            ("> Answer 'yes 4f7a'\nno 4f7a", Said::No("4f7a".into()), Language::En),
            ("yes 4f7a\nThank you!", Said::Yes("4f7a".into()), Language::En),
            ("liste", Said::List, Language::Fr),
            ("help!", Said::Help, Language::En),
            ("no", Said::WithoutCode, Language::En),
        ] {
            assert_eq!(read(body), Some(Spoken { said: vec![expected], language: Some(language) }), "{body}");
        }
        for body in [
            "yesterday",
            "no way to do this",
            "yes please do it",
            "yes 4f7a but only for a week",
            "Answer 'yes 4f7a' or 'no 4f7a'",
            "> yes 4f7a",
            "yes 4f7a\nno 4f7a",
            "I said yes 4f7a",
        ] {
            assert_eq!(read(body), None, "{body}");
        }
        assert_eq!(said("yes 4f7a\nno 9b2c"), [Said::Yes("4f7a".into()), Said::No("9b2c".into())]);
    }
}
