"""A publish without anybody's consent is accepted, and reaches nobody."""

from ring import Ring, accepted, check


async def story(ring: Ring) -> None:
    """Neither somebody without consent nor somebody with another's series gets a record."""
    home = await ring.household()
    neighbour = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    stranger = await ring.person("stranger", ring.away)
    local = await ring.person("local", ring.home)
    await neighbour.consents(adviser)

    accepted(await home.publishes("private"))
    # What the adviser may have comes through, so the way was open all the time.
    accepted(await neighbour.publishes("shared"))
    deliveries = await adviser.receives(1)
    await ring.silence(adviser, stranger, local)
    check([d.item for d in deliveries] == ["shared"], f"the adviser got {deliveries}")
    check(not stranger.messages, f"the stranger got {stranger.heard()}")
    check(not local.messages, f"the local account got {local.heard()}")
