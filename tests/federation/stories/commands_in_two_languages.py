"""Every command there is, opened, gone through, given up and misused, in English and in French."""

from typing import Any

from commander import Commander, admin_of, notes, rows
from ring import Failure, Ring, accepted, check, new_series
from slixmpp.exceptions import IqError

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
DATA = "{jabber:x:data}"

ANYONE = {"ping", "help", "language"}
RECIPIENT = {"get_history", "subscribe", "unsubscribe", "request-access", "my-access", "end-access"}
SUBJECT = {
    "my-consents",
    "pending-requests",
    "http://jabber.org/protocol/pubsub#get-pending",
    "give-consent",
    "suspend-consent",
    "resume-consent",
    "withdraw-consent",
}
ADMIN = {
    "consent-add",
    "consent-list",
    "consent-show",
    "consent-edit",
    "consent-suspend",
    "consent-resume",
    "consent-revoke",
    "series-add",
    "series-list",
    "series-edit",
    "series-remove",
    "queue-status",
    "dead-letters",
    "audit-verify",
}

# Words that are the same in both languages, and what is nobody's language.
SHARED = {"", "English", "Français", "Code", "Note", "Destination", "Arrangement", "Id", "Description"}


def texts(answer: Any) -> list[str]:
    """What a person reads of an answer, in order: title, instructions, labels, notes."""
    found = []
    for element in answer.xml.iter():
        tag = element.tag.rpartition("}")[2]
        if tag in ("title", "instructions", "desc", "note"):
            found.append((element.text or "").strip())
        if "label" in element.attrib:
            found.append(element.attrib["label"])
    return found


def spoken_in(answer: Any, lang: str) -> None:
    """The answer says that it is in this language."""
    check(answer.xml.get(LANG) == lang, f"{answer['node']} says it is {answer.xml.get(LANG)}")


async def refused(commander: Commander, condition: str, word: str, node: str, *args: Any, **more: Any) -> None:
    """The command is refused so, in these words, and the text says its language."""
    try:
        answer = await commander.run(node, *args, **more)
    except IqError as error:
        check(error.condition == condition, f"{node}: {error.condition}, not {condition}")
        check(word in error.text, f"{node}: {error.text!r} has no {word!r}")
        text = error.iq.xml.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text")
        check(text.get(LANG) == commander.lang, f"{node}: the text is {text.get(LANG)}")
        return
    raise Failure(f"{node} was {answer['status']}, not refused: {notes(answer)}")


async def opened(commander: Commander, node: str) -> Any:
    """Opens a command; where it asks, a wrong turn, and the end of it."""
    answer = await commander.run(node)
    spoken_in(answer, commander.lang)
    if answer["status"] == "executing":
        check(answer["actions"], f"{node} offers no action")
        session = answer["sessionid"]
        over = await commander.run(node, sessionid=session, action="cancel")
        check(over["status"] == "canceled", f"{node} given up is {over['status']}")
        word = "no such session" if commander.lang == "en" else "cette session n’existe pas"
        await refused(commander, "bad-request", word, node, {}, sessionid=session, action="next")
    else:
        check(answer["status"] == "completed", f"{node} is {answer['status']}")
    return answer


async def story(ring: Ring) -> None:
    """The lists, then every command of them, then what goes wrong."""
    admin = Commander(await admin_of(ring), ring.service)
    camille = Commander(await ring.person("camille", ring.home), ring.service)
    app = Commander(await ring.person("app", ring.away), ring.service)
    series = new_series()
    await ring.courant.add_series(series, camille.person.jid, camille.person.jid)
    for purpose in ("advice", "lesson"):
        await app.fill("request-access", {"scope": [series], "purpose": purpose})
    pending = await camille.run("pending-requests")
    ids = [value for _, value in options(pending)]
    check(len(ids) == 2, f"{len(ids)} requests wait")
    await camille.fill("pending-requests", {"id": ids[0]}, {"answer": "yes"})

    # Each in both languages: all of the words differ, but for those that are the same.
    everybody = {
        admin: ANYONE | RECIPIENT | SUBJECT | ADMIN,
        camille: ANYONE | RECIPIENT | SUBJECT,
        app: ANYONE | RECIPIENT | SUBJECT,
    }
    for commander, expected in everybody.items():
        names = {}
        for lang in ("en", "fr"):
            await commander.fill("language", {"language": lang})
            commander.lang = lang
            names[lang] = await commander.names()
            # Commands that came later are welcome.
            check(expected <= set(names[lang]), f"missing: {expected - set(names[lang])}")
            check(len(set(names[lang].values())) == len(names[lang]), "two commands of one name")
            if commander is not admin:
                check(not ADMIN & set(names[lang]), "what operators run is for them alone")
        for node in names["en"]:
            said = {}
            for lang in ("en", "fr"):
                commander.lang = lang
                await commander.fill("language", {"language": lang})
                said[lang] = texts(await opened(commander, node))
            check(names["en"][node] != names["fr"][node], f"{node} has one name for both")
            check(len(said["en"]) == len(said["fr"]), f"{node}: {said}")
            for english, french in zip(said["en"], said["fr"], strict=True):
                data = "@" in english or "urn:" in english
                same = english == french and english not in SHARED and not data
                check(not same, f"{node} says {english!r} in both languages")

    # Back and forth: what was filled in is there again.
    camille.lang = "en"
    await camille.fill("language", {"language": "en"})
    first = await camille.run("pending-requests")
    second = await camille.run("pending-requests", {"id": ids[1]}, sessionid=first["sessionid"], action="next")
    check(set(second["actions"]) >= {"prev", "complete"}, f"actions: {second['actions']}")
    back = await camille.run("pending-requests", sessionid=first["sessionid"], action="prev")
    check(back["form"].get_values().get("id") == ids[1], f"{back['form'].get_values()}")
    again = await camille.run("pending-requests", {"id": ids[1]}, sessionid=first["sessionid"], action="next")
    wrong = await camille.run(
        "pending-requests", {"answer": "yes", "granularity": "hourly"},
        sessionid=again["sessionid"], action="complete",
    )  # fmt: skip
    check(wrong["status"] == "executing" and "ISO 8601" in notes(wrong), notes(wrong))
    done = await camille.run(
        "pending-requests", {"answer": "yes", "granularity": "PT1H"},
        sessionid=again["sessionid"], action="complete",
    )  # fmt: skip
    check(done["status"] == "completed", notes(done))
    check({row["state"] for row in rows(await app.run("my-access"))} == {"active"}, "both are given")

    # What goes wrong is said in the reader's language too, and in one step nothing is changed.
    good = {"recipient": app.person.jid, "scope": [series], "purpose": "prêt"}
    given = len(rows(await camille.run("my-consents")))
    for lang, words in (
        ("en", ("Delivery until", "Recipient: ", "Series: ", "May be kept for: ", "has passed already")),
        ("fr", ("jusqu’au : « x »", "adresse XMPP", "nom de série", "durée ISO 8601", "déjà passée")),
    ):
        await camille.fill("language", {"language": lang})
        camille.lang = lang
        wrongs = ({"valid_until": "x"}, {"recipient": "a b@c"}, {"scope": ["*"]}, {"retention": "1 an"},
                  {"valid_until": "2020-01-01"})  # fmt: skip
        for wrong, word in zip(wrongs, words, strict=True):
            await refused(camille, "bad-request", word, "give-consent", {**good, **wrong})
        for node, fields, condition, word in (
            ("consent-list", None, "forbidden", ("operators", "opérateurs")),
            ("no-such-command", None, "item-not-found", ("no such command", "n’existe pas")),
            ("withdraw-consent", {"id": "x"}, "bad-request", ("", "")),
            ("get_history", {"identifier": "a b"}, "bad-request", ("identifier", "nom de série")),
            ("get_history", {"identifier": new_series()}, "not-authorized", ("no consent", "pas de consentement")),
            ("unsubscribe", {"identifier": series}, "item-not-found", ("not subscribed", "pas abonné")),
        ):  # fmt: skip
            await refused(camille, condition, word[lang == "fr"], node, fields)
        await refused(camille, "bad-request", "", "ping", action="prev")
    check(len(rows(await camille.run("my-consents"))) == given, "what was refused changed nothing")
    accepted(await camille.person.ping(ring.service))


def options(answer: Any) -> list[tuple[str, str]]:
    """Labels and values of a form's choices."""
    return [
        (option.get("label", ""), option.findtext(f"{DATA}value") or "")
        for option in answer.xml.iter(f"{DATA}option")
    ]
