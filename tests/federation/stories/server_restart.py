"""The component's own server is stopped and started under the running service."""

import asyncio

from ring import Household, Ring, accepted, check
from testbed.people import Offline


async def story(ring: Ring) -> None:
    """The service reconnects, and all that was acknowledged before and after arrives, in order."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)

    # In the middle of a stream: a server that is stopping closes its links one by one, and says
    # odd things meanwhile (Prosody: `not-allowed`, in the name of the recipient's server).
    acknowledged: list[str] = []
    stream = asyncio.create_task(_publish_until_it_ends(home, acknowledged))
    await adviser.receives(10)
    await ring.home.stop()
    await stream
    ring.home.start()
    await ring.home.ready()
    await ring.serving()

    await home.gateway.log_in()
    for number in range(20):
        item = f"after-{number:04}"
        accepted(await home.publishes(item))
        acknowledged.append(item)
    await adviser.until(
        lambda p: {d.item for d in p.deliveries} >= set(acknowledged),
        timeout=300,
        hint=f"the {len(acknowledged)} acknowledged items",
    )
    # One more than those may have been accepted, its acknowledgement lost with the server.
    items = [delivery.item for delivery in adviser.deliveries]
    expected = sorted(set(items), key=lambda item: (item.startswith("after"), item))
    check(items == expected, f"out of order, or twice: {items}")


async def _publish_until_it_ends(home: Household, acknowledged: list[str]) -> None:
    for number in range(10_000):
        item = f"before-{number:04}"
        try:
            answer = await home.gateway.publish(
                home.ring.service, home.series, home.curve(item), item, timeout=5
            )
        except (Offline, TimeoutError):
            return
        if not answer.ok:
            return
        acknowledged.append(item)
