#!/usr/bin/env python3
"""The same relay as Python components of this field are written: slixmpp, ElementTree, sqlite3.

    slixmpp_component.py HOST PORT JID SECRET DATABASE idiomatic|raw

idiomatic: one Message stanza for each recipient, as slixmpp's documentation teaches it.
raw:       the event is serialised once, and each recipient's message is put together from text: what a
           careful author writes once it has become too slow.

Both read each pack (RFC 8428 base fields resolved), ask the database for every recipient and series
whether there is a consent for the time span of the records, and forward the pack as it came. Nothing is
durable, nothing is logged, a pack is forwarded whole or not at all, and no limits are kept.
"""

import asyncio
import logging
import sqlite3
import sys
import xml.etree.ElementTree as ET

from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.tostring import tostring

ACCEPT = "jabber:component:accept"
PUBSUB = "http://jabber.org/protocol/pubsub"
EVENT = "http://jabber.org/protocol/pubsub#event"
RECORD = "{urn:ietf:params:xml:ns:senml}senml"

SUBSCRIBERS = "SELECT recipient FROM subscription WHERE series = ?"
CONSENT = """SELECT 1 FROM consent
             WHERE series = ? AND recipient = ? AND not_before <= ? AND not_after >= ?"""


def resolved(pack):
    """The records as (name, time, value, unit)."""
    base_name, base_time, base_value, base_unit = "", 0.0, 0.0, None
    records = []
    for record in pack.iter(RECORD):
        get = record.attrib.get
        base_name = get("bn", base_name)
        base_time = float(get("bt", base_time))
        base_value = float(get("bv", base_value))
        base_unit = get("bu", base_unit)
        records.append((
            base_name + get("n", ""),
            base_time + float(get("t", 0)),
            base_value + float(record.attrib["v"]),
            get("u", base_unit),
        ))
    return records


class Relay(ComponentXMPP):
    def __init__(self, host, port, jid, secret, database, mode):
        super().__init__(jid, secret, host, port)
        self.own_jid = jid
        self.raw = mode == "raw"
        self.db = sqlite3.connect(database, isolation_level=None)
        self.db.execute("PRAGMA cache_size = -65536")
        self.db.execute("PRAGMA mmap_size = 268435456")
        path = f"{{{ACCEPT}}}iq/{{{PUBSUB}}}pubsub/{{{PUBSUB}}}publish"
        self.register_handler(Callback("publish", MatchXPath(path), self.on_publish))

    def on_publish(self, iq):
        publish = iq.xml[0][0]
        node, item = publish.attrib["node"], publish[0]
        pack = item[0]
        recipients = self.permitted(node, resolved(pack))
        if recipients:
            event = ET.Element(f"{{{EVENT}}}event")
            items = ET.SubElement(event, f"{{{EVENT}}}items", {"node": node})
            ET.SubElement(items, f"{{{EVENT}}}item", {"id": item.attrib["id"]}).append(pack)
            self.forward(event, recipients)
        if self.raw:
            self.send_raw(f"<iq type='result' id='{iq['id']}' to='{iq['from']}' from='{self.own_jid}'/>")
        else:
            iq.reply(clear=True).send()

    def permitted(self, node, records):
        names = {record[0] for record in records}
        first = min(record[1] for record in records)
        last = max(record[1] for record in records)
        ask = self.db.execute
        return [
            recipient
            for (recipient,) in ask(SUBSCRIBERS, (node,)).fetchall()
            if all(ask(CONSENT, (name, recipient, first, last)).fetchone() for name in names)
        ]

    def forward(self, event, recipients):
        if self.raw:
            body = tostring(event, xmlns=ACCEPT, stream=self)
            for recipient in recipients:
                self.send_raw(
                    f"<message to='{recipient}' from='{self.own_jid}' type='headline'>{body}</message>"
                )
            return
        for recipient in recipients:
            message = self.make_message(mto=recipient, mfrom=self.own_jid, mtype="headline")
            message.append(event)
            message.send()


async def main(host, port, jid, secret, database, mode):
    relay = Relay(host, int(port), jid, secret, database, mode)
    relay.connect()
    await relay.disconnected


if __name__ == "__main__":
    if len(sys.argv) != 7 or sys.argv[6] not in ("idiomatic", "raw"):
        sys.exit(__doc__)
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(*sys.argv[1:]))
