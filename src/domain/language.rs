//! Languages that people are spoken to in.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Language {
    /// As configured; English where it is not known.
    pub fn of(code: &str) -> Self {
        Self::known(code).unwrap_or_default()
    }

    /// The language of a BCP 47 tag such as `fr-CA`, if it is spoken here.
    pub fn known(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Some(Language::En),
            "fr" => Some(Language::Fr),
            _ => None,
        }
    }

    /// Its code, for `xml:lang`.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    /// What somebody is spoken to in: what they chose; else what their stanza says unless that is English,
    /// which some clients stamp on everything; else what is usual here.
    pub fn choose(chosen: Option<Self>, stanza: Option<&str>, usual: Self) -> Self {
        chosen.or_else(|| stanza.and_then(Self::known).filter(|said| *said != Language::En)).unwrap_or(usual)
    }
}

/// A text in every language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// In English.
    pub en: &'static str,
    /// In French.
    pub fr: &'static str,
}

impl Text {
    /// The text in one language.
    pub fn of(self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Fr => self.fr,
        }
    }

    /// The text with `{name}`s filled in.
    pub fn fill(self, language: Language, values: &[(&str, &str)]) -> String {
        let mut rest = self.of(language);
        let mut filled = String::with_capacity(rest.len());
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, after)) = behind.split_once('}') else { break };
            filled.push_str(values.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// A text in English and French.
pub const fn text(en: &'static str, fr: &'static str) -> Text {
    Text { en, fr }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_on_a_stanza_says_nothing() {
        use Language::*;
        for (chosen, stanza, usual, spoken) in [
            (None, None, Fr, Fr),
            (None, Some("en"), Fr, Fr),
            (None, Some("fr-CA"), En, Fr),
            (None, Some("de"), En, En),
            (Some(En), Some("fr"), Fr, En),
        ] {
            assert_eq!(Language::choose(chosen, stanza, usual), spoken, "{chosen:?} {stanza:?} {usual:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let both = text("{a} and {b}", "{b} et {a}");
        assert_eq!(both.fill(Language::En, &[("a", "{b}"), ("b", "2")]), "{b} and 2");
        assert_eq!(both.fill(Language::Fr, &[("a", "1")]), " et 1");
    }
}
