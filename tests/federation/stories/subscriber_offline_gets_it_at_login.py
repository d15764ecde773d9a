"""The adviser is not there when the data comes; it waits at the server, in order."""

from ring import Ring, check, in_order


async def story(ring: Ring) -> None:
    """Published while the recipient is logged out, received at the next login."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away, online=False)
    # Seen by another recipient of the same server, so that it has surely arrived there.
    witness = await ring.person("witness", ring.away)
    await home.consents(adviser)
    await home.consents(witness)
    items = [f"night-{i}" for i in range(5)]
    for item in items:
        check((await home.publishes(item)).ok, f"{item} was refused")
    await witness.receives(len(items))
    await ring.silence(witness)

    await adviser.log_in()
    deliveries = await adviser.receives(len(items))
    in_order(deliveries, items)
    check(all(d.stored for d in deliveries), "the messages did not wait at the server")
