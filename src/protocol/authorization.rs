//! The form by which the owner of a node is asked whether somebody may subscribe (XEP-0060 §8.6).

use jid::Jid;

use super::forms::{Field, Form, Kind, Submission};
use super::text::{attribute, escape, raw};
use crate::domain::consent::Consent;
use crate::domain::language::{Language, text};
use crate::domain::party::Subject;
use crate::domain::wording::{self, one_line};

/// Its FORM_TYPE.
pub const FORM_TYPE: &str = "http://jabber.org/protocol/pubsub#subscribe_authorization";

/// The field that names the request, beside those of the standard.
pub const REQUEST: &str = "{urn:courant:0}consent";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub consent: &'a Consent,
    /// The address that asked by subscribing; the recipient, where that is not known.
    pub from: Option<&'a Jid>,
}

/// Appends the message that asks, for clients that show forms and for those that show text alone.
pub fn write(
    out: &mut Vec<u8>,
    (from, to): (&str, &str),
    id: Option<&str>,
    language: Language,
    asked: &Asked<'_>,
    body: &str,
) {
    raw(out, "<message type='normal'");
    attribute(out, "from", from);
    attribute(out, "to", to);
    id.iter().for_each(|id| attribute(out, "id", id));
    attribute(out, "xml:lang", language.code());
    raw(out, "><body>");
    escape(out, body);
    raw(out, "</body>");
    form(asked, language).write(out);
    raw(out, "</message>");
}

fn form(asked: &Asked<'_>, language: Language) -> Form {
    let consent = asked.consent;
    let subscriber = asked.from.map_or_else(|| consent.recipient.to_string(), ToString::to_string);
    let own = |name: &str, label: &str, value: String| {
        Field::new(Kind::TextSingle, format!("{{urn:courant:0}}{name}"), label).value(value)
    };
    let label = |en, fr| text(en, fr).of(language);
    let node = consent.scope.first().map(ToString::to_string).unwrap_or_default();
    let mut fields = vec![
        Field::new(Kind::Hidden, REQUEST, "").value(consent.id.to_string()),
        Field::new(Kind::TextSingle, "pubsub#node", label("Series", "Série")).value(node),
        Field::new(Kind::JidSingle, "pubsub#subscriber_jid", label("Recipient", "Destinataire"))
            .value(subscriber),
    ];
    let purpose = match &*consent.purpose {
        wording::NOT_STATED => wording::purpose(consent, language),
        said => one_line(said),
    };
    fields.push(own("purpose", label("Purpose", "Finalité"), purpose));
    let texts = [
        ("recipient_name", &consent.recipient_name, label("Name they give", "Nom qu’ils donnent")),
        ("recipient_contact", &consent.recipient_contact, label("Their contact", "Leur contact")),
        ("policy_url", &consent.policy_url, label("Their data policy", "Leur politique de données")),
    ];
    for (name, said, label) in texts {
        said.iter().for_each(|said| fields.push(own(name, label, one_line(said))));
    }
    fields.push(own("valid_until", label("Until", "Jusqu’au"), consent.valid_until.to_string()));
    let kept = label("May be kept for", "Conservation autorisée");
    fields.push(own("retention", kept, consent.retention.to_string()));
    let modes = label("How they get it", "Mode de transmission");
    fields.push(own("modes", modes, wording::modes(consent, language).to_owned()));
    let onward = if consent.onward { label("yes", "oui") } else { label("no", "non") };
    let passed = label("May be passed on", "Transmission à des tiers autorisée");
    fields.push(own("onward", passed, onward.to_owned()));
    if consent.scope.len() > 1 {
        fields.push(own("scope", label("All series", "Toutes les séries"), wording::scopes(consent)));
    }
    let window = [
        ("data_from", consent.data_from, label("Measurements from", "Mesures à partir du")),
        ("data_until", consent.data_until, label("Measurements before", "Mesures avant le")),
    ];
    for (name, at, label) in window {
        at.iter().for_each(|at| fields.push(own(name, label, at.to_string())));
    }
    if let Some(granularity) = &consent.granularity {
        fields.push(own("granularity", label("Not finer than", "Pas plus fin que"), granularity.to_string()));
    }
    let allow =
        label("Allow this recipient to have the data?", "Autoriser ce destinataire à recevoir ces données ?");
    fields.push(Field::new(Kind::Boolean, "pubsub#allow", allow).value("false"));
    let (title, how) = match &consent.subject {
        Subject::Jid(_) => (
            label("Somebody asks for your data", "Quelqu’un demande vos données").to_owned(),
            label(
                "Choose whether to allow it, and send the form. You can withdraw your consent at any time.",
                "Choisissez d’autoriser ou non, et envoyez le formulaire. Vous pourrez retirer votre consentement à tout moment.",
            ),
        ),
        // Operators answer for them.
        Subject::Reference(_) => (
            text("Somebody asks for the data of {subject}", "Quelqu’un demande les données de {subject}")
                .fill(language, &[("subject", &wording::subject(consent))]),
            label(
                "Choose what the person concerned said, and send the form.",
                "Choisissez ce que la personne concernée a dit, et envoyez le formulaire.",
            ),
        ),
    };
    Form { form_type: Some(FORM_TYPE.to_owned()), title, instructions: vec![how.to_owned()], fields }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which request, where the client gave back what it does not know.
    pub request: Option<String>,
    /// The node,
    pub node: String,
    /// who asked for it,
    pub subscriber: String,
    /// and whether they may.
    pub allow: bool,
}

impl Answer {
    /// Reads the form; nothing where it is not this form, or gives no answer.
    pub fn read(submission: &Submission) -> Option<Self> {
        if submission.kind != "submit" || submission.form_type.as_deref() != Some(FORM_TYPE) {
            return None;
        }
        let text = |var: &str| submission.values.get(var).and_then(|values| values.first()).cloned();
        Some(Answer {
            request: text(REQUEST),
            node: text("pubsub#node").unwrap_or_default(),
            subscriber: text("pubsub#subscriber_jid").unwrap_or_default(),
            allow: super::forms::boolean(&text("pubsub#allow")?)?,
        })
    }
}
