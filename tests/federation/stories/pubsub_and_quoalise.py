"""What is kept, asked for by foreign plugins: pubsub (XEP-0060, XEP-0030, XEP-0059, XEP-0313) and Quoalise (XEP-0050)."""

import datetime
import xml.etree.ElementTree as ET
from typing import Any

from ring import MIDNIGHT, Ring, accepted, check, new_series
from slixmpp import JID
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Collector
from slixmpp.xmlstream.matcher import StanzaPath
from testbed import senml
from testbed.people import Person

COMMANDS = "{http://jabber.org/protocol/commands}"
QUOALISE = "{urn:quoalise:0}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
SENML = "{urn:ietf:params:xml:ns:senml}"


class QuoaliseClient:
    """A client written from the page about the protocol, and nothing else."""

    def __init__(self, person: Person, proxy: str) -> None:
        """Asks `proxy` in the name of `person`."""
        self.person = person
        self.proxy = proxy

    async def command(self, node: str, **fields: str) -> ET.Element:
        """One command in one step; its `<command/>`, or the error of its answer."""
        form = "".join(f"<field var='{v}'><value>{t}</value></field>" for v, t in fields.items())
        answer = await self.person.iq(
            "set",
            self.proxy,
            f"<command xmlns='http://jabber.org/protocol/commands' node='{node}' action='execute'>"
            f"<x xmlns='jabber:x:data' type='submit'>{form}</x></command>",
        )
        check(answer.ok, f"{node} is refused: {answer}")
        found = answer.xml.find(f"{COMMANDS}command")
        check(found is not None and found.get("status") == "completed", f"{node} is not completed")
        assert found is not None
        return found

    async def history(self, identifier: str, start: str, end: str) -> list[tuple[float, float]]:
        """Times and values, read as existing clients read them: the first `<data/>`, and its `<meta/>`."""
        command = await self.command(
            "get_history", identifier=identifier, start_time=start, end_time=end
        )
        data = command.find(f"{QUOALISE}quoalise/{QUOALISE}data")
        assert data is not None
        meta = data.find(f"{QUOALISE}meta")
        check(meta is not None and len(meta) > 0, "the description is empty")
        base = 0.0
        records = []
        for record in data.iterfind(f"{SENML}sensml/{SENML}senml"):
            base = float(record.get("bt", base))
            records.append((base + float(record.get("t", 0)), float(record.get("v", "nan"))))
        return records


async def archive(person: Person, service: str, node: str, **asked: Any) -> list[str]:
    """The ids of items in the archive of a node, as the plugin for archives reads its pages of two."""
    mam = person.client["xep_0313"]
    ids = []
    after = None
    while True:
        iq, _ = mam._pre_mam_retrieve(JID(service), **asked)
        iq["mam"].xml.set("node", node)  # the plugin knows the archives of accounts and rooms
        iq["mam"]["queryid"] = iq["id"]
        iq["mam"]["rsm"]["max"] = "2"
        if after:
            iq["mam"]["rsm"]["after"] = after
        heard = Collector(f"archive {iq['id']}", StanzaPath("message/mam_result"))
        person.client.register_handler(heard)
        try:
            answer = await iq.send()
        finally:
            found = heard.stop()
        for message in found:
            result = message["mam_result"]
            check(result["queryid"] == iq["id"], "another query's result")
            inner = result["forwarded"]["stanza"].xml
            item = inner.find(f".//{EVENT}item")
            check(item is not None and item.get("id") == result["id"], f"{message}")
            check(inner.find(f".//{SENML}senml") is not None, "no measurement in it")
            check(result["forwarded"]["delay"]["stamp"] is not None, "no time")
            ids.append(result["id"])
        fin = answer["mam_fin"]
        if fin.xml.get("complete") == "true":
            return ids
        after = fin["rsm"]["last"]


async def story(ring: Ring) -> None:
    """A load curve is kept; a friend at the other server fetches it, is sent it, and makes a node."""
    home = await ring.household()
    series = new_series()
    camille, gateway = home.camille, home.gateway
    await ring.courant.must(
        "series", "add", series, "--owner", camille.jid, "--producer", gateway.jid,
        "--retention", "P3Y", "--title", "Load curve",
    )
    friend = await ring.person("friend", ring.away)
    for plugin in ("xep_0004", "xep_0059", "xep_0060", "xep_0313"):
        friend.client.register_plugin(plugin)
        camille.client.register_plugin(plugin)
    pubsub = friend.client["xep_0060"]

    for n in range(3):
        curve = senml.load_curve(series, MIDNIGHT + n * 7200, [100 + n, 200 + n, 300 + n, 400 + n])
        accepted(await gateway.publish(ring.service, series, curve, f"day-{n}"))

    # Before there is a consent, there is nothing.
    listed = await friend.client["xep_0030"].get_items(ring.service)
    check(series not in {node for _, node, _ in listed["disco_items"]["items"]}, "it is listed")
    try:
        await pubsub.get_items(ring.service, series)
        check(False, "items without consent")
    except IqError as error:
        check(error.condition == "not-authorized", error.condition)

    await ring.courant.add_consent(camille.jid, friend.jid, series)
    listed = await friend.client["xep_0030"].get_items(ring.service)
    check((ring.service, series, "Load curve") in listed["disco_items"]["items"], str(listed))
    info = await friend.client["xep_0030"].get_info(ring.service, series)
    check(("pubsub", "leaf", None, "Load curve") in info["disco_info"]["identities"], str(info))
    answer = await pubsub.get_items(ring.service, series, max_items=2)
    ids = [item["id"] for item in answer["pubsub"]["items"]]
    check(ids == ["day-1", "day-2"], f"two newest: {ids}")
    mine = await pubsub.get_subscriptions(ring.service)
    check(
        [(s["node"], s["subscription"]) for s in mine["pubsub"]["subscriptions"]]
        == [(series, "subscribed")],
        str(mine),
    )

    client = QuoaliseClient(friend, f"{ring.service}/proxy")
    got = await client.history(series, "2026-01-15T00:00:00+01:00", "2026-01-15T02:00:00+01:00")
    check([value for _, value in got] == [100, 200, 300, 400], f"history: {got}")
    check(got[0][0] == MIDNIGHT, f"history begins at {got[0][0]}")
    await client.command("subscribe", identifier=series)
    curve = senml.load_curve(series, MIDNIGHT + 30000, [7, 8, 9, 10])
    accepted(await gateway.publish(ring.service, series, curve, "day-9"))
    await friend.until(lambda p: "urn:quoalise:0" in p.heard(20), 15, "a data message")
    await client.command("unsubscribe", identifier=series)

    # By the time when it came.
    check("urn:xmpp:mam:2" in info["disco_info"]["features"], str(info))
    ids = await archive(friend, ring.service, series)
    check(ids == ["day-0", "day-1", "day-2", "day-9"], f"the archive: {ids}")
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    check(await archive(friend, ring.service, series, start=now + hour) == [], "of the future")
    ids = await archive(friend, ring.service, series, start=now - hour, end=now + hour)
    check(len(ids) == 4, f"of this hour: {ids}")

    # The owner's side.
    owner = camille.client["xep_0060"]
    config = await owner.get_node_config(ring.service, series)
    fields = config["pubsub_owner"]["configure"]["form"].get_fields()
    check(fields["pubsub#persist_items"]["value"] in (True, "1", "true"), str(config))
    await owner.retract(ring.service, series, "day-0")
    answer = await pubsub.get_items(ring.service, series)
    ids = [item["id"] for item in answer["pubsub"]["items"]]
    check(ids == ["day-1", "day-2", "day-9"], f"after the retraction: {ids}")
