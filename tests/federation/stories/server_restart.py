"""The component's own server is stopped and started under the running service."""

from ring import Ring, accepted, in_order


async def story(ring: Ring) -> None:
    """The service reconnects, and everything acknowledged before or after arrives, in order."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    await home.consents(adviser)
    before = [f"before-{i}" for i in range(20)]
    after = [f"after-{i}" for i in range(20)]

    for item in before:
        accepted(await home.publishes(item))
    # At once, while the last of these may still be between the servers.
    await ring.home.stop()
    ring.home.start()
    await ring.home.ready()
    await ring.serving()

    await home.gateway.log_in()
    for item in after:
        accepted(await home.publishes(item))
    in_order(await adviser.receives(40, timeout=40), before + after)
