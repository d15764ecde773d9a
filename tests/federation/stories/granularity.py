"""A recipient with a granularity gets one value for each complete period, and nothing finer."""

from ring import MIDNIGHT, Ring, accepted, check, in_order
from testbed import senml
from testbed.senml import Record

HOUR = 3600


async def story(ring: Ring) -> None:
    """An hour and a half, kill -9, the other half hour: two means; half hours for the other."""
    home = await ring.household()
    hourly = await ring.person("hourly", ring.away)
    everything = await ring.person("everything", ring.away)
    consent = await home.consents(hourly, granularity="PT1H")
    await home.consents(everything)

    def half_hours(first: int, *watts: float) -> str:
        return senml.load_curve(home.series, MIDNIGHT + first * senml.HALF_HOUR, watts)

    accepted(await home.publishes("begins", half_hours(0, 100, 300, 500)))
    await hourly.receives(1)
    ring.courant.kill()
    ring.courant.start()
    await ring.serving()
    accepted(await home.publishes("ends", half_hours(3, 900)))
    # Published again, it is not counted again.
    accepted(await home.publishes("ends", half_hours(3, 900)))

    for number, mean in enumerate((200, 700)):
        delivery = (await hourly.receives(2))[number]
        expected = [Record(MIDNIGHT + number * HOUR, home.series, mean, "W")]
        check(delivery.records == expected, f"{delivery.records}, expected {expected}")
        check([t.get("consent") for t in delivery.terms] == [consent], f"{delivery.terms}")
    in_order(await everything.receives(2), ["begins", "ends"])
    await ring.silence(hourly, everything)
