//! Every word of the commands that people read, in English and French.

use crate::domain::consent::State;
use crate::domain::language::{Language, Text, text};

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
pub(super) const HIDDEN: Text = text(
    "there is a line end, a control character or an invisible mark in it; write it in one line of plain letters",
    "il contient une fin de ligne, un caractère de contrôle ou une marque invisible ; écrivez-le en une ligne de lettres ordinaires",
);
pub(super) const BLANK: Text =
    text("there is nothing to read in it; write a word", "il n’y a rien à lire ; écrivez un mot");
pub(super) const NO_URL: Text = text(
    "this is no address of a page; write for example https://coop.example/data",
    "ce n’est pas l’adresse d’une page ; écrivez par exemple https://coop.example/donnees",
);
pub(super) const NOT_SUBMITTED: Text = text(
    "a form of type '{type}' says nothing; send what was filled in as type='submit', or type='cancel' to give up",
    "un formulaire de type « {type} » ne dit rien ; envoyez ce qui est rempli avec type='submit', ou type='cancel' pour renoncer",
);
pub(super) const MISSING: Text = text("please fill this in", "à remplir");
pub(super) const ONLY_ONE: Text = text(
    "only one value fits here; leave out the others",
    "une seule valeur est possible ici ; retirez les autres",
);
pub(super) const NO_BOOLEAN: Text = text("true or false", "true (oui) ou false (non)");
pub(super) const NOT_IN_LIST: Text = text(
    "'{value}' is not in the list; choose one of {options}",
    "« {value} » n’est pas dans la liste ; choisissez parmi {options}",
);
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
pub(super) const NO_MORE_TO_LIST: Text =
    text("There is nothing more: {of} in all.", "Il n’y a rien de plus : {of} en tout.");
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
/// In place of the person concerned, to who asked and has no consent yet.
pub(super) const NOT_TOLD: Text = text("not told", "non communiqué");
pub(super) const CONSENT_LIST: Text = text("List consents", "Lister les consentements");

pub(super) const CONSENT_SHOW: Text = text("Show a consent", "Montrer un consentement");
pub(super) const ID_DESC: Text = text(
    "In place of the others, if you know it: {list} shows them with their ids, and by state",
    "À la place des autres, si vous le connaissez : {list} les montre avec leurs identifiants, et par état",
);
pub(super) const TOO_MANY_TO_LIST: Text = text(
    "There are {of} to choose from. Write a part of the name or address that the one you mean has in it, or leave all empty to see them part by part.",
    "Il y en a {of} à choisir. Écrivez une partie du nom ou de l’adresse que contient celui que vous cherchez, ou laissez tout vide pour les voir partie par partie.",
);
pub(super) const NONE_SAYS_SO: Text = text(
    "there is none that says so; write less, or leave the fields empty",
    "il n’y en a aucun qui le dise ; écrivez-en moins, ou laissez les champs vides",
);
pub(super) const FURTHER: Text =
    text("… others ({to} of {of} so far)", "… d’autres ({to} sur {of} jusqu’ici)");
pub(super) const NO_CONSENT: Text =
    text("There is no consent to choose from.", "Il n’y a aucun consentement à choisir.");
pub(super) const NO_SUCH_CONSENT: Text = text(
    "there is no consent to choose from with this id; {list} shows them with their ids",
    "il n’y a aucun consentement à choisir sous cet identifiant ; {list} les montre avec leurs identifiants",
);
pub(super) const GONE: Text = text(
    "this consent is not there any more; run the command again to see those there are",
    "ce consentement n’existe plus ; relancez la commande pour voir ceux qu’il y a",
);
pub(super) const EVENT: Text = text("{at}: {what} by {actor}", "{at} : {what} par {actor}");
pub(super) const EDITED: Text = text("edited", "modifié");

pub(super) const WIDER: Text = text(
    "{field}: this would widen the consent; what is wider is a new one, which the person concerned gives again",
    "{field} : cela élargirait le consentement ; ce qui est plus large est un nouveau consentement, à donner de nouveau",
);
pub(super) const LESS_ONLY: Text = text(
    "{field}: you may give less than was asked, not more; leave what was asked, or narrow it",
    "{field} : vous pouvez donner moins que ce qui est demandé, pas plus ; laissez ce qui est demandé, ou restreignez",
);
pub(super) const NO_SUCH_REQUEST: Text = text(
    "no such request waits for your answer (any more); run pending-requests again to see those that do, or my-consents to see what became of it",
    "aucune demande de ce nom n’attend (plus) votre réponse ; relancez pending-requests pour voir celles qui attendent, ou my-consents pour voir ce qu’elle est devenue",
);
pub(super) const STALE: Text = text(
    "somebody else changed it meanwhile (revision {revision} now); run the command again. What changed:",
    "quelqu’un d’autre l’a modifié entre-temps (révision {revision}) ; relancez la commande. Ce qui a changé :",
);
pub(super) const TO_THEMSELVES: Text = text(
    "that is the person concerned, who needs no consent for what is theirs; name somebody else",
    "c’est la personne concernée, qui n’a besoin d’aucun consentement pour ce qui est à elle ; nommez quelqu’un d’autre",
);
pub(super) const TO_THE_SERVICE: Text = text(
    "that is this service itself, which passes on and keeps nothing for itself; name who is to get the data",
    "c’est ce service lui-même, qui transmet et ne reçoit rien pour lui ; nommez qui doit recevoir les données",
);
pub(super) const NO_MODE: Text = text(
    "choose at least one way: sent as it is published (notify), fetched from what is kept (history)",
    "choisissez au moins une manière : envoyé dès publication (notify), consulté dans ce qui est conservé (history)",
);
pub(super) const NO_REVISION: Text = text(
    "a whole number, as consent-show says it; leave it out to edit the consent as it is now",
    "un nombre entier, tel que consent-show le dit ; laissez-le vide pour modifier le consentement tel qu’il est",
);
pub(super) const OTHER_REVISION: Text = text(
    "there is no revision {said} of it: it is at revision {revision}. Run the command again, or leave the revision out",
    "il n’y en a pas de révision {said} : il est à la révision {revision}. Relancez la commande, ou laissez la révision vide",
);
pub(super) const KEPT: Text = text(
    "this stays as it is; nothing was changed. Leave it out, or end this consent and have another given",
    "ceci reste tel quel ; rien n’a été modifié. Laissez ce champ de côté, ou mettez fin à ce consentement et faites-en donner un autre",
);
pub(super) const NOTHING_CHANGED: Text = text(
    "nothing was changed: all is as it was before; change a field, or give up",
    "rien n’a été modifié : tout est comme avant ; changez un champ, ou renoncez",
);
pub(super) const OVER_ALREADY: Text = text(
    "the end has passed already; choose a later one",
    "la fin est déjà passée ; choisissez-en une plus tardive",
);
pub(super) const EDITED_TO: Text = text(
    "The consent is at revision {revision} now.",
    "Le consentement est maintenant à la révision {revision}.",
);

// What people give, and take back
pub(super) const MY_CONSENTS: Text = text("What I share", "Ce que je partage");
pub(super) const MY_ACCESS: Text = text("What I may have", "Ce à quoi j’ai accès");
pub(super) const GIVE_CONSENT: Text = text("Give consent", "Donner un consentement");
pub(super) const GIVE_CONSENT_HOW: Text = text(
    "Choose who may have which of your series, and what for. You can withdraw it at any time.",
    "Choisissez qui peut recevoir lesquelles de vos séries, et pourquoi. Vous pourrez le retirer à tout moment.",
);
pub(super) const NO_SERIES: Text = text(
    "No series of yours is registered here, so there is nothing to share.",
    "Aucune série à vous n’est enregistrée ici : il n’y a rien à partager.",
);
pub(super) const YOURS: Text = text("{usual}. Yours: {names}", "{usual}. Les vôtres : {names}");
pub(super) const NOT_YOURS: Text = text(
    "{name} is none of your series; the form of give-consent names those you have",
    "{name} n’est pas une de vos séries ; le formulaire give-consent nomme celles que vous avez",
);
pub(super) const THERE_ALREADY: Text = text(
    "This consent is there already: {id} ({state}). Nothing was changed.",
    "Ce consentement existe déjà : {id} ({state}). Rien n’a été modifié.",
);
pub(super) const GIVEN: Text = text("Given. {text} Receipt: {id}", "Donné. {text} Reçu : {id}");
pub(super) const SUSPEND_CONSENT: Text = text("Suspend a consent", "Suspendre un consentement");
pub(super) const RESUME_CONSENT: Text = text("Resume a consent", "Reprendre un consentement");
pub(super) const WITHDRAW_CONSENT: Text = text("Withdraw a consent", "Retirer un consentement");
pub(super) const END_ACCESS: Text = text("End my access", "Mettre fin à mon accès");
pub(super) const SUSPENDED: Text = text(
    "Suspended: nothing is sent to {who} under it until it is resumed ({scope}).",
    "Suspendu : rien n’est envoyé à {who} à ce titre jusqu’à la reprise ({scope}).",
);
pub(super) const RESUMED: Text = text(
    "Resumed: what is published from now on is sent to {who} again ({scope}).",
    "Repris : ce qui est publié à partir de maintenant est de nouveau envoyé à {who} ({scope}).",
);
pub(super) const WITHDRAWN: Text = text(
    "Withdrawn: nothing is sent to {who} under it any more ({scope}).",
    "Retiré : plus rien n’est envoyé à {who} à ce titre ({scope}).",
);
pub(super) const TERMINATED: Text =
    text("Ended: you get nothing more of {scope}.", "Terminé : vous ne recevez plus rien de {scope}.");
pub(super) const TERMINATED_COVERED: Text = text(
    "Ended: you get nothing more of {scope} under it. Another consent of yours covers some of the same, and goes on.",
    "Terminé : vous ne recevez plus rien de {scope} à ce titre. Un autre de vos consentements en couvre une partie et continue.",
);
pub(super) const TAKEN_BACK: Text = text(
    "Taken back: your request for {scope} is closed, and is not answered any more.",
    "Retirée : votre demande de {scope} est close et ne recevra plus de réponse.",
);
pub(super) const REVOKED: Text = text(
    "Revoked {id}: nothing is sent to {who} under it any more.",
    "Révoqué {id} : plus rien n’est envoyé à {who} à ce titre.",
);

pub(super) const ALL_OF_THEM: Text = text("all of them", "tous");
pub(super) const OR_ALL: Text = text("; * stands for {all}", " ; * signifie {all}");
pub(super) const ALL_WITH: Text = text(
    "To end everything with one recipient: its address, and no consent chosen above",
    "Pour mettre fin à tout avec un destinataire : son adresse, sans choisir de consentement ci-dessus",
);
pub(super) const ONE_OR_ALL: Text = text(
    "choose one consent, or fill in a recipient to end everything with it, but not both",
    "choisissez un consentement, ou indiquez un destinataire pour mettre fin à tout avec lui, mais pas les deux",
);
pub(super) const NOTHING_WITH: Text = text(
    "you share nothing with {who}, and it asks for nothing; my-consents shows what you share",
    "vous ne partagez rien avec {who}, qui ne demande rien non plus ; my-consents montre ce que vous partagez",
);
/// Everything with one recipient was ended, by command or by text.
pub const ENDED_WITH: Text = text(
    "Ended with {who}: {count}. Nothing is sent to it under a consent of yours any more, and nothing that it asked waits.",
    "Terminé avec {who} : {count}. Plus rien ne lui est envoyé au titre de vos consentements, et aucune de ses demandes n’attend plus.",
);
pub(super) const ALL_WITHDRAWN: Text = text(
    "Withdrawn: all {count}. Nothing is sent under a consent of yours any more.",
    "Retirés : tous les {count}. Plus rien n’est envoyé au titre de vos consentements.",
);
pub(super) const ALL_SUSPENDED: Text = text(
    "Suspended: all {count}. Nothing is sent under them until they are resumed.",
    "Suspendus : tous les {count}. Rien n’est envoyé à ce titre jusqu’à leur reprise.",
);
pub(super) const ALL_RESUMED: Text = text(
    "Resumed: all {count}. What is published from now on is sent again.",
    "Repris : tous les {count}. Ce qui est publié à partir de maintenant est de nouveau envoyé.",
);

// Requests
pub(super) const REQUEST_ACCESS: Text = text("Ask for access", "Demander un accès");
pub(super) const REQUEST_ACCESS_HOW: Text = text(
    "The person concerned is asked, and may say no, or give less. You are told of the answer.",
    "La personne concernée est interrogée ; elle peut refuser, ou donner moins. La réponse vous est communiquée.",
);
pub(super) const PENDING: Text = text("The request {id} is pending.", "La demande {id} est en attente.");
pub(super) const GIVEN_ALREADY: Text =
    text("You have this consent already: {id}.", "Vous avez déjà ce consentement : {id}.");
pub(super) const OWN_SERIES: Text =
    text("This is yours: you need no consent.", "Ceci est à vous : nul besoin de consentement.");
pub(super) const TOO_MANY_REQUESTS: Text = text(
    "{most} of your requests wait already; wait for an answer, or take one back with end-access",
    "{most} de vos demandes sont déjà en attente ; attendez une réponse, ou retirez-en une avec end-access",
);
pub(super) const PENDING_REQUESTS: Text = text("Requests to answer", "Demandes à traiter");
pub(super) const PENDING_NODE: Text = text("Series", "Série");
pub(super) const PENDING_HOW: Text = text(
    "The requests for this series are sent to you once more, each as a form to answer.",
    "Les demandes pour cette série vous sont envoyées à nouveau, chacune comme un formulaire à remplir.",
);
pub(super) const PENDING_SENT: Text = text(
    "Requests that are sent to you to answer: {count}.",
    "Demandes qui vous sont envoyées pour réponse : {count}.",
);
/// Lists show both: two entries of one name would puzzle people.
pub(super) const PUBSUB_PENDING: Text =
    text("Requests to answer (pubsub#get-pending)", "Demandes à traiter (pubsub#get-pending)");
pub(super) const NO_REQUESTS: Text =
    text("Nobody waits for your answer.", "Personne n’attend votre réponse.");
pub(super) const IF_AGREED: Text = text("If agreed to: {text}", "En cas d’accord : {text}");
pub(super) const YES: Text = text("yes, as below", "oui, comme ci-dessous");
pub(super) const NO: Text = text("no", "non");
pub(super) const PLAIN_YES: Text = text("yes", "oui");
pub(super) const PLAIN_NO: Text = text("no", "non");
pub(super) const GRANTED: Text =
    text("Given: {who} may have the data.", "Donné : {who} peut recevoir les données.");
pub(super) const REFUSED: Text =
    text("Refused: {who} gets nothing by this request.", "Refusé : {who} ne reçoit rien par cette demande.");

// What operators do
pub(super) const CONSENT_ADD: Text = text("Record a consent", "Enregistrer un consentement");
pub(super) const CONSENT_ADD_HOW: Text = text(
    "For what somebody agreed to elsewhere, with the evidence of it.",
    "Pour ce que quelqu’un a accepté ailleurs, avec la preuve.",
);
pub(super) const RECORDED: Text = text("The consent is recorded.", "Le consentement est enregistré.");
pub(super) const RECORDED_BY: Text = text("recorded by {who}", "enregistré par {who}");
pub(super) const CONSENT_EDIT: Text =
    text("Narrow or correct a consent", "Restreindre ou corriger un consentement");
pub(super) const CONSENT_EDIT_HOW: Text = text(
    "An edit narrows, or corrects the evidence. What is wider is a new consent, which the person gives again.",
    "Une modification restreint, ou corrige la preuve. Ce qui est plus large est un nouveau consentement.",
);
pub(super) const CONSENT_SUSPEND: Text =
    text("Suspend somebody's consent", "Suspendre le consentement de quelqu’un");
pub(super) const CONSENT_RESUME: Text =
    text("Resume somebody's consent", "Reprendre le consentement de quelqu’un");
pub(super) const CONSENT_REVOKE: Text = text("Revoke a consent", "Révoquer un consentement");
pub(super) const SERIES_ADD: Text = text("Register a series", "Enregistrer une série");
pub(super) const SERIES_HOW: Text = text(
    "Until a series is registered, nobody may publish it.",
    "Tant qu’une série n’est pas enregistrée, personne ne peut la publier.",
);
pub(super) const SERIES_LIST: Text = text("List series", "Lister les séries");
pub(super) const SERIES_EDIT: Text = text("Change a series", "Modifier une série");
pub(super) const SERIES_REMOVE: Text = text("Remove a series", "Retirer une série");
pub(super) const SERIES_REMOVE_HOW: Text = text(
    "Nobody may publish it any more. What was measured stays whose it was.",
    "Plus personne ne pourra la publier. Ce qui a été mesuré reste à qui c’était.",
);
pub(super) const OWNER_OR_VACANT: Text = text(
    "either somebody holds it from then on, or nobody: leave one of the two out",
    "dès lors quelqu’un en est titulaire, ou personne : retirez l’un des deux",
);
pub(super) const SERIES_EXISTS: Text = text(
    "{name} is registered already; change it with series-edit",
    "{name} est déjà enregistrée ; modifiez-la avec series-edit",
);
pub(super) const NO_SUCH_SERIES: Text = text(
    "{name} is not registered; series-list shows what is",
    "{name} n’est pas enregistrée ; series-list montre ce qui l’est",
);
pub(super) const REGISTERED: Text = text("The series is registered.", "La série est enregistrée.");
pub(super) const SERIES_EDITED: Text = text("The series is changed.", "La série est modifiée.");
pub(super) const QUEUE_STATUS: Text = text("What waits to be delivered", "Ce qui attend d’être remis");
pub(super) const QUEUE_SUM: Text =
    text("{waiting} waiting, {dead} dead letters.", "{waiting} en attente, {dead} lettres mortes.");
pub(super) const DEAD_LETTERS: Text = text("Dead letters", "Lettres mortes");
pub(super) const DEAD_LETTERS_HOW: Text = text(
    "{count} deliveries came back; some of them may be tried again by themselves. If none is chosen, all are meant. What is tried again goes to its recipient alone, and only if the consent still permits.",
    "{count} remises sont revenues ; certaines seront peut-être retentées d’elles-mêmes. Si aucune n’est choisie, toutes le sont. Ce qui est retenté va à son seul destinataire, et seulement si le consentement le permet encore.",
);
pub(super) const NO_DEAD_LETTERS: Text =
    text("There are no dead letters.", "Il n’y a pas de lettres mortes.");
pub(super) const SHOW: Text = text("show them", "les montrer");
pub(super) const REPLAY: Text = text("try them again", "les retenter");
pub(super) const DROP: Text = text("drop them for good", "les abandonner définitivement");
pub(super) const DROPPED: Text = text("{count} dropped.", "{count} abandonnées.");
pub(super) const TO_BE_TRIED: Text = text("{count} to be tried again.", "{count} à retenter.");
pub(super) const AUDIT_VERIFY: Text =
    text("Verify the disclosure log", "Vérifier le journal des transmissions");
pub(super) const AUDIT_SOUND: Text = text(
    "The log is as it was written: {rows} rows, {lines} lines, {signed} signatures. Head: {head}",
    "Le journal est tel qu’il a été écrit : {rows} rangées, {lines} lignes, {signed} signatures. Tête : {head}",
);
pub(super) const AUDIT_BROKEN: Text = text(
    "The log is not as it was written: row {row}: {fault}: {detail}",
    "Le journal n’est pas tel qu’il a été écrit : rangée {row} : {fault} : {detail}",
);

// What anyone may want to know
pub(super) const LANGUAGE: Text = text("Choose a language", "Choisir une langue");
pub(super) const LANGUAGE_CHOSEN: Text = text("From now on in English.", "Désormais en français.");
pub(super) const HELP: Text = text("Help", "Aide");
pub(super) const HELP_TEXT: Text = text(
    "This service passes energy measurements on, and only to those the person concerned consented to. 'What I share' lists your consents; 'Withdraw a consent' ends one at once. By text: list, yes CODE, no CODE, stop CODE, help.",
    "Ce service transmet des mesures d’énergie, et seulement à ceux pour qui la personne concernée a consenti. « Ce que je partage » liste vos consentements ; « Retirer un consentement » y met fin aussitôt. Par texte : liste, oui CODE, non CODE, stop CODE, aide.",
);

/// A label and what belongs to it; French has a blank before the colon.
pub(crate) fn labelled(label: &str, said: &str, language: Language) -> String {
    match language {
        Language::En => format!("{label}: {said}"),
        Language::Fr => format!("{label} : {said}"),
    }
}

/// The same behind the label of a field of the record.
pub(super) fn labelled_of(var: &str, said: Text, language: Language) -> String {
    labelled(label(var).of(language), said.of(language), language)
}

/// What can be done with a consent that stands so, and what not.
pub(crate) fn stands(state: State) -> Text {
    match state {
        State::Active => text(
            "this consent is active already; it can be suspended, or ended",
            "ce consentement est déjà actif ; on peut le suspendre, ou y mettre fin",
        ),
        State::Suspended => text(
            "this consent is suspended already; it can be resumed, or ended",
            "ce consentement est déjà suspendu ; on peut le reprendre, ou y mettre fin",
        ),
        State::Requested => text(
            "this is a request that waits for an answer; the person concerned answers it with pending-requests",
            "ceci est une demande sans réponse ; la personne concernée y répond avec pending-requests",
        ),
        _ => text(
            "this consent is over already ({state}), and stays so: nothing is sent under it. Another one may be asked for, or given",
            "ce consentement est déjà terminé ({state}), et le reste : plus rien n’est envoyé à ce titre. Un autre peut être demandé, ou donné",
        ),
    }
}

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
        "text_lang" => text("Language of the text", "Langue du texte"),
        "text_hash" => text("Hash of the text", "Empreinte du texte"),
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
        "from" => text("Holds it from", "Titulaire à partir du"),
        "vacant" => text("Nobody holds it", "Sans titulaire"),
        "below" => text("Also what is registered below it", "Aussi ce qui est enregistré plus bas"),
        "producers" => text("Producers", "Producteurs"),
        "open" => text("Open data", "Données ouvertes"),
        "title" => text("Title", "Titre"),
        "source" => text("Source of the history", "Source de l’historique"),
        "language" => text("Language", "Langue"),
        "code" => text("Code", "Code"),
        "need" => text("Data need", "Besoin de données"),
        "events" => text("What happened", "Historique"),
        "retention_series" => text("Kept for history", "Conservé pour l’historique"),
        "request" => text("Request", "Demande"),
        "answer" => text("Your answer", "Votre réponse"),
        "do" => text("What to do", "Que faire"),
        "ids" => text("Which (all unless chosen)", "Lesquelles (toutes sauf choix)"),
        "field" => text("Field", "Champ"),
        "before" => text("Before", "Avant"),
        "after" => text("After", "Après"),
        "item" => text("Item", "Élément"),
        "destination" => text("Destination", "Destination"),
        "waiting" => text("Waiting", "En attente"),
        "oldest" => text("Oldest", "Plus ancien"),
        "confirmed" => text("Confirmed up to", "Confirmé jusqu’à"),
        "proof" => text("Proved by", "Attesté par"),
        "dead_letters" => text("Dead letters", "Lettres mortes"),
        "at" => text("When", "Quand"),
        "actor" => text("By whom", "Par qui"),
        "note" => text("Note", "Note"),
        _ => text("", ""),
    }
}

/// The name of a field for people; the record's own where there is none.
pub(crate) fn name_of(var: &str, language: Language) -> &str {
    match label(var).of(language) {
        "" => var,
        name => name,
    }
}

/// What a field is for, where its label does not say it all.
pub(crate) fn description(var: &str) -> Option<Text> {
    Some(match var {
        "subject" | "owner" => text(
            "A bare address, or ref: and a reference of your own",
            "Une adresse nue, ou ref: et une référence à vous",
        ),
        "scope" => {
            text("One name a line; a prefix ends in *", "Un nom par ligne ; un préfixe se termine par *")
        }
        "name" => text("A prefix ends in *", "Un préfixe se termine par *"),
        "valid_from" | "from" => text("From now, if empty", "Dès maintenant, si vide"),
        "vacant" => text(
            "What is measured then is acknowledged, neither kept nor sent",
            "Ce qui est mesuré alors est accusé de réception, ni conservé ni envoyé",
        ),
        "valid_until" => {
            text("As 2027-01-01 or 2027-01-01T12:00:00Z", "Comme 2027-01-01 ou 2027-01-01T12:00:00Z")
        }
        "retention" | "granularity" | "retention_series" => {
            text("A duration as P1Y, P30D or PT1H", "Une durée comme P1Y, P30D ou PT1H")
        }
        "need" => text(
            "What it says counts, whatever else is filled in; under Series, name what it is asked for",
            "Ce qu’il dit l’emporte sur le reste ; sous Séries, nommez ce que vous demandez",
        ),
        "source" => text(
            "Only if it keeps the history itself: what is asked of the past is passed on to this address",
            "Seulement si elle conserve l’historique elle-même : les demandes d’historique sont transmises à cette adresse",
        ),
        "arrangement" => text(
            "Only to renew: the arrangement of the consent that is renewed",
            "Seulement pour renouveler : l’arrangement du consentement renouvelé",
        ),
        _ => return None,
    })
}

/// The name of a mode.
pub(crate) fn mode(name: &str) -> Text {
    match name {
        "notify" => text("sent as it is published", "envoyé dès publication"),
        _ => text("fetched from what is kept", "consulté dans ce qui est conservé"),
    }
}

/// The name of a lawful basis (GDPR article 6).
pub(crate) fn basis(name: &str) -> Text {
    match name {
        "contract" => text("contract", "contrat"),
        "legal-obligation" => text("legal obligation", "obligation légale"),
        "vital-interests" => text("vital interests", "sauvegarde des intérêts vitaux"),
        "public-task" => text("public task", "mission d’intérêt public"),
        "legitimate-interests" => text("legitimate interests", "intérêts légitimes"),
        _ => text("consent", "consentement"),
    }
}

/// How it was given.
pub(crate) fn method(name: &str) -> Text {
    match name {
        "ad-hoc" => text("the person, by a command", "la personne, par une commande"),
        "approval-form" => {
            text("the person, by the form of the request", "la personne, par le formulaire reçu")
        }
        "text-command" => text("the person, by a line of text", "la personne, par une ligne de texte"),
        "operator-answer" => {
            text("answered by an operator for the person", "répondu par un opérateur pour la personne")
        }
        "import" => text("taken over from elsewhere", "repris d’ailleurs"),
        "request" => text("not given yet", "pas encore donné"),
        _ => text("recorded by an operator", "enregistré par un opérateur"),
    }
}
