"""Camille agrees; a day of half-hours goes from her gateway to her adviser at the other server.

Gateway and adviser are foreign clients in processes of their own.
"""

import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from ring import MIDNIGHT, Household, Ring, check, same_records
from testbed import senml
from testbed.people import Person

CLIENT = Path(__file__).resolve().parents[1] / "client.py"
DAY = [round(300 + 250 * ((i * 7919) % 48) / 48 + 0.5 * i) for i in range(48)]


async def story(ring: Ring) -> None:
    """48 records arrive within 1 s of being published, exactly equal, with their terms."""
    home = await ring.household()
    await home.gateway.log_out()
    adviser = await ring.person("adviser", ring.away, online=False)
    consent = await home.consents(adviser)
    listener = await _client("listen", adviser, "--count", "3")
    try:
        await _three_days(ring, home, consent, listener)
    finally:
        if listener.returncode is None:
            listener.kill()


async def _three_days(
    ring: Ring, home: Household, consent: str, listener: asyncio.subprocess.Process
) -> None:
    assert listener.stdout is not None
    check((await _line(listener.stdout)).get("ready"), "the listening client did not log in")

    latencies = []
    for day in range(3):
        pack = senml.load_curve(home.series, MIDNIGHT + day * 86400, DAY)
        publisher = await _client(
            "publish", home.gateway, "--to", ring.service, "--node", home.series,
            "--item", f"day-{day}", "-", text=pack,
        )  # fmt: skip
        try:
            assert publisher.stdout is not None
            published = await _line(publisher.stdout)
            check(await publisher.wait() == 0, f"the publishing client says {published}")
        finally:
            if publisher.returncode is None:
                publisher.kill()
        check(published["accepted"], f"publish refused: {published['answer']}")
        arrived = await _line(listener.stdout)
        latencies.append(arrived["at"] - published["sent"])

        same_records([senml.Record(**r) for r in arrived["records"]], senml.resolve_text(pack))
        check(len(arrived["records"]) == 48, f"{len(arrived['records'])} records")
        check(arrived["sender"] == ring.service, f"from {arrived['sender']}")
        check(arrived["node"] == home.series, f"node {arrived['node']}")
        check(arrived["item"] == f"day-{day}", f"item {arrived['item']}")
        check(arrived["publisher"] == home.gateway.jid, f"publisher {arrived['publisher']}")
        check(arrived["origin_id"], "no origin-id")
        check(len(arrived["terms"]) == 1, f"terms: {arrived['terms']}")
        terms = arrived["terms"][0]
        check(terms.get("consent") == consent, f"terms name another consent: {terms}")
        check(terms.get("retention") == "P1Y", f"terms: {terms}")
        check(terms.get("purpose") and terms.get("expires"), f"terms: {terms}")
    # The middle one of three, as the machine may be doing something else for a moment.
    check(statistics.median(latencies) < 1, f"seconds from publish to arrival: {latencies}")
    check(await listener.wait() == 0, "the listening client failed")


async def _client(
    verb: str, person: Person, *arguments: str, text: str = ""
) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), verb, "--jid", person.jid, "--password", person.password,
        "--host", person.server.address, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    child.stdin.write(text.encode())
    child.stdin.close()
    return child


async def _line(output: asyncio.StreamReader) -> dict[str, Any]:
    line = await asyncio.wait_for(output.readline(), 300)
    check(line, "the foreign client ended without a word")
    parsed: dict[str, Any] = json.loads(line)
    return parsed
