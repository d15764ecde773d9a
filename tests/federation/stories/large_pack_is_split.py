"""A pack beyond what servers pass on arrives whole, in several stanzas."""

import xml.etree.ElementTree as ET

from ring import MIDNIGHT, Ring, accepted, check, same_records
from testbed import senml

RECORDS = 9000
# Servers lose larger stanzas without a word; what they add on the way is small.
LARGEST = 205 * 1024


async def story(ring: Ring) -> None:
    """9000 records, about 300 kB, every one once, in order, in stanzas of at most 200 KiB."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    pack = senml.load_curve(home.series, MIDNIGHT, [i % 9001 for i in range(RECORDS)], step=60)
    accepted(await home.publishes("big", pack))
    await adviser.until(
        lambda p: sum(len(d.records) for d in p.deliveries) >= RECORDS, 30, f"{RECORDS} records"
    )
    deliveries = adviser.deliveries
    same_records([r for d in deliveries for r in d.records], senml.resolve_text(pack))
    expected = ["big"] + [f"big~{i}" for i in range(2, len(deliveries) + 1)]
    check([d.item for d in deliveries] == expected, f"items {[d.item for d in deliveries]}")
    for _, xml in adviser.messages:
        size = len(ET.tostring(xml))
        # ElementTree writes a prefix before each name, which the wire had not.
        size -= sum(4 for _ in xml.iter())
        check(size <= LARGEST, f"a stanza of {size} bytes")
