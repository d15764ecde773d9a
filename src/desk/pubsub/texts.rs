//! What people read when a pubsub request is not done: every text of this room, in every language.

use crate::domain::language::{Text, text};

macro_rules! texts {
    ($($name:ident: $en:literal, $fr:literal;)*) => {
        $(pub(super) const $name: Text = text($en, $fr);)*

        #[cfg(test)]
        const ALL: &[(&str, Text)] = &[$((stringify!($name), $name)),*];
    };
}

texts! {
    NOT_A_NODE: "that is not the name of a node",
        "ce n’est pas le nom d’un nœud";
    NOT_AN_ADDRESS: "jid is not an address",
        "jid n’est pas une adresse";
    GIVE_CONSENT: "who has consent subscribes; give your consent to them, and they are subscribed",
        "qui a un consentement s’abonne ; donnez-lui votre consentement, et l’abonnement suit";
    HOLDER_WITHDRAWS: "a consent of the person concerned stands for it; only they end it, by the command withdraw-consent",
        "un consentement de la personne concernée est en vigueur pour ce destinataire ; elle seule y met fin, par la commande withdraw-consent";
    WIDER_CONSENT: "a consent for more than this node stands ({id}), and nothing was changed; end it with the command withdraw-consent, or write: stop {who}",
        "un consentement plus large que ce nœud est en vigueur ({id}), et rien n’a été modifié ; mettez-y fin par la commande withdraw-consent, ou écrivez : stop {who}";
    ENDED_MEANWHILE: "one of the consents ended in this very moment, and nothing was changed; look at the subscriptions again",
        "l’un des consentements vient de prendre fin, et rien n’a été modifié ; consultez de nouveau les abonnements";
    NOT_A_STATE: "a subscription is set to none, or where it is pending or the node open to subscribed",
        "un abonnement se met à none, ou à subscribed s’il est en attente ou que le nœud est ouvert";
    CONFIGURE_FIRST: "the node lies under a prefix that the operator registered; configure it first",
        "le nœud est sous un préfixe enregistré par l’opérateur ; configurez-le d’abord";
    TOO_MANY_LISTED: "a node has at most {most} affiliations; end some that are not needed",
        "un nœud a au plus {most} affiliations ; mettez fin à celles qui ne servent plus";
    NOT_AN_AFFILIATION: "an affiliation is owner, publisher, publish-only, member, outcast or none",
        "une affiliation est owner, publisher, publish-only, member, outcast ou none";
    OWNER_STAYS: "the person concerned stays the owner of the node; that cannot be changed here",
        "la personne concernée reste propriétaire du nœud ; cela ne se change pas ici";
    NOT_YOURS_TO_DECIDE: "only the person whose data it is may decide who runs the node and who may have it",
        "seule la personne dont ce sont les données décide qui tient le nœud et qui peut les avoir";
    PURGE_INSTEAD: "the node lies under a prefix that the operator registered; purge it, or ask the operator",
        "le nœud est sous un préfixe enregistré par l’opérateur ; videz-le, ou adressez-vous à l’opérateur";
    NOT_YOURS_TO_RETRACT: "only the owner of a node, and who published the item, may retract it",
        "seuls le propriétaire du nœud et qui a publié l’élément peuvent le retirer";
    NO_ITEM: "the request names no item; give the id of each",
        "la demande ne nomme aucun élément ; donnez l’id de chacun";
    TOO_MANY_RETRACTED: "more than {most} items at once; retract them in several requests",
        "plus de {most} éléments à la fois ; retirez-les en plusieurs demandes";
    ITEM_ID_TOO_LONG: "the id of an item is longer than {most} octets, and no item has such a one",
        "l’id d’un élément dépasse {most} octets, ce qu’aucun élément n’a";
    NO_SUCH_ITEM: "there is no such item on this node, or it is not kept any more",
        "il n’y a pas un tel élément sur ce nœud, ou il n’est plus conservé";
    NOT_A_PREFIX: "a node's name does not end in '*'; a prefix of series is registered by the operator",
        "le nom d’un nœud ne finit pas par « * » ; un préfixe de séries est enregistré par l’opérateur";
    BAD_NAME: "'{name}' cannot be a node's name: letters, digits and - : . / _, beginning with a letter or digit (RFC 8428)",
        "« {name} » ne peut pas nommer un nœud : lettres, chiffres et - : . / _, en commençant par une lettre ou un chiffre (RFC 8428)";
    TOO_MANY_NODES: "you have {made} nodes, and {most} is the most; delete some that are not needed",
        "vous avez {made} nœuds, et {most} est le maximum ; supprimez ceux qui ne servent plus";
    MAY_NOT_CREATE: "you may not create this node; the operator can register it for you",
        "vous ne pouvez pas créer ce nœud ; l’opérateur peut l’enregistrer pour vous";
    TAKEN: "there is a node {name} already; choose another name",
        "il y a déjà un nœud {name} ; choisissez un autre nom";
    NO_FORM: "there is no form in it; ask for the form first",
        "il n’y a pas de formulaire ; demandez-le d’abord";
    OTHER_FORM: "the form is not of type {type}",
        "le formulaire n’est pas du type {type}";
    FIXED: "{var} cannot be set to anything but {value} here",
        "{var} ne peut être ici que {value}";
    NOT_YOURS_TO_OPEN: "only the person whose data it is may decide who may have it",
        "seule la personne dont ce sont les données décide qui peut les avoir";
    SECONDS: "pubsub#item_expire is a number of seconds, or max",
        "pubsub#item_expire est un nombre de secondes, ou max";
    NOT_YOURS_TO_KEEP: "only the person whose data it is may have it kept for longer",
        "seule la personne dont ce sont les données peut les faire conserver plus longtemps";
    MAX_ITEMS: "pubsub#max_items is a number from 1 to 4294967295, or max",
        "pubsub#max_items est un nombre de 1 à 4294967295, ou max";
    BOOLEAN: "{var} is 1 or 0, not '{given}'",
        "{var} est 1 ou 0, et non « {given} »";
    UNREADABLE: "{var} is one line of plain letters: without line ends, control characters and invisible marks",
        "{var} est une ligne de simples lettres, sans fin de ligne, caractère de contrôle ni signe invisible";
    CHOICE: "{var} '{given}' is not served here; choose one of {known}",
        "{var} « {given} » n’existe pas ici ; choisissez parmi {known}";
    NOT_SET_SO: "the node is not set as you expect: {var}",
        "le nœud n’est pas réglé comme vous l’attendez : {var}";
    CHANGED_MEANWHILE: "the node was changed at the same moment; try again",
        "le nœud vient d’être modifié ; réessayez";
    NO_NODE: "there is no node {node}",
        "il n’y a pas de nœud {node}";
    OWNER_ONLY: "only the owner of {node} may do that",
        "seul le propriétaire de {node} peut faire cela";
    NO_NODE_NAMED: "the request names no node",
        "la demande ne nomme aucun nœud";
    PUBLISHES_ONLY: "you may publish to this node, and not read it",
        "vous pouvez publier sur ce nœud, mais pas le lire";
    NO_SUCH_NODE: "there is no such node",
        "il n’y a pas un tel nœud";
    EMPTY: "the pubsub request is empty",
        "la demande pubsub est vide";
    UNSUPPORTED: "{feature} is not served here",
        "{feature} n’est pas proposé ici";
    OF_TYPE_SET: "that is asked with an iq of type set",
        "cela se demande par un iq de type set";
    OF_OTHER_TYPE: "the pubsub request {name} is not of this type, or not of this namespace",
        "la demande pubsub {name} n’est pas de ce type, ou pas de cet espace de noms";
    UNKNOWN: "the pubsub request {name} is not known here",
        "la demande pubsub {name} n’est pas connue ici";
    TOO_LARGE: "the answer would be too large; ask for fewer items at once",
        "la réponse serait trop grande ; demandez moins d’éléments à la fois";
    ITEM_TOO_LARGE: "the item {id} alone is larger than an answer may be; ask for those after it, or for its measurements with get_history",
        "l’élément {id} est à lui seul plus grand que ne peut l’être une réponse ; demandez ceux d’après, ou ses mesures avec get_history";
    MAX_ITEMS_ASKED: "max_items is a number from 1",
        "max_items est un nombre à partir de 1";
    NOT_A_TIME: "{var} '{given}' is no time; write it like 2026-11-22T00:00:00Z (XEP-0082)",
        "{var} « {given} » n’est pas un instant ; écrivez-le comme 2026-11-22T00:00:00Z (XEP-0082)";
    NOT_A_FILTER: "an archive is asked for by with, start and end, not by {var}",
        "on interroge une archive par with, start et end, et non par {var}";
    QUERYID: "the queryid is too long; take a short one",
        "le queryid est trop long ; prenez-en un court";
    TOO_MUCH_ELSE: "too many items came that you did not ask for or may not have; ask for a shorter time",
        "trop d’éléments sont venus que vous ne demandez pas ou ne pouvez avoir ; demandez une période plus courte";
    NO_PAGE: "there is no such item to page from; begin again",
        "il n’y a pas un tel élément d’où continuer ; recommencez au début";
    EXCLUDED: "the owner of the node has excluded you from it",
        "le propriétaire du nœud vous en a exclu";
    CLOSED_ITEMS: "only those on the list of the node may have its items; ask its owner",
        "seuls ceux de la liste du nœud peuvent avoir ses éléments ; adressez-vous à son propriétaire";
    NO_CONSENT: "no consent gives you {node}; subscribe to ask for one, or ask the person concerned",
        "aucun consentement ne vous donne {node} ; abonnez-vous pour en demander un, ou adressez-vous à la personne concernée";
    UNWRITABLE: "a kept item cannot be written",
        "un élément conservé ne peut pas être écrit";
    TOO_MANY_WAIT: "{most} of your requests wait for an answer; wait for some of them",
        "{most} de vos demandes attendent une réponse ; attendez-en quelques-unes";
    NO_NOTIFICATIONS: "what you were given does not include notifications; ask for them with request-access",
        "ce qui vous a été donné ne comprend pas les notifications ; demandez-les avec request-access";
    WAITS: "the person concerned has not answered yet; you are told when they do",
        "la personne concernée n’a pas encore répondu ; vous serez averti de sa réponse";
    CLOSED: "only those on the list of the node may subscribe; ask its owner",
        "seuls ceux de la liste du nœud peuvent s’abonner ; adressez-vous à son propriétaire";
    NO_SERIES: "'{name}' cannot be a series; no consent gives you that",
        "« {name} » ne peut pas être une série ; aucun consentement ne vous donne cela";
    NO_OPTION: "the option {option} is not served here, or not with this value",
        "l’option {option} n’existe pas ici, ou pas avec cette valeur";
    SENDS_NOTHING: "a subscription that sends nothing is none; unsubscribe instead",
        "un abonnement qui n’envoie rien n’en est pas un ; désabonnez-vous plutôt";
    FOR_SERVICES: "the format publish is for services, which have an address without '@'; {jid} is not one",
        "le format publish est pour les services, dont l’adresse n’a pas de « @ » ; {jid} n’en est pas un";
    NOT_SUBSCRIBED: "you are not subscribed to that",
        "vous n’y êtes pas abonné";
    NO_JID: "the request names no jid",
        "la demande ne nomme aucun jid";
    OWN_ADDRESS_ONLY: "you can do this for your own address only",
        "vous ne pouvez le faire que pour votre propre adresse";
    NO_SUBID: "there is one subscription per address and node, and it has no subid",
        "il y a un abonnement par adresse et par nœud, et il n’a pas de subid";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled_in(text: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn no_text_is_missing_in_either_language() {
        for (name, text) in ALL {
            assert!(!text.en.is_empty() && !text.fr.is_empty() && text.en != text.fr, "{name}");
            assert_eq!(filled_in(text.en), filled_in(text.fr), "{name}");
        }
    }

    /// Nothing is refused in words that are not in the table above.
    #[test]
    fn every_refusal_takes_its_words_from_the_table() {
        for (file, source) in [
            ("affiliations", include_str!("affiliations.rs")),
            ("configure", include_str!("configure.rs")),
            ("create", include_str!("create.rs")),
            ("discovery", include_str!("discovery.rs")),
            ("items", include_str!("items.rs")),
            ("lists", include_str!("lists.rs")),
            ("mod", include_str!("mod.rs")),
            ("node", include_str!("node.rs")),
            ("notices", include_str!("notices.rs")),
            ("remove", include_str!("remove.rs")),
            ("subscribe", include_str!("subscribe.rs")),
        ] {
            assert!(
                !source.contains("StanzaError::new(") && !source.contains("StanzaError::with("),
                "{file}"
            );
        }
    }
}
