//! Every word of the commands that people read, in English and French.

use crate::domain::consent::State;
use crate::domain::language::{Text, text};

pub(super) const COMMANDS: Text = text("Commands", "Commandes");

// What can go wrong with any command.
pub(super) const NO_SUCH_COMMAND: Text = text(
    "there is no such command; disco#items on the node of commands lists those you may run",
    "cette commande n’existe pas ; la liste des commandes dit lesquelles vous pouvez lancer",
);
pub(super) const FORBIDDEN: Text = text(
    "this command is for the operators of this service",
    "cette commande est réservée aux opérateurs de ce service",
);
pub(super) const OTHER_FORM: Text =
    text("this is the form of another command", "ce formulaire est celui d’une autre commande");
pub(super) const MISSING: Text = text("please fill this in", "à remplir");
pub(super) const ONLY_ONE: Text = text("only one value", "une seule valeur");
pub(super) const NO_BOOLEAN: Text = text("true or false", "true (oui) ou false (non)");
pub(super) const NOT_IN_LIST: Text =
    text("'{value}' is not in the list", "« {value} » n’est pas dans la liste");
pub(super) const NOT_IN_RANGE: Text = text("a number from {min} to {max}", "un nombre de {min} à {max}");

// ping
pub(super) const PING: Text = text("Ping: is the service there?", "Ping : le service est-il là ?");
pub(super) const PONG: Text = text("The service is there.", "Le service est là.");

// Lists
pub(super) const ANY: Text = text("any", "tous");
pub(super) const FILTERS: Text =
    text("Leave a field empty to see all.", "Laissez un champ vide pour tout voir.");
pub(super) const MAX: Text = text("Rows at once", "Lignes à la fois");
pub(super) const AFTER: Text = text("After this id", "Après cet identifiant");
pub(super) const AFTER_DESC: Text =
    text("The last id of the part before", "Le dernier identifiant de la partie précédente");
pub(super) const NO_SUCH_PLACE: Text = text(
    "the list has no such place any more; begin it again",
    "la liste n’a plus cet endroit ; recommencez-la",
);
pub(super) const NOTHING_TO_LIST: Text = text("There is nothing to list.", "Il n’y a rien à montrer.");
pub(super) const LISTED: Text = text("{from} to {to} of {of}.", "{from} à {to} sur {of}.");
pub(super) const MORE_TO_LIST: Text = text(
    "{from} to {to} of {of}. For more, run the command again with 'after' = {last}.",
    "{from} à {to} sur {of}. Pour la suite, relancez la commande avec « après » = {last}.",
);
pub(super) const CHOICE: Text = text(
    "{who}: {purpose} ({scope}), until {until}, {state}",
    "{who} : {purpose} ({scope}), jusqu’au {until}, {state}",
);

// Consents
pub(super) const CONSENT: Text = text("Consent", "Consentement");
pub(super) const CONSENT_LIST: Text = text("List consents", "Lister les consentements");

pub(super) const CONSENT_SHOW: Text = text("Show a consent", "Montrer un consentement");
pub(super) const ID_DESC: Text = text("As the lists show it", "Tel que les listes le montrent");
pub(super) const NO_CONSENT: Text =
    text("There is no consent to choose from.", "Il n’y a aucun consentement à choisir.");
pub(super) const NO_SUCH_CONSENT: Text = text(
    "there is no such consent to choose; run the command again to see those there are",
    "il n’y a pas de tel consentement à choisir ; relancez la commande pour voir ceux qu’il y a",
);
pub(super) const EVENT: Text = text("{at}: {what} by {actor}", "{at} : {what} par {actor}");
pub(super) const EDITED: Text = text("edited", "modifié");

/// The name of a state.
pub(crate) fn state(state: State) -> Text {
    match state {
        State::Requested => text("requested", "demandé"),
        State::Active => text("active", "actif"),
        State::Suspended => text("suspended", "suspendu"),
        State::Refused => text("refused", "refusé"),
        State::Cancelled => text("cancelled", "annulé"),
        State::TimedOut => text("not answered in time", "resté sans réponse"),
        State::Expired => text("expired", "expiré"),
        State::Withdrawn => text("withdrawn", "retiré"),
        State::Revoked => text("revoked", "révoqué"),
        State::Terminated => text("terminated by the recipient", "terminé par le destinataire"),
        State::Fulfilled => text("fulfilled", "accompli"),
        State::Replaced => text("replaced", "remplacé"),
    }
}

/// What people read beside a field of a record.
pub(crate) fn label(var: &str) -> Text {
    match var {
        "id" => text("Id", "Identifiant"),
        "state" => text("State", "État"),
        "since" => text("Since", "Depuis"),
        "revision" => text("Revision", "Révision"),
        "arrangement" => text("Arrangement", "Arrangement"),
        "subject" => text("Person concerned", "Personne concernée"),
        "recipient" => text("Recipient", "Destinataire"),
        "recipient_name" => text("Recipient's name", "Nom du destinataire"),
        "recipient_contact" => text("Recipient's contact", "Contact du destinataire"),
        "policy_url" => text("Recipient's data policy", "Politique de données du destinataire"),
        "scope" => text("Series", "Séries"),
        "purpose" => text("Purpose", "Finalité"),
        "purpose_code" => text("Purpose code (DPV)", "Code de finalité (DPV)"),
        "lawful_basis" => text("Lawful basis", "Base légale"),
        "valid_from" => text("Delivery from", "Transmission à partir du"),
        "valid_until" => text("Delivery until", "Transmission jusqu’au"),
        "data_from" => text("Measurements from", "Mesures à partir du"),
        "data_until" => text("Measurements until", "Mesures jusqu’au"),
        "granularity" => text("Not finer than", "Pas plus fin que"),
        "modes" => text("How", "Comment"),
        "subscribe" => text("Subscribe the recipient", "Abonner le destinataire"),
        "retention" => text("May be kept for", "Conservation autorisée"),
        "onward" => text("May be passed on", "Transmission à des tiers autorisée"),
        "method" => text("Given by", "Donné par"),
        "evidence" => text("Evidence", "Preuve"),
        "ended_by" => text("Ended by", "Terminé par"),
        "end_reason" => text("Reason", "Motif"),
        "reason" => text("Reason (optional)", "Motif (facultatif)"),
        "name" => text("Series", "Série"),
        "owner" => text("Person concerned", "Personne concernée"),
        "producers" => text("Producers", "Producteurs"),
        "open" => text("Open data", "Données ouvertes"),
        "title" => text("Title", "Titre"),
        "language" => text("Language", "Langue"),
        "code" => text("Code", "Code"),
        "need" => text("Data need", "Besoin de données"),
        "events" => text("What happened", "Historique"),
        "at" => text("When", "Quand"),
        "actor" => text("By whom", "Par qui"),
        "note" => text("Note", "Note"),
        _ => text("", ""),
    }
}
