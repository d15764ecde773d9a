"""A gateway that is not sure its publish got through sends it again."""

from ring import MIDNIGHT, Ring, accepted, check, same_records
from testbed import senml


async def story(ring: Ring) -> None:
    """The same item is acknowledged and not sent twice; with other content it is a correction."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    first = senml.load_curve(home.series, MIDNIGHT, [310, 305])
    corrected = senml.load_curve(home.series, MIDNIGHT, [310, 295])

    for _ in range(3):
        accepted(await home.publishes("day", first))
    await adviser.receives(1)
    await ring.silence(adviser)
    accepted(await home.publishes("day", corrected))
    deliveries = await adviser.receives(2)
    await ring.silence(adviser)
    check([d.item for d in adviser.deliveries] == ["day", "day"], f"{adviser.deliveries}")
    same_records(deliveries[0].records, senml.resolve_text(first))
    same_records(deliveries[1].records, senml.resolve_text(corrected))
