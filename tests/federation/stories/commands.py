"""Commands as a client's own plugins speak them (XEP-0050, XEP-0004), in both languages."""

import asyncio

from commander import Commander, admin_of, notes, rows
from ring import Ring, accepted, check, new_series

async def story(ring: Ring) -> None:
    """An operator registers, a recipient far away asks, a person answers, looks and withdraws."""
    admin = Commander(await admin_of(ring), ring.service)
    camille = Commander(await ring.person("camille", ring.home), ring.service, lang="fr")
    gateway = await ring.person("gateway", ring.home)
    app = Commander(await ring.person("app", ring.away), ring.service)
    series = new_series()

    # Everybody sees what they may run.
    names = await camille.names()
    check(names.get("withdraw-consent") == "Withdraw a consent", names)
    check("consent-add" not in names, names)
    check((await admin.names()).get("consent-add") == "Record a consent", "the admin's list")
    check("là" in notes(await camille.run("ping")), "a ping in French")

    answer = await admin.fill(
        "series-add",
        {"name": series, "owner": camille.person.jid, "producers": [gateway.jid], "title": "Curve"},
    )
    check(rows(answer)[0]["owner"] == camille.person.jid, rows(answer))
    listed = [row for row in rows(await admin.run("series-list", {"name": series}))]
    check([row["title"] for row in listed] == ["Curve"], listed)

    # The application asks, Camille answers in a line.
    answer = await app.fill("request-access", {"scope": [series], "purpose": "conseil"})
    request = answer["form"].get_values()["id"]
    asked = await camille.person.until(
        lambda p: [
            body
            for _, xml in p.messages
            if (body := xml.findtext("{jabber:client}body")) and "conseil" in body
        ],
        hint="the request",
    )
    code = asked[0].split("'yes ")[1][:4] if "'yes " in asked[0] else asked[0].split("oui ")[1][:4]
    camille.person.send(
        f"<message to='{ring.service}' type='chat'><body>oui {code}</body></message>"
    )
    await app.person.until(
        lambda p: [
            xml
            for _, xml in p.messages
            if "subscribed" in [e.get("subscription") for e in xml.iter()]
        ],
        hint="subscribed",
    )
    home_answer = await gateway.publish(
        ring.service,
        series,
        "<sensml xmlns='urn:ietf:params:xml:ns:senml'>"
        f"<senml bn='{series}' bt='1768431600' bu='W' v='342'/></sensml>",
        "one",
    )
    accepted(home_answer)
    await app.person.receives(1)

    # Her client says nothing of a language when it asks for the list; she has, by her answer.
    names = await camille.names()
    check(names.get("withdraw-consent") == "Retirer un consentement", names)

    # What she shares is a table; from now on in French, since she answered so.
    answer = await camille.run("my-consents")
    check([row["id"] for row in rows(answer)] == [request], rows(answer))
    check(answer["form"].get_reported()["purpose"]["label"] == "Finalité", "labels in French")
    check([row["state"] for row in rows(await app.run("my-access"))] == ["active"], "her access")

    # Suspended and resumed, form by form; then withdrawn, and nothing comes any more.
    for node in ("suspend-consent", "resume-consent", "withdraw-consent"):
        await camille.fill(node, {"id": request})
    accepted(
        await gateway.publish(
            ring.service,
            series,
            "<sensml xmlns='urn:ietf:params:xml:ns:senml'>"
            f"<senml bn='{series}' bt='1768431660' bu='W' v='343'/></sensml>",
            "two",
        )
    )
    await ring.silence(app.person)
    notice = (await app.person.until(lambda p: p.ended, hint="notice of the end"))[-1]
    check(notice.get("state") == "withdrawn", notice)

    # The operator records one, narrows it, and revokes it.
    answer = await admin.fill(
        "consent-add",
        {
            "subject": camille.person.jid,
            "recipient": app.person.jid,
            "scope": [series],
            "purpose": "audit",
            "evidence": "letter",
        },
    )
    recorded = answer["form"].get_values()["id"]
    edited = await admin.fill("consent-edit", {"id": recorded}, {"retention": "P30D"})
    changed = {row["field"]: row["after"] for row in rows(edited)}
    check(changed == {"retention": "P30D", "revision": "2"}, changed)
    shown = (await admin.fill("consent-show", {"id": recorded}))["form"].get_values()
    check(shown["retention"] == "P30D" and shown["state"] == "active", shown)
    table = rows(await admin.run("consent-list", {"recipient": app.person.jid}))
    check({row["state"] for row in table} == {"active", "withdrawn"}, table)
    await admin.fill("consent-suspend", {"id": recorded})
    await admin.fill("consent-resume", {"id": recorded})
    await admin.fill("consent-revoke", {"id": recorded, "reason": "test"})
    check("as it was written" in notes(await admin.run("audit-verify")), "the audit")
    check("waiting" in notes(await admin.run("queue-status")), "the queue")

    # Camille's own words work as well, and end-access from far away.
    given = await camille.fill(
        "give-consent", {"recipient": app.person.jid, "scope": [series], "purpose": "prêt"}
    )
    await app.fill("end-access", {"id": given["form"].get_values()["id"]})
    await camille.fill("language", {"language": "en"})
    camille.lang = "fr"
    check("there" in notes(await camille.run("ping")), "a ping in English")
    check(notes(await camille.run("help")), "help")
    check("answer" in notes(await camille.run("pending-requests")), "no request waits")
    await asyncio.sleep(0)
