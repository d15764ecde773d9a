"""Two installations, one behind each server: the first hands on to the second, which serves its own recipient."""

import asyncio
import json

from ring import Household, Ring, accepted, check, in_order
from testbed.courant import Courant, half_a_year_on
from testbed.people import Person


async def story(ring: Ring) -> None:
    """What the gateway publishes at home reaches a friend of the relay away, whatever ends in between."""
    home = await ring.household()
    friend = await ring.person("friend", ring.away)
    second = ring.bed.courant(ring.away, f"second-{ring.away.name}")
    # At the first, Camille lets the second relay have it, as publishes, and pass it on.
    await ring.courant.must(
        *Courant.consent_arguments(
            home.camille.jid, second.jid, home.series, "to pass it on", half_a_year_on()
        ),
        "--format", "publish", "--onward",
    )  # fmt: skip
    # At the second, the first relay is the producer, and the friend has her consent.
    await second.add_series(home.series, home.camille.jid, ring.service)
    await second.add_consent(home.camille.jid, friend.jid, home.series)
    try:
        second.start()
        await told(ring, home, friend, second)
    finally:
        await second.stop()


async def told(ring: Ring, home: Household, friend: Person, second: Courant) -> None:
    """The story, with both relays there."""
    watcher = await ring.person("watcher", ring.away)
    await watcher.ping_until_answered(second.jid)
    accepted(await home.publishes("one"))
    (first,) = await friend.receives(1)
    check(first.sender == second.jid, f"it comes from {first.sender}")
    check(first.publisher == ring.service, f"published by {first.publisher}")
    check(first.terms[0]["purpose"] == "energy advice", f"the terms of the second relay: {first.terms}")

    # The second relay is killed: what comes meanwhile is kept by the first.
    second.kill()
    items = [f"meanwhile-{n:02}" for n in range(20)]
    for item in items[:10]:
        accepted(await home.publishes(item))
    second.start()
    for item in items[10:]:
        accepted(await home.publishes(item))
    in_order(await friend.receives(21, timeout=300), ["one", *items])

    # The first one is: what it knows to be there is not handed on again.
    await settled(ring.courant)
    ring.courant.kill()
    ring.courant.start()
    await ring.serving()
    accepted(await home.publishes("last"))
    in_order(await friend.receives(22, timeout=300), ["one", *items, "last"])
    await settled(ring.courant)

    # What the second relay refuses for good is where its operator and the first one's can see it.
    await second.must("series", "edit", home.series, "--producer", home.gateway.jid)
    accepted(await home.publishes("refused"))
    await settled(ring.courant)
    letters = json.loads(await ring.courant.must("queue", "dead-letters", "--json"))
    reasons = [letter["reason"] for letter in letters if letter["node"] == home.series]
    check(reasons == ["forbidden"], f"dead letters: {letters}")
    await ring.silence(friend, seconds=0.5)


async def settled(courant: Courant) -> None:
    """Nothing waits for the second relay any more."""
    for _ in range(3000):
        status = json.loads(await courant.must("queue", "status", "--json"))
        if all(destination["waiting"] == 0 for destination in status["destinations"]):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"something still waits: {status}")
