"""The recipients' server is down for a few seconds while measurements go on being accepted."""

import asyncio

from ring import Ring, accepted, in_order


async def story(ring: Ring) -> None:
    """All of it arrives once the server is back, in order."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    accepted(await home.publishes("first"))
    await adviser.receives(1)

    await ring.away.stop()
    meanwhile = [f"meanwhile-{i}" for i in range(20)]
    for item in meanwhile:
        accepted(await home.publishes(item))
        await asyncio.sleep(0.1)
    ring.away.start()
    await ring.away.ready()
    await adviser.log_in()
    accepted(await home.publishes("last"))
    items = ["first", *meanwhile, "last"]
    try:
        deliveries = await adviser.receives(len(items), timeout=20)
    except TimeoutError:
        # A message that comes in the moment of a login may be stored for the next one.
        await adviser.log_in()
        deliveries = await adviser.receives(len(items), timeout=300)
    # The moment of the login may also change the order in which the server hands them over.
    in_order(sorted(deliveries, key=lambda d: items.index(d.item)), items)
