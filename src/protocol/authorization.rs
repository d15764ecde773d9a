//! The form by which the owner of a node is asked whether somebody may subscribe (XEP-0060 §8.6).

use super::forms::{Field, Form, Kind, Submission};
use super::text::{attribute, escape, raw};
use crate::domain::consent::Consent;
use crate::domain::language::{Language, text};

/// Its FORM_TYPE.
pub const FORM_TYPE: &str = "http://jabber.org/protocol/pubsub#subscribe_authorization";

/// The field that names the request, beside those of the standard.
pub const REQUEST: &str = "{urn:courant:0}consent";

/// Appends the message that asks, for clients that show forms and for those that show text alone.
pub fn write(
    out: &mut Vec<u8>,
    from: &str,
    to: &str,
    id: &str,
    language: Language,
    consent: &Consent,
    body: &str,
) {
    raw(out, "<message type='normal'");
    attribute(out, "from", from);
    attribute(out, "to", to);
    attribute(out, "id", id);
    attribute(out, "xml:lang", language.code());
    raw(out, "><body>");
    escape(out, body);
    raw(out, "</body>");
    form(consent, language).write(out);
    raw(out, "</message>");
}

fn form(consent: &Consent, language: Language) -> Form {
    let own = |name: &str, label: &str, value: String| {
        Field::new(Kind::TextSingle, format!("{{urn:courant:0}}{name}"), label).value(value)
    };
    let label = |en, fr| text(en, fr).of(language);
    let node = consent.scope.first().map(ToString::to_string).unwrap_or_default();
    let mut fields = vec![
        Field::new(Kind::Hidden, REQUEST, "").value(consent.id.to_string()),
        Field::new(Kind::TextSingle, "pubsub#node", label("Series", "Série")).value(node),
        Field::new(Kind::JidSingle, "pubsub#subscriber_jid", label("Recipient", "Destinataire"))
            .value(consent.recipient.to_string()),
        own("purpose", label("Purpose", "Finalité"), consent.purpose.clone()),
        own("valid_until", label("Until", "Jusqu’au"), consent.valid_until.to_string()),
        own("retention", label("May be kept for", "Conservation autorisée"), consent.retention.to_string()),
    ];
    if consent.scope.len() > 1 {
        let all = consent.scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        fields.push(own("scope", label("All series", "Toutes les séries"), all));
    }
    if let Some(granularity) = &consent.granularity {
        fields.push(own("granularity", label("Not finer than", "Pas plus fin que"), granularity.to_string()));
    }
    let allow =
        label("Allow this recipient to have the data?", "Autoriser ce destinataire à recevoir ces données ?");
    fields.push(Field::new(Kind::Boolean, "pubsub#allow", allow).value("false"));
    Form {
        form_type: Some(FORM_TYPE.to_owned()),
        title: label("Somebody asks for your data", "Quelqu’un demande vos données").to_owned(),
        instructions: vec![
            label(
                "Choose whether to allow it, and send the form. You can withdraw your consent at any time.",
                "Choisissez d’autoriser ou non, et envoyez le formulaire. Vous pourrez retirer votre consentement à tout moment.",
            )
            .to_owned(),
        ],
        fields,
    }
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
