"""Consent is checked record by record: the rest of the pack stays behind."""

from ring import MIDNIGHT, Ring, accepted, check, new_series, same_records
from testbed import senml
from testbed.senml import Record


async def story(ring: Ring) -> None:
    """A pack on node N holds records of N/a and N/b; a consent for N/a lets only these out."""
    node = new_series()
    series = [node, f"{node}/a", f"{node}/b"]
    home = await ring.household(series)
    only_a = await ring.person("only-a", ring.away)
    everything = await ring.person("everything", ring.away)
    narrow = await home.consents(only_a, f"{node}/a")
    wide = await home.consents(everything, f"{node}*")

    records = [
        Record(MIDNIGHT + i * senml.HALF_HOUR, f"{node}/{name}", 100 * i + ord(name), "W")
        for i in range(24)
        for name in "ab"
    ]
    accepted(await home.publishes("both", senml.pack(records)))
    for person, consent, covered in (
        (only_a, narrow, [r for r in records if r.name == f"{node}/a"]),
        (everything, wide, records),
    ):
        deliveries = await person.receives(1)
        got = [record for delivery in deliveries for record in delivery.records]
        same_records(sorted(got, key=lambda r: (r.time, r.name)), covered)
        for delivery in deliveries:
            check([t.get("consent") for t in delivery.terms] == [consent], f"{delivery.terms}")
    await ring.silence(only_a, everything)
