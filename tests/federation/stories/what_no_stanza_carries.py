"""A record and a retraction that servers would end the stream over do no harm to anybody."""

import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

from ring import MIDNIGHT, Ring, accepted, check, refused
from testbed.people import Person

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
EVENT = f"{{{PUBSUB}#event}}"
# Servers lose larger stanzas without a word; what they add on the way is small.
LARGEST = 205 * 1024
ITEMS = 110


async def story(ring: Ring) -> None:
    """One record of 720 kB is refused, many retractions come in parts, neighbours get theirs."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    gateway, service, series = home.gateway, ring.service, home.series
    await _keeps_items(home.camille, service, series)

    # Each apostrophe is written six times as long.
    text = "'" * 120_000
    huge = (
        f'<json xmlns="urn:xmpp:json:0">[{{"n":"{series}","t":{MIDNIGHT},"vs":"{text}"}}]</json>'
    )
    refused(await home.publishes("huge", huge), "policy-violation")
    refused(await gateway.iq("set", service, huge), "policy-violation")
    await ring.still_serving()
    accepted(await home.publishes("neighbour"))
    await adviser.receives(1)

    long = "'" * 8000
    item = f'<item id="{long}"/>'
    answer = await gateway.iq(
        "set",
        service,
        f"<pubsub xmlns='{PUBSUB}'><retract node={quoteattr(series)}>{item}</retract></pubsub>",
    )
    refused(answer, "policy-violation")

    ids = [f"{n:03}" + "'" * 1020 for n in range(ITEMS)]
    for part in (ids[:55], ids[55:]):
        items = "".join(f'<item id="{id}">{home.curve("x")}</item>' for id in part)
        publish = f"<publish node={quoteattr(series)}>{items}</publish>"
        answer = await gateway.iq("set", service, f"<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>")
        accepted(answer)
    await adviser.receives(1 + ITEMS, 60)
    gone = "".join(f'<item id="{id}"/>' for id in ids)
    answer = await gateway.iq(
        "set",
        service,
        f"<pubsub xmlns='{PUBSUB}'><retract node={quoteattr(series)}>{gone}</retract></pubsub>",
    )
    accepted(answer)
    await adviser.until(lambda p: len(_retracted(p)) >= ITEMS, 30, f"{ITEMS} retractions")
    check(sorted(_retracted(adviser)) == ids, "each item is retracted once")
    for _, xml in adviser.messages:
        # ElementTree writes apostrophes as they are; the wire had them escaped.
        size = len(ET.tostring(xml)) + 5 * ET.tostring(xml).count(b"'")
        check(size <= LARGEST, f"a stanza of {size} bytes")
    await ring.still_serving()
    accepted(await home.publishes("at the end"))
    await adviser.receives(2 + ITEMS)


def _retracted(person: Person) -> list[str]:
    heard = (xml for _, xml in person.messages)
    return [gone.get("id", "") for xml in heard for gone in xml.iter(f"{EVENT}retract")]


async def _keeps_items(owner: Person, service: str, series: str) -> None:
    field = "<field var='pubsub#persist_items'><value>1</value></field>"
    answer = await owner.iq(
        "set",
        service,
        f"<pubsub xmlns='{OWNER}'><configure node={quoteattr(series)}>"
        f"<x xmlns='jabber:x:data' type='submit'>{field}</x></configure></pubsub>",
    )
    accepted(answer)
