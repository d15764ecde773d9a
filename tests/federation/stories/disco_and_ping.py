"""A stranger from the other server asks the standard questions and gets standard answers."""

from ring import Ring, check


async def story(ring: Ring) -> None:
    """XEP-0030, XEP-0199 and XEP-0092, asked by slixmpp's own plugins across the federation."""
    for server in (ring.home, ring.away):
        asker = await ring.person("asker", server)
        disco, ping, version = (
            asker.client[plugin] for plugin in ("xep_0030", "xep_0199", "xep_0092")
        )

        info = (await disco.get_info(jid=ring.service, timeout=120))["disco_info"]
        identities = {(category, kind) for category, kind, *_ in info["identities"]}
        check(("pubsub", "service") in identities, f"identities: {identities}")
        for feature in (
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/pubsub",
            "urn:xmpp:ping",
            "jabber:iq:version",
        ):
            check(feature in info["features"], f"{feature} is not among {info['features']}")

        items = await disco.get_items(jid=ring.service, timeout=120)
        check(items["type"] == "result", f"disco#items: {items}")
        series = {node for _, node, _ in items["disco_items"]["items"] if node}
        check(
            not [node for node in series if node.startswith("urn:")],
            f"a stranger sees series: {series}",
        )

        answer = await ping.send_ping(ring.service, timeout=120)
        check(answer["type"] == "result", f"ping: {answer}")

        software = (await version.get_version(ring.service, timeout=120))["software_version"]
        check(software["name"], "no name in the answer to XEP-0092")
        check(software["version"], "no version in the answer to XEP-0092")
