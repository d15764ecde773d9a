"""The consent ends between two publishes: the second reaches nobody."""

import asyncio

from ring import Ring, accepted, check


async def story(ring: Ring) -> None:
    """`courant consent revoke` has returned, so not one more stanza leaves under the consent."""
    home = await ring.household()
    adviser = await ring.person("adviser", ring.away)
    other = await ring.person("other", ring.away)
    consent = await home.consents(adviser)
    await home.consents(other)

    accepted(await home.publishes("before"))
    await adviser.receives(1)
    await ring.courant.revoke_consent(consent, "moved house")
    await home.publishes_all([f"after-{i}" for i in range(5)])
    # The other's consent lives on, so the way was open all the time.
    await other.receives(6)
    await ring.silence(adviser)
    check([d.item for d in adviser.deliveries] == ["before"], f"got {adviser.deliveries}")

    notice = (await adviser.until(lambda p: p.ended, hint="notice of the end"))[0]
    check(notice.get("consent") == consent, f"the notice says {notice}")
    check(notice.get("state") == "revoked", f"the notice says {notice}")
    await home.camille.until(
        lambda p: [xml for _, xml in p.messages if xml.findtext("{jabber:client}body")],
        hint="a confirmation in words",
    )

    # Revoked in the middle of a stream: nothing may come once the command has returned, but
    # what the server away already had is on its way, so it is given a moment.
    consent = await home.consents(adviser)
    await asyncio.gather(
        home.publishes_all([f"stream-{i}" for i in range(30)]),
        ring.courant.revoke_consent(consent),
    )
    await asyncio.sleep(1)
    await home.publishes_all(["late-1", "late-2"])
    await ring.silence(adviser)
