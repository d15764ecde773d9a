//! What people read when a publish is refused. What is wrong inside a pack is for programs, and in English only.

use crate::domain::language::{Text, text};
use crate::protocol::error::{Condition, StanzaError};
use crate::protocol::outbox::ID_MAX;
use crate::relay::intake::Refusal;

/// To who gave a stanza an id that is too long to be said again with each answer.
pub(super) fn id_too_long() -> StanzaError {
    let words = text(
        "the id of this stanza is longer than {most} octets; give it a shorter one and send it again",
        "l’id de cette stanza dépasse {most} octets ; donnez-lui un id plus court et renvoyez-la",
    );
    StanzaError::said(Condition::PolicyViolation, words, &[("most", &ID_MAX.to_string())])
}

/// The words for a refusal and what is filled in; nothing where they are English only.
pub(super) fn words(refusal: &Refusal) -> Option<(Text, Vec<(&'static str, String)>)> {
    Some(match refusal {
        Refusal::Forbidden { what } => (
            text(
                "you may not publish {what}; the operator can register you as a producer of it",
                "vous ne pouvez pas publier {what} ; l’opérateur peut vous enregistrer comme producteur",
            ),
            vec![("what", what.clone())],
        ),
        Refusal::OutsideNode { record, name, node } => (
            text(
                "record {record} belongs to the series {name}, which is not at or below the node {node}",
                "l’enregistrement {record} appartient à la série {name}, qui n’est ni le nœud {node} ni sous lui",
            ),
            vec![("record", record.to_string()), ("name", name.clone()), ("node", node.clone())],
        ),
        Refusal::TooManyRecords { limit } => (
            text(
                "more than {limit} records in one stanza; send it in several",
                "plus de {limit} enregistrements dans une stanza ; envoyez-les en plusieurs",
            ),
            vec![("limit", limit.to_string())],
        ),
        Refusal::RecordTooLarge { record, limit } => (
            text(
                "record {record} takes more than {limit} octets as it is written, and cannot be parted; send less in one record",
                "l’enregistrement {record} dépasse {limit} octets tel qu’il est écrit et ne peut pas être divisé ; envoyez-en moins dans un enregistrement",
            ),
            vec![("record", record.to_string()), ("limit", limit.to_string())],
        ),
        Refusal::ItemIdTooLong { limit } => (
            text(
                "the id of an item is longer than {limit} octets; give it a shorter one",
                "l’id d’un élément dépasse {limit} octets ; donnez-lui un id plus court",
            ),
            vec![("limit", limit.to_string())],
        ),
        Refusal::TooFast { per_second } => (
            text(
                "you publish more than {per_second} times a second; wait a moment, then send again",
                "vous publiez plus de {per_second} fois par seconde ; attendez un instant, puis renvoyez",
            ),
            vec![("per_second", per_second.to_string())],
        ),
        Refusal::QueueFull => (
            text(
                "too many packs are waiting to be delivered; try again later",
                "trop de paquets attendent d’être distribués ; réessayez plus tard",
            ),
            Vec::new(),
        ),
        Refusal::Stopping => (
            text(
                "the service is being stopped; send it again in a moment",
                "le service est en cours d’arrêt ; renvoyez dans un instant",
            ),
            Vec::new(),
        ),
        Refusal::Storage => (
            text(
                "the pack could not be stored; try again later",
                "le paquet n’a pas pu être conservé ; réessayez plus tard",
            ),
            Vec::new(),
        ),
        Refusal::Invalid(_) | Refusal::Incomplete(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;

    #[test]
    fn a_refusal_reads_the_same_in_either_language() {
        for refusal in [
            Refusal::Forbidden { what: "urn:x:1".into() },
            Refusal::OutsideNode { record: 3, name: "urn:x:1".into(), node: "urn:x:2".into() },
            Refusal::TooManyRecords { limit: 7 },
            Refusal::RecordTooLarge { record: 3, limit: 7 },
            Refusal::ItemIdTooLong { limit: 7 },
            Refusal::TooFast { per_second: 7 },
            Refusal::QueueFull,
            Refusal::Stopping,
            Refusal::Storage,
        ] {
            let (words, values) = words(&refusal).unwrap();
            let given: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(words.fill(Language::En, &given), refusal.to_string());
            let french = words.fill(Language::Fr, &given);
            assert!(given.iter().all(|(_, value)| french.contains(value)), "{french}");
        }
    }
}
