"""kill -9 for the component itself, in the middle of its work."""

from ring import Ring, accepted, in_order


async def story(ring: Ring) -> None:
    """What was acknowledged before the crash arrives after the next start."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    before = [f"before-{i}" for i in range(20)]
    after = [f"after-{i}" for i in range(5)]

    for item in before:
        accepted(await home.publishes(item))
    ring.courant.kill()
    ring.courant.start()
    await ring.serving()
    for item in after:
        accepted(await home.publishes(item))
    in_order(await adviser.receives(25, timeout=300), before + after)
