"""One record that does not belong there, and nobody gets any of the pack."""

from ring import MIDNIGHT, Ring, accepted, check, new_series, refused
from testbed import senml
from testbed.senml import Record


def pack(*names: str) -> str:
    """A record a half-hour for each of the names."""
    return senml.pack(
        Record(MIDNIGHT + i * senml.HALF_HOUR, name, 100 + i, "W") for i, name in enumerate(names)
    )


async def story(ring: Ring) -> None:
    """Outside the node: bad-request. In a series, or by a sender, without the right: forbidden."""
    home = await ring.household()
    own, other, elsewhere = home.series, f"{home.series}/other", new_series()
    installer = await ring.person("installer", ring.home)
    await ring.courant.add_series(other, home.camille.jid, installer.jid)
    await ring.courant.add_series(elsewhere, home.camille.jid, home.gateway.jid)
    adviser = await ring.person("adviser", ring.away)
    for name in (own, other, elsewhere):
        await home.consents(adviser, name)

    outside = await home.publishes("outside", pack(own, elsewhere, own))
    refused(outside, "bad-request")
    reason = outside.invalid_pack
    check(
        reason is not None
        and reason.get("reason") == "name-outside-node"
        and reason.get("record") == "1",
        f"invalid-pack says {reason}",
    )
    # A name that merely begins like the node's is outside of it.
    refused(await home.publishes("begins-alike", pack(own, f"{own}-2")), "bad-request")
    refused(await home.publishes("not-mine", pack(own, other)), "forbidden")
    refused(await installer.publish(ring.service, own, pack(own), "stranger"), "forbidden")
    # From the other server, and in a pack that is no pack: strangers get no validation service.
    refused(await adviser.publish(ring.service, own, "<sensml/>", "adviser"), "forbidden")

    accepted(await home.publishes("all-right", pack(own, own)))
    await adviser.receives(1)
    await ring.silence(adviser)
    check([d.item for d in adviser.deliveries] == ["all-right"], f"got {adviser.deliveries}")
