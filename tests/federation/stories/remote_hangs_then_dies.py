"""The worst kind of outage: the recipients' server hangs, its sockets open, and then dies.

What its peer wrote meanwhile is lost without a bounce. Only the component's own acknowledgement
(a ping answered by that server after each batch) can tell.
"""

import asyncio

from ring import Ring, accepted, check


async def story(ring: Ring) -> None:
    """Everything acknowledged arrives nevertheless."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    accepted(await home.publishes("first"))
    await adviser.receives(1)
    await adviser.log_out()
    # ejabberd writes new accounts to disk within 2 s, and this one has to survive the crash.
    await asyncio.sleep(3)

    ring.away.program.freeze()
    lost = [f"lost-{i}" for i in range(20)]
    for item in lost:
        accepted(await home.publishes(item))
    await asyncio.sleep(2)
    ring.away.kill()
    ring.away.start()
    await ring.away.ready()
    await adviser.log_in()
    accepted(await home.publishes("last"))
    items = {"first", *lost, "last"}
    try:
        deliveries = await adviser.receives(len(items), timeout=30)
    except TimeoutError:
        await adviser.log_in()
        deliveries = await adviser.receives(len(items), timeout=300)
    got = {delivery.item for delivery in deliveries}
    check(got == items, f"missing: {sorted(items - got)}")
