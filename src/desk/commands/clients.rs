//! What a client is known not to show. Commands look the same to every client, with this exception.
//!
//! Gajim before 1.8.2 (so Debian 12's 1.7.3) waits for ever on a result that is a table (XEP-0004 §3.4), and
//! Profanity shows its title alone: their forms know single records only. Nothing in a request tells the client or
//! its version, but unless its user says otherwise each of them binds a resource that begins with its name. To
//! those a table goes as one record, a field for each row, in words instead of codes, since no program reads it.

use super::texts;
use crate::domain::language::Language;
use crate::domain::wording::one_line;
use crate::protocol::forms::{Record, Table};

/// How the resources of clients without tables begin.
const WITHOUT_TABLES: [&str; 2] = ["gajim", "profanity"];

/// How values are written in results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As the record has them (docs/CONSENT.md), for programs and people alike.
    Codes,
    /// In words of the reader's language.
    Words,
}

/// How results are written for this full address.
pub(super) fn style(full: &str) -> Style {
    let resource = full.split_once('/').map_or("", |(_, resource)| resource);
    let begins = |name: &&str| resource.get(..name.len()).is_some_and(|r| r.eq_ignore_ascii_case(name));
    if WITHOUT_TABLES.iter().any(begins) { Style::Words } else { Style::Codes }
}

/// The same as a table, row by row: what stands first names the row.
pub(super) fn row_by_row(table: &Table, language: Language) -> Record {
    let fields = table.rows.iter().enumerate().map(|(index, row)| {
        let mut cells = table.columns.iter().zip(row).filter(|(_, value)| !value.is_empty());
        let name = cells.next().map(|(_, value)| one_line(value)).unwrap_or_default();
        let lines = cells.map(|((_, label), value)| texts::labelled(label, &one_line(value), language));
        (format!("row-{}", index + 1), name, lines.collect())
    });
    Record { title: table.title.clone(), fields: fields.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_without_tables_are_known_by_their_resource() {
        for (full, style_of_it) in [
            ("ann@a.example/gajim.K4X", Style::Words),
            ("ann@a.example/Gajim", Style::Words),
            ("ann@a.example/profanity.61CT", Style::Words),
            ("ann@a.example/phone", Style::Codes),
            ("ann@a.example/gaj", Style::Codes),
            ("ann@a.example/gajïm", Style::Codes),
            ("gajim@a.example", Style::Codes),
        ] {
            assert_eq!(style(full), style_of_it, "{full}");
        }
    }

    #[test]
    fn a_row_is_a_field() {
        let text = |text: &str| text.to_owned();
        let table = Table {
            title: text("Consents"),
            columns: vec![(text("recipient"), text("Recipient")), (text("purpose"), text("Purpose"))],
            rows: vec![vec![text("a@b"), text("advice")], vec![text("c@d"), text("")]],
        };
        let record = row_by_row(&table, Language::En);
        assert_eq!(record.title, "Consents");
        assert_eq!(record.fields[0], (text("row-1"), text("a@b"), vec![text("Purpose: advice")]));
        assert_eq!(record.fields[1], (text("row-2"), text("c@d"), Vec::new()));
    }
}
