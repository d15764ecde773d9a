"""Whatever a client sends, it gets an answer, and the service goes on serving."""

from ring import MIDNIGHT, Ring, accepted, check, refused
from testbed import senml
from testbed.people import Offline, Person, error_of, new_id

NS = f"xmlns='{senml.NAMESPACE}'"
PUBSUB = "xmlns='http://jabber.org/protocol/pubsub'"
PING = "<ping xmlns='urn:xmpp:ping'/>"
UNAVAILABLE = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"


def bad_packs(series: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What is published, and the conditions that it may be refused with."""
    bad = ("bad-request",)
    unknown = ("feature-not-implemented", "bad-request")
    head = f"n='{series}' t='{MIDNIGHT}'"
    return {
        "value that is no number": (f"<sensml {NS}><senml {head} v='12,5'/></sensml>", bad),
        "infinite value": (f"<sensml {NS}><senml {head} v='INF'/></sensml>", bad),
        "record without a value": (f"<sensml {NS}><senml {head} u='W'/></sensml>", bad),
        "two values": (f"<sensml {NS}><senml {head} v='1' vs='one'/></sensml>", bad),
        "unknown mandatory field": (f"<sensml {NS}><senml {head} v='1' x_='1'/></sensml>", bad),
        "empty pack": (f"<sensml {NS}/>", bad),
        "wrong namespace": (f"<sensml xmlns='urn:x'><senml {head} v='1'/></sensml>", unknown),
        "another payload": ("<entry xmlns='http://www.w3.org/2005/Atom'/>", unknown),
        "no payload": ("", unknown),
        "two payloads": (f"<sensml {NS}><senml {head} v='1'/></sensml>" * 2, unknown),
    }  # fmt: skip


async def story(ring: Ring) -> None:
    """Each kind of bad input, then a ping; at the end a good pack, and only that arrives."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    gateway, service = home.gateway, ring.service

    for what, (payload, conditions) in bad_packs(home.series).items():
        answer = await home.publishes("bad", payload)
        check(answer.type == "error", f"{what}: {answer}")
        refused(answer, *conditions)
        if conditions == ("bad-request",):
            check(answer.invalid_pack is not None, f"{what}: no reason in {answer}")
        await _serves(gateway, service, what)

    for what, type, to, payload in (
        ("IQ set without payload", "set", service, ""),
        ("IQ get without payload", "get", service, ""),
        ("unknown child, get", "get", service, "<weather xmlns='urn:example:weather'/>"),
        ("unknown child, set", "set", service, "<weather xmlns='urn:example:weather'/>"),
        ("two children", "get", service, PING * 2),
        ("pubsub without a verb", "set", service, f"<pubsub {PUBSUB}/>"),
        ("publish without a node", "set", service, f"<pubsub {PUBSUB}><publish/></pubsub>"),
        ("another local part", "get", f"nobody@{service}", PING),
        ("a very deep payload", "set", service, _deep(1000)),
    ):  # fmt: skip
        answer = await gateway.iq(type, to, payload)
        check(answer.type == "error", f"{what}: answered with {answer}")
        await _serves(gateway, service, what)

    heard = len(gateway.messages)
    for error in (
        f"<error type='cancel'>{UNAVAILABLE}</error>",
        "<error/>",
        f"<sensml {NS}/><error type='nonsense'/>",
        "",
    ):
        gateway.send(
            f"<message type='error' to='{service}' id='{new_id('bounce')}'>{error}</message>"
        )
    gateway.send(f"<message to='{service}'/>")
    gateway.send(f"<presence to='{service}'/>")
    gateway.send(f"<iq type='result' to='{service}' id='never-asked'/>")
    await _serves(gateway, service, "message of type error")
    errors = [xml for _, xml in gateway.messages[heard:] if xml.get("type") == "error"]
    check(not errors, f"an error was answered with an error: {gateway.heard()}")

    id = new_id("message")
    pack = f"<sensml {NS}><senml n='{home.series}'/></sensml>"
    gateway.send(f"<message to='{service}' id='{id}'>{pack}</message>")
    bounce = (await gateway.until(
        lambda p: [xml for _, xml in p.messages if xml.get("id") == id], hint="refusal",
    ))[0]  # fmt: skip
    check(bounce.get("type") == "error", f"the refusal is of type {bounce.get('type')}")
    check(error_of(bounce)[0] in ("bad-request", "forbidden"), f"refused with {error_of(bounce)}")

    # A server may end the stream over these, so they are sent by somebody else.
    for what, stanza in (
        ("JID with two @", f"<iq type='get' to='a@b@{service}' id='x1'>{PING}</iq>"),
        ("JID with an empty resource", f"<iq type='get' to='{service}/' id='x2'>{PING}</iq>"),
        ("JID with a blank", f"<message to='a b@{service}' id='x3'><body>hello</body></message>"),
        ("JID inside the payload", f"<iq type='set' to='{service}' id='x4'>"
         f"<pubsub {PUBSUB}><subscribe node='n' jid='@@'/></pubsub></iq>"),
    ):  # fmt: skip
        await _rudely(ring, stanza)
        await _serves(gateway, service, what)

    text = "x" * 100_000
    many = "".join(f"<senml t='{i}' vs='{text}'/>" for i in range(50))
    huge = f"<sensml {NS}><senml bn='{home.series}' bt='{MIDNIGHT}' vs='first'/>{many}</sensml>"
    answer = await home.publishes("huge", huge)
    refused(answer, "policy-violation")
    check(any(digit.isdigit() for digit in answer.text), f"the limit is not in the text: {answer}")
    await _serves(gateway, service, "a stanza of 5 MB")

    accepted(await home.publishes("good"))
    await adviser.receives(1)
    await ring.silence(adviser)
    check([d.item for d in adviser.deliveries] == ["good"], f"got {adviser.deliveries}")


async def _serves(asker: Person, service: str, what: str) -> None:
    answer = await asker.ping(service)
    check(answer.ok, f"after {what} a ping is answered with {answer}")


async def _rudely(ring: Ring, stanza: str) -> None:
    vandal = await ring.person("vandal", ring.home)
    vandal.send(stanza)
    try:
        await vandal.ping(vandal.server.domain)
    except Offline:
        pass
    await vandal.log_out()


def _deep(levels: int) -> str:
    # One ejabberd release falls over at 5000 levels, before the component sees any of it.
    return "<a xmlns='urn:example:deep'>" + "<a>" * levels + "</a>" * levels + "</a>"
