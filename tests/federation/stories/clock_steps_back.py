"""The clock on the wall steps back by two hours, and forward again, while the component runs."""

import re
from datetime import UTC, datetime, timedelta

from ring import Ring, accepted, check, in_order

HOUR = 3600


async def story(ring: Ring) -> None:
    """Order, ends of consents and the log's chain do not depend on it, across a kill -9 either."""
    courant = ring.courant
    await courant.stop()
    courant.step_clock(0)
    courant.start()
    await ring.serving()
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    leaver = await ring.person("leaver", ring.away)
    # They began long before: what begins only now would be said to begin in two hours.
    await home.consents(adviser, valid_from="2026-01-01T00:00:00Z")
    ending = await home.consents(leaver, valid_from="2026-01-01T00:00:00Z")
    accepted(await home.publishes("before"))
    in_order(await leaver.receives(1), ["before"])

    courant.step_clock(-2 * HOUR)
    accepted(await home.publishes("stepped-back"))
    in_order(await leaver.receives(2), ["before", "stepped-back"])
    await courant.revoke_consent(ending)
    shown = await courant.must("consent", "show", ending)
    since = re.search(r"revoked since (\S+)", shown)
    ended = datetime.fromisoformat(since[1]) if since else datetime.now(UTC)
    check(ended < datetime.now(UTC) - timedelta(hours=1), f"the clock did not step: {shown}")
    accepted(await home.publishes("leaver-gone"))
    newcomer = await ring.person("newcomer", ring.away)
    await home.consents(newcomer)
    accepted(await home.publishes("newcomer-there"))

    courant.kill()
    courant.start()
    await ring.serving()
    accepted(await home.publishes("after-the-crash"))
    # What was published before the crash, at whatever o'clock, is known.
    accepted(await home.publishes("after-the-crash"))
    courant.step_clock(0)
    accepted(await home.publishes("forward-again"))

    last = ["newcomer-there", "after-the-crash", "forward-again"]
    in_order(await newcomer.receives(3), last)
    in_order(await adviser.receives(6), ["before", "stepped-back", "leaver-gone", *last])
    await ring.silence(leaver, adviser, newcomer)
    check(len(await leaver.receives(2)) == 2, "nothing comes after the end")
    verified = await courant.run("audit", "verify")
    check(verified.code == 0, verified.errors + verified.output)
