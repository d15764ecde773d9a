//! What a node is set to (XEP-0060 §8.2, §8.3, §16.4.4).

use std::time::Duration;

use jid::BareJid;
use minidom::Element;

use super::node::{KEEP, Node, changed_meanwhile, cut, required};
use super::{Asked, create, lists, notices, texts};
use crate::config::{AccessModel, Config, NotificationType, Pubsub};
use crate::desk::context::failed;
use crate::desk::permit::Asker;
use crate::domain::consent::State;
use crate::domain::language::Text;
use crate::domain::period::Period;
use crate::domain::series::Series;
use crate::domain::wording::check_line;
use crate::protocol::error::{Condition, Detail, StanzaError};
use crate::protocol::form::{self, Field, Submitted};
use crate::protocol::ns;
use crate::protocol::text::{attribute, raw};
use crate::store::StoreError;

/// The form's type.
pub(super) const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";

const ACCESS_MODELS: [&str; 3] = ["authorize", "open", "whitelist"];
const PUBLISH_MODELS: [&str; 2] = ["publishers", "open"];
const TYPES: [&str; 2] = ["normal", "headline"];
const SEND_LAST: [&str; 2] = ["on_sub", "never"];

/// What cannot be set to anything else here.
const FIXED: [(&str, &str); 8] = [
    ("pubsub#deliver_notifications", "1"),
    ("pubsub#deliver_payloads", "1"),
    ("pubsub#node_type", "leaf"),
    ("pubsub#presence_based_delivery", "0"),
    ("pubsub#purge_offline", "0"),
    ("pubsub#subscribe", "1"),
    ("pubsub#tempsub", "0"),
    ("pubsub#itemreply", "publisher"),
];

/// Shows how a node is set.
pub(super) async fn show(asked: &Asked<'_>, configure: &Element) -> Result<Vec<u8>, StanzaError> {
    let node = Node::run_by(asked.context, required(configure.attr("node"))?, asked.sender).await?;
    Ok(answer("configure", Some(&node.name), &fields(&asked.context.config.pubsub, &node.series)))
}

/// Shows how a new node would be set.
pub(super) fn show_default(asked: &Asked<'_>) -> Result<Vec<u8>, StanzaError> {
    let config = &asked.context.config;
    let series = usual(config, asked.sender)?;
    Ok(answer("default", None, &fields(&config.pubsub, &series)))
}

fn usual(config: &Config, owner: &BareJid) -> Result<Series, StanzaError> {
    let name = crate::domain::name::Scope::parse("new")
        .map_err(|_| StanzaError::said(Condition::InternalServerError, texts::NOT_A_NODE, &[]))?;
    let mut series = Series {
        name,
        tenures: crate::domain::tenure::Tenures::of(crate::domain::party::Subject::Jid(owner.clone())),
        producers: Vec::new(),
        open: config.pubsub.access_model == AccessModel::Open,
        retention: None,
        title: None,
        source: None,
        meta: Default::default(),
        node: Default::default(),
    };
    series.node.whitelist = config.pubsub.access_model == AccessModel::Whitelist;
    Ok(series)
}

fn answer(element: &str, node: Option<&str>, fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "<pubsub xmlns='");
    raw(&mut out, ns::PUBSUB_OWNER);
    raw(&mut out, "'><");
    raw(&mut out, element);
    if let Some(node) = node {
        attribute(&mut out, "node", node);
    }
    raw(&mut out, ">");
    form::write(&mut out, "form", NODE_CONFIG, fields);
    raw(&mut out, "</");
    raw(&mut out, element);
    raw(&mut out, "></pubsub>");
    out
}

/// Sets a node as the form says.
pub(super) async fn set(asked: &Asked<'_>, configure: &Element) -> Result<Vec<u8>, StanzaError> {
    let (context, name) = (asked.context, required(configure.attr("node"))?);
    let node = Node::run_by(context, name, asked.sender).await?;
    let Some(form) = Submitted::within(configure) else {
        return Err(StanzaError::said(Condition::BadRequest, texts::NO_FORM, &[]));
    };
    if form.type_ == "cancel" {
        return Ok(Vec::new());
    }
    let mut series = node.series.clone();
    let itself = node.is_registered_itself();
    if !itself {
        let Ok(scope) = crate::domain::name::Scope::parse(name) else {
            return Err(StanzaError::said(Condition::NotAcceptable, texts::NOT_A_NODE, &[]));
        };
        series.name = scope;
        create::out_of_a_prefix(context, asked.sender, &node, &mut series).await?;
    }
    let now = context.clock.now().wall;
    apply(&mut series, &form, node.is_held_by(asked.sender))?;
    if itself {
        if !context.store.update_series(&node.series, &series, now).await.map_err(|e| failed(&e))? {
            return Err(changed_meanwhile());
        }
    } else {
        // A node under a prefix that is set differently becomes a registration of its own.
        match context.store.add_series(&series, now).await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => return Err(changed_meanwhile()),
            Err(error) => return Err(failed(&error)),
        }
    }
    let usual = context.config.pubsub.retention.nominal();
    context.store.refresh_name(name, usual).await.map_err(|e| failed(&e))?;
    if let Some(most) = series.node.max_items {
        context.store.keep_newest(name, most).await.map_err(|e| failed(&e))?;
    }
    context.taken().await?;
    let was_open = node.series.open || node.series.node.whitelist;
    let node = node.with(series);
    if was_open && !node.series.open {
        end_without_right(asked, &node).await?;
    }
    if node.series.node.notify_config.unwrap_or(false) {
        let mut content = Vec::new();
        raw(&mut content, "<configuration");
        attribute(&mut content, "node", name);
        raw(&mut content, "/>");
        notices::tell(context, &node, &content).await?;
    }
    Ok(Vec::new())
}

/// Ends the subscriptions of those who had what they have no right to any more: they are told so.
pub(super) async fn end_without_right(asked: &Asked<'_>, node: &Node) -> Result<(), StanzaError> {
    let Ok(scope) = crate::domain::name::Scope::parse(&node.name) else { return Ok(()) };
    let context = asked.context;
    let all = context.store.subscribers_of(&scope, notices::SUBSCRIBERS_MAX).await.map_err(|e| failed(&e))?;
    let mut ended = false;
    for held in all {
        let who = held.jid.to_bare();
        let asker = Asker { who: who.clone(), consents: Vec::new(), now: node.now, is_sent: true };
        if asker.is_sent_freely(&node.whose) {
            continue;
        }
        // The subscription is to what is below the node too, and so may be the right.
        let below = format!("{}/", node.name);
        let consents = context.store.consents_about(&who, &node.name, &below).await;
        let consents = consents.map_err(|e| failed(&e))?;
        // One that is suspended, or begins later, is a right all the same.
        let keeps = consents.iter().any(|(_, consent)| {
            matches!(consent.state, State::Active | State::Suspended)
                && consent.modes.notify
                && node.whose.concerns(&consent.subject)
        });
        if !keeps {
            lists::end_subscription(asked, node, &held).await?;
            ended = true;
        }
    }
    if ended {
        context.taken().await?;
    }
    Ok(())
}

/// The fields of a node, as they are set.
pub(super) fn fields<'a>(usual: &Pubsub, series: &Series) -> Vec<Field<'a>> {
    let settings = &series.node;
    let retention = series.retention.clone().unwrap_or_else(|| usual.retention.clone());
    let kept = retention.nominal();
    let headline = settings.headline.unwrap_or(usual.notification_type == NotificationType::Headline);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let max = settings.max_items.map_or_else(|| "max".to_owned(), |most| most.to_string());
    vec![
        Field::new("pubsub#title", "text-single", "A short name for the node", text(&series.title)),
        Field::new("pubsub#description", "text-single", "What it is about", text(&settings.description)),
        Field::new("pubsub#type", "text-single", "Namespace of the payloads", text(&settings.kind)),
        Field::list(
            "pubsub#access_model",
            "Who may subscribe and fetch items",
            access(series),
            &ACCESS_MODELS,
        ),
        Field::list(
            "pubsub#publish_model",
            "Who may publish",
            if settings.anyone_publishes { "open" } else { "publishers" },
            &PUBLISH_MODELS,
        ),
        Field::boolean("pubsub#persist_items", "Keep items", !kept.is_zero()),
        Field::new(
            "pubsub#item_expire",
            "text-single",
            "Seconds until an item goes",
            kept.as_secs().to_string(),
        ),
        Field::new("pubsub#max_items", "text-single", "The most items to keep, or max", max),
        Field::list(
            "pubsub#notification_type",
            "Type of the messages that are sent",
            if headline { "headline" } else { "normal" },
            &TYPES,
        ),
        Field::boolean(
            "pubsub#notify_config",
            "Tell subscribers when the node is configured",
            settings.notify_config.unwrap_or(false),
        ),
        Field::boolean(
            "pubsub#notify_delete",
            "Tell subscribers when the node goes",
            settings.notify_delete.unwrap_or(true),
        ),
        Field::boolean(
            "pubsub#notify_retract",
            "Tell subscribers when items go",
            settings.notify_retract.unwrap_or(true),
        ),
        Field::list(
            "pubsub#send_last_published_item",
            "When to send the last item",
            if settings.send_last.unwrap_or(true) { "on_sub" } else { "never" },
            &SEND_LAST,
        ),
        Field::boolean("pubsub#deliver_notifications", "Send notifications", true),
        Field::boolean("pubsub#deliver_payloads", "Send payloads with them", true),
    ]
}

/// The access model of a registration.
pub(super) fn access(series: &Series) -> &'static str {
    match (series.open, series.node.whitelist) {
        (true, _) => "open",
        (false, true) => "whitelist",
        (false, false) => "authorize",
    }
}

/// Changes a registration as a form says; fields that are not in the form, or not known, change nothing.
pub(super) fn apply(series: &mut Series, form: &Submitted, is_holder: bool) -> Result<(), StanzaError> {
    if form.form_type().is_some_and(|type_| type_ != NODE_CONFIG) {
        return Err(StanzaError::said(Condition::BadRequest, texts::OTHER_FORM, &[("type", NODE_CONFIG)]));
    }
    for (var, value) in FIXED {
        let same = |given: &str| {
            given == value || (given, value) == ("true", "1") || (given, value) == ("false", "0")
        };
        if form.one(var).is_some_and(|given| !same(given)) {
            return Err(unacceptable(texts::FIXED, &[("var", var), ("value", value)]));
        }
    }
    set_access(series, form, is_holder)?;
    set_retention(series, form, is_holder)?;
    set_publishers(series, form, is_holder)?;
    let settings = &mut series.node;
    match form.one("pubsub#notification_type") {
        None => {}
        Some("normal") => settings.headline = Some(false),
        Some("headline") => settings.headline = Some(true),
        Some(other) => return Err(choice("pubsub#notification_type", other, &TYPES)),
    }
    match form.one("pubsub#send_last_published_item") {
        None => {}
        Some("never") => settings.send_last = Some(false),
        Some("on_sub") => settings.send_last = Some(true),
        Some(other) => return Err(choice("pubsub#send_last_published_item", other, &SEND_LAST)),
    }
    let flags = [
        ("pubsub#notify_config", &mut settings.notify_config),
        ("pubsub#notify_delete", &mut settings.notify_delete),
        ("pubsub#notify_retract", &mut settings.notify_retract),
    ];
    for (var, setting) in flags {
        if let Some(value) = boolean(form, var)? {
            *setting = Some(value);
        }
    }
    let texts = [
        ("pubsub#title", &mut series.title),
        ("pubsub#description", &mut settings.description),
        ("pubsub#type", &mut settings.kind),
    ];
    for (var, text) in texts {
        if let Some(value) = form.one(var) {
            check_line(value).map_err(|_| unacceptable(texts::UNREADABLE, &[("var", var)]))?;
            *text = Some(value.chars().take(1000).collect()).filter(|text: &String| !text.is_empty());
        }
    }
    Ok(())
}

/// Who may have the data is decided by the person concerned alone.
fn set_access(series: &mut Series, form: &Submitted, is_holder: bool) -> Result<(), StanzaError> {
    let Some(model) = form.one("pubsub#access_model") else { return Ok(()) };
    let (open, whitelist) = match model {
        "authorize" => (false, false),
        "open" => (true, false),
        "whitelist" => (false, true),
        other => {
            let detail = Some(Detail::Pubsub("unsupported-access-model"));
            return Err(StanzaError { detail, ..choice("pubsub#access_model", other, &ACCESS_MODELS) });
        }
    };
    if (open, whitelist) != (series.open, series.node.whitelist) && !is_holder {
        return Err(StanzaError::said(Condition::Forbidden, texts::NOT_YOURS_TO_OPEN, &[]));
    }
    (series.open, series.node.whitelist) = (open, whitelist);
    Ok(())
}

/// Who publishes is decided by the person concerned alone, as who is a publisher.
fn set_publishers(series: &mut Series, form: &Submitted, is_holder: bool) -> Result<(), StanzaError> {
    let anyone = match form.one("pubsub#publish_model") {
        None => return Ok(()),
        Some("publishers") => false,
        Some("open") => true,
        Some(other) => return Err(choice("pubsub#publish_model", other, &PUBLISH_MODELS)),
    };
    if anyone != series.node.anyone_publishes && !is_holder {
        return Err(StanzaError::said(Condition::Forbidden, texts::NOT_YOURS_TO_DECIDE, &[]));
    }
    series.node.anyone_publishes = anyone;
    Ok(())
}

/// How long it is kept may be shortened by whoever runs the node; for longer it takes the person concerned.
fn set_retention(series: &mut Series, form: &Submitted, is_holder: bool) -> Result<(), StanzaError> {
    let before = series.retention.clone();
    let period = |text: &str| -> Result<Period, StanzaError> {
        text.parse().map_err(|_| unacceptable(texts::SECONDS, &[]))
    };
    if let Some(expire) = form.one("pubsub#item_expire").filter(|text| !text.is_empty() && *text != "0") {
        let retention = match expire.parse::<u32>() {
            Ok(seconds) => period(&format!("PT{seconds}S"))?,
            Err(_) if expire == "max" => period("P100Y")?,
            Err(_) => return Err(unacceptable(texts::SECONDS, &[])),
        };
        series.retention = Some(retention);
    }
    match boolean(form, "pubsub#persist_items")? {
        Some(false) => series.retention = Some(period("P0D")?),
        Some(true) if series.retention.as_ref().is_none_or(|held| held.nominal() == Duration::ZERO) => {
            series.retention = Some(period(KEEP)?);
        }
        _ => {}
    }
    if series.retention != before && !is_holder {
        let shorter = |new: &Period| before.as_ref().is_some_and(|old| new.nominal() <= old.nominal());
        let none = |new: &Period| new.nominal().is_zero();
        if !series.retention.as_ref().is_some_and(|new| none(new) || shorter(new)) {
            return Err(StanzaError::said(Condition::Forbidden, texts::NOT_YOURS_TO_KEEP, &[]));
        }
    }
    match form.one("pubsub#max_items") {
        None | Some("") => {}
        Some("max") => series.node.max_items = None,
        Some(number) => match number.parse::<u32>() {
            Ok(most) if most > 0 => series.node.max_items = Some(most),
            _ => return Err(unacceptable(texts::MAX_ITEMS, &[])),
        },
    }
    Ok(())
}

fn boolean(form: &Submitted, var: &str) -> Result<Option<bool>, StanzaError> {
    form.boolean(var).map_err(|_| {
        let given = cut(form.one(var).unwrap_or_default());
        unacceptable(texts::BOOLEAN, &[("var", var), ("given", &given)])
    })
}

fn unacceptable(words: Text, values: &[(&str, &str)]) -> StanzaError {
    StanzaError::said(Condition::NotAcceptable, words, values)
}

fn choice(var: &str, given: &str, known: &[&str]) -> StanzaError {
    let (given, known) = (cut(given), known.join(", "));
    unacceptable(texts::CHOICE, &[("var", var), ("given", &given), ("known", &known)])
}

/// Whether a node is set as the publisher expects (XEP-0060 §7.1.5).
pub(super) fn meets(usual: &Pubsub, series: &Series, form: &Submitted) -> Result<(), StanzaError> {
    let fields = fields(usual, series);
    for var in form.names().filter(|var| *var != "FORM_TYPE") {
        let wanted = form.one(var).unwrap_or_default();
        let as_set = fields.iter().find(|field| field.var == var).map(|field| {
            (field.type_ == "boolean", field.values.first().map(String::as_str).unwrap_or_default())
        });
        let same = match as_set {
            Some((true, set)) => set == wanted || matches!((set, wanted), ("1", "true") | ("0", "false")),
            Some((false, set)) => set == wanted,
            None => FIXED.iter().any(|(fixed, value)| *fixed == var && *value == wanted),
        };
        if !same {
            return Err(StanzaError::said(Condition::Conflict, texts::NOT_SET_SO, &[("var", &cut(var))])
                .because(Detail::Pubsub("precondition-not-met")));
        }
    }
    Ok(())
}
