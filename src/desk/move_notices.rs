//! What people and programs are told of a move, beside what happens to consents: who holds a series now, who only held
//! it until then, which subscriptions ended, and what is to be erased.

use crate::domain::consent::ConsentKey;
use crate::domain::language::{Language, text};
use crate::domain::moving::MOVED;
use crate::domain::wording;
use crate::protocol::notice::{self, Erase};
use crate::relay::notice::{Addressee, Notice, Purpose};
use crate::store::move_notices::{MoveNews, MoveNotice};

/// What is told to whom.
pub fn notices(notice: &MoveNotice, from: &str, usual: Language) -> Vec<Notice> {
    let language = notice.language.unwrap_or(usual);
    let bare = notice.recipient.as_str();
    let told = |to: &str, message| {
        // It is about no consent.
        let to = Addressee { purpose: Purpose::Step, consent: ConsentKey(0), to: to.into() };
        Notice { to, message }
    };
    let mut stanza = Vec::new();
    match &notice.news {
        MoveNews::Held { series, title, from: border, holder } => {
            let words = match holder {
                true => text(
                    "From {from} on, {series} is yours: you say who may have what is measured from then on. What was measured before is not yours.",
                    "À partir du {from}, {series} est à vous : c’est vous qui dites qui peut recevoir ce qui est mesuré dès lors. Ce qui a été mesuré avant n’est pas à vous.",
                ),
                false => text(
                    "From {from} on, {series} is not yours any more. What was measured before stays yours: as long as it is kept here, you may fetch it and say who may have it.",
                    "À partir du {from}, {series} n’est plus à vous. Ce qui a été mesuré avant le reste : tant que c’est conservé ici, vous pouvez le consulter et dire qui peut le recevoir.",
                ),
            };
            let series = wording::series(&series.to_string(), title.as_deref(), language);
            let moment = wording::moment(*border, language);
            let body = words.fill(language, &[("from", &moment), ("series", &series)]);
            notice::to_person(&mut stanza, from, bare, language, &body);
            vec![told(bare, stanza)]
        }
        MoveNews::Unsubscribed { places } => places
            .iter()
            .map(|place| {
                let mut stanza = Vec::new();
                let to = place.jid.as_deref().unwrap_or(bare);
                notice::unsubscribed(&mut stanza, (from, to), &place.node.to_string());
                told(to, stanza)
            })
            .collect(),
        MoveNews::Erase { id: erase, node, from: first, until } => {
            let erase = erase.to_string();
            let what = Erase { id: &erase, node, from: *first, until: *until, reason: MOVED };
            notice::erase(&mut stanza, (from, bare), &what);
            vec![told(bare, stanza)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Scope;
    use crate::store::notices::Place;

    fn told(news: MoveNews, language: Language) -> String {
        let notice = MoveNotice {
            key: 7,
            recipient: "carol@home.example".parse().unwrap(),
            news,
            at: "2026-12-01T00:00:00Z".parse().unwrap(),
            language: Some(language),
        };
        let notices = notices(&notice, "energy.x", Language::En);
        assert!(notices.iter().all(|notice| notice.to.domain() == "home.example"));
        notices.into_iter().map(|notice| String::from_utf8(notice.message).unwrap()).collect()
    }

    #[test]
    fn everybody_is_told_in_their_own_words() {
        let held = |holder| MoveNews::Held {
            series: Scope::parse("urn:a*").unwrap(),
            title: Some("Roof".into()),
            from: "2026-12-01T00:00:00Z".parse().unwrap(),
            holder,
        };
        assert!(
            told(held(true), Language::En)
                .contains("From 1 December 2026 on, “Roof” (urn:a*) is yours: you say who may have")
        );
        assert!(
            told(held(false), Language::Fr)
                .contains("À partir du 1er décembre 2026, « Roof » (urn:a*) n’est plus à vous.")
        );
    }

    #[test]
    fn programs_are_told_what_ended_and_what_to_erase() {
        let node = Scope::parse("urn:a").unwrap();
        let places = vec![
            Place { node: node.clone(), jid: None },
            Place { node, jid: Some("carol@home.example/x".into()) },
        ];
        assert_eq!(
            told(MoveNews::Unsubscribed { places }, Language::En),
            "<message type='normal' from='energy.x' to='carol@home.example'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'>\
             <subscription node='urn:a' jid='carol@home.example' subscription='none'/></event></message>\
             <message type='normal' from='energy.x' to='carol@home.example/x'>\
             <event xmlns='http://jabber.org/protocol/pubsub#event'>\
             <subscription node='urn:a' jid='carol@home.example/x' subscription='none'/></event></message>"
        );
        let erase = MoveNews::Erase {
            id: uuid::Uuid::from_u128(1),
            node: "urn:a".into(),
            from: "2026-12-01T00:00:00Z".parse().unwrap(),
            until: "2026-12-02T00:00:00.001Z".parse().unwrap(),
        };
        assert_eq!(
            told(erase, Language::En),
            "<message type='normal' from='energy.x' to='carol@home.example'>\
             <erase xmlns='urn:courant:0' id='00000000-0000-0000-0000-000000000001' node='urn:a' \
             from='2026-12-01T00:00:00Z' until='2026-12-02T00:00:00.001Z' reason='moved'/></message>"
        );
    }
}
