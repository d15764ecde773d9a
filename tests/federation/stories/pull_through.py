"""A series whose history its source keeps: a Quoalise server as they are today, behind the server away."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from ring import Ring, check, new_series, refused
from stories.pubsub_and_quoalise import QuoaliseClient
from testbed.people import Person
from testbed.processes import Program

PROXY = Path(__file__).resolve().parents[1] / "proxy.py"


class Source:
    """The proxy's process, and what it says."""

    def __init__(self, person: Person) -> None:
        """For an account that is not logged in here."""
        self.program = Program(
            f"proxy-{person.user}",
            [
                sys.executable, str(PROXY), "--jid", person.jid,
                "--password", person.password, "--host", person.server.address,
            ],
            person.server.bed,
        )  # fmt: skip

    def said(self) -> list[dict[str, Any]]:
        """All of it so far."""
        if not self.program.output.exists():
            return []
        lines = self.program.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def start(self) -> str:
        """Starts it; its full address."""
        self.program.start()
        for _ in range(6000):
            for line in self.said():
                if "ready" in line:
                    return str(line["ready"])
            check(self.program.running, f"the proxy ended: {self.program.tail()}")
            await asyncio.sleep(0.05)
        raise TimeoutError(f"the proxy is not there: {self.program.tail()}")

    def questions(self) -> list[dict[str, Any]]:
        """What it was asked."""
        return [line for line in self.said() if "asked" in line]


async def story(ring: Ring) -> None:
    """A friend asks Courant, Courant asks the proxy, and only what the consent covers comes back."""
    source = Source(await ring.person("proxy", ring.away, online=False))
    try:
        await told(ring, source, await source.start())
    finally:
        source.program.kill()


async def told(ring: Ring, source: Source, address: str) -> None:
    """The story, while the proxy runs."""
    camille = await ring.person("camille", ring.home)
    friend = await ring.person("friend", ring.away)
    stranger = await ring.person("stranger", ring.away)
    series = new_series()
    await ring.courant.must(
        "series", "add", series, "--owner", camille.jid, "--producer", camille.jid,
        "--source", address,
    )  # fmt: skip
    # Consent for the afternoon.
    await ring.courant.must(
        "consent", "add", "--subject", camille.jid, "--recipient", friend.jid, "--scope", series,
        "--purpose", "advice", "--no-subscribe",
        "--data-from", "2026-01-15T11:00:00Z", "--data-until", "2026-01-15T17:00:00Z",
    )  # fmt: skip
    day = ("2026-01-15T00:00:00+01:00", "2026-01-16T00:00:00+01:00")
    client = QuoaliseClient(friend, ring.service)
    got = await client.history(series, *day)
    check([value for _, value in got] == [11, 12, 13, 14, 15, 16], f"the afternoon, in UTC: {got}")
    (question,) = source.questions()
    check(question["asked"] == series, f"asked for {question}")
    check(question["start"] == "2026-01-15T11:00:00+00:00", f"asked for {question}")
    check(question["by"] == ring.service, f"the source learns who asks: {question}")

    # Camille's own day is cut where her clock cuts it.
    own = await QuoaliseClient(camille, ring.service).history(series, *day)
    check([value for _, value in own] == list(range(24)), f"the whole day: {own}")

    # Whoever has no consent reaches no source.
    answer = await ask(stranger, ring.service, series, *day)
    refused(answer, "not-authorized")
    check(len(source.questions()) == 2, "the source was asked for a stranger")

    # The metering service's own error, and a proxy that is gone.
    answer = await ask(camille, ring.service, series, "1999-01-01T00:00:00Z", "1999-01-02T00:00:00Z")
    upstream_error(answer, "metering-service", "E1999")
    source.program.kill()
    answer = await ask(camille, ring.service, series, *day)
    upstream_error(answer, address.partition("/")[0], "service-unavailable")
    await ring.still_serving()


async def ask(person: Person, service: str, series: str, start: str, end: str) -> Any:
    """`get_history` in one step, whatever its answer."""
    fields = {"identifier": series, "start_time": start, "end_time": end}
    form = "".join(f"<field var='{v}'><value>{t}</value></field>" for v, t in fields.items())
    return await person.iq(
        "set",
        service,
        "<command xmlns='http://jabber.org/protocol/commands' node='get_history' action='execute'>"
        f"<x xmlns='jabber:x:data' type='submit'>{form}</x></command>",
    )


def upstream_error(answer: Any, issuer: str, code: str) -> None:
    """The source's error, as existing clients read it."""
    refused(answer, "undefined-condition")
    error = answer.xml.find(".//{urn:quoalise:0}upstream-error")
    check(error is not None, f"no upstream-error: {answer}")
    check((error.get("issuer"), error.get("code")) == (issuer, code), f"{error.attrib}")
