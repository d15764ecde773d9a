#!/usr/bin/python3
"""The demo: a day of half-hours from a cellar to an energy adviser, as long as Camille agrees.

    demo.py          shows it and cleans up; the exit code is not 0 if a step did not hold
    demo.py --keep   leaves everything running in demo-run/, and says how to log in
    demo.py --stop   stops what --keep left running

Run by `make demo`, `make demo KEEP=1` and `make demo-stop`, which install and build first.
"""

import argparse
import asyncio
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(HERE), str(REPOSITORY / "scripts")]

from screen import Screen  # noqa: E402
from testbed import senml  # noqa: E402
from testbed.bed import Testbed  # noqa: E402
from testbed.courant import CommandFailed, Courant, binary, half_a_year_on  # noqa: E402
from testbed.people import Delivery, Offline, Person  # noqa: E402
from testbed.running import in_order  # noqa: E402

KEPT = REPOSITORY / "demo-run"
DAY = "2026-01-15"
NEXT_DAY = "2026-01-16"
SECONDS_OF_SILENCE = 3
SOMEBODY_ELSES = "urn:dev:prm:30001610074251_consumption/power/active/raw"


class Stop(RuntimeError):
    """A step did not hold, and what follows makes no sense without it."""


class Demo:
    """The steps, in the order in which they are shown."""

    def __init__(self, bed: Testbed, screen: Screen, day: list[senml.Record]) -> None:
        """`day`: the load curve of one day."""
        self.bed = bed
        self.screen = screen
        self.day = day
        self.series = day[0].name
        self.courant: Courant = bed.courant(bed.prosody)
        self.service = self.courant.jid
        self.camille = Person(bed.prosody, "camille", "camille-secret")
        self.gateway = Person(bed.prosody, "gateway", "gateway-secret")
        self.adviser = Person(bed.ejabberd, "adviser", "adviser-secret")
        self.neighbour = Person(bed.ejabberd, "neighbour", "neighbour-secret")
        self.people = [self.camille, self.gateway, self.adviser, self.neighbour]
        self.consent = ""

    async def show(self) -> None:
        """All of it."""
        try:
            await self.servers()
            await self.component()
            await self.accounts()
            await self.agreement()
            await self.publish()
            await self.arrival()
            await self.foreign_record()
            await self.withdrawal()
        finally:
            for person in self.people:
                try:
                    await person.log_out()
                except Exception:  # on the way out there is nobody left to tell
                    pass

    def must(self, holds: object, text: str) -> None:
        """A check without which there is no sense in going on."""
        if not self.screen.check(holds, text):
            raise Stop(text)

    # The steps -------------------------------------------------------------------------------

    async def servers(self) -> None:
        """Both servers run already; who they are."""
        screen = self.screen
        screen.step("Two ordinary XMPP servers, that know nothing of energy")
        screen.table([(s.software, f"{s.domain}, at {s.address}") for s in self.bed.servers])
        screen.say(
            """They were started just now, on this machine only. Between them they speak the way
            servers do on the Internet: encrypted, each proving who it is by a certificate."""
        )

    async def component(self) -> None:
        """Starts the component."""
        screen = self.screen
        screen.step("Courant joins one of them")
        screen.command(["courant", "--config", "courant.toml", "run"])
        for person in self.people:
            person.server.register(person.user, person.password)
        self.courant.start()
        await self.camille.log_in()
        seconds = await self.camille.ping_until_answered(
            self.service, alive=lambda: self.courant.program.running
        )
        self.must(True, f"it answers as {self.service} after {seconds:.1f} s")

    async def accounts(self) -> None:
        """Everybody logs in."""
        screen = self.screen
        screen.step("Four accounts log in")
        for person in self.people:
            if not person.online:
                await person.log_in()
        screen.table(
            [
                (self.camille.jid, "Camille, whose electricity it is"),
                (self.gateway.jid, "the box in her cellar that reads the meter"),
                (self.adviser.jid, "her energy adviser, at the other server"),
                (self.neighbour.jid, "a neighbour, curious, at the other server too"),
            ]
        )

    async def agreement(self) -> None:
        """Series and consent, from the command line."""
        screen = self.screen
        screen.step("What may be published, and what Camille agrees to")
        screen.say("The operator registers the series: whose it is, and who may publish it.")
        arguments = Courant.series_arguments(self.series, self.camille.jid, self.gateway.jid)
        screen.command(["courant", *arguments])
        await self.courant.must(*arguments)
        screen.say(
            """Camille's consent names one recipient, one series, one purpose, an end, and how long
            the recipient may keep what arrives."""
        )
        self.consent = await self.record_consent(show=True)
        screen.check(self.consent, f"recorded as consent {self.consent}")
        screen.command(["courant", "consent", "list"])
        screen.lines(await self.courant.must("consent", "list"))

    async def record_consent(self, show: bool = False) -> str:
        """Camille agrees, for half a year; the consent's id."""
        arguments = Courant.consent_arguments(
            self.camille.jid,
            self.adviser.jid,
            self.series,
            "energy advice",
            half_a_year_on(),
            "P1Y",
        )
        if show:
            self.screen.command(["courant", *arguments])
        record = json.loads(await self.courant.must(*arguments, "--json"))
        return str(record["id"])

    async def publish(self) -> None:
        """The day goes out."""
        screen = self.screen
        screen.step("The gateway publishes Camille's day: 48 half-hours")
        screen.chart(f"as sent, {DAY}", [float(r.value or 0) for r in self.day])
        screen.say("On the wire it is a SenML pack (RFC 8428) in a pubsub item (XEP-0060):")
        pack = self.pack(self.day)
        xml = minidom.parseString(pack).toprettyxml(indent="  ")
        beginning = xml.splitlines()[1:]
        shown = [f"<publish node='{self.series}'>", f"  <item id='{DAY}'>"]
        shown += ["    " + line for line in beginning[:4]]
        screen.lines("\n".join([*shown, f"      … {len(self.day) - 3} more records"]))
        self.sent = time.monotonic()
        answer = await self.gateway.publish(self.service, self.series, pack, DAY)
        self.must(
            answer.ok,
            f"Courant answered “result” after {answer.seconds * 1000:.0f} ms: the day, and what is "
            "owed to whom, is on disk"
            if answer.ok
            else f"Courant refused it: {answer}",
        )

    async def arrival(self) -> None:
        """What was decided, and what came of it."""
        screen = self.screen
        screen.step("What was decided, record by record, and what arrived")
        screen.table(
            [
                (self.adviser.jid, "may have it: Camille's consent covers all 48 records"),
                (self.neighbour.jid, "may not: no consent names this account"),
            ]
        )
        try:
            delivery: Delivery | None = (await self.adviser.receives(1, timeout=15))[0]
        except TimeoutError:
            delivery = None
        if delivery is None:
            raise Stop("nothing arrived at the adviser")
        milliseconds = (delivery.at - self.sent) * 1000
        screen.chart(
            f"as received by {self.adviser.jid}",
            [r.value for r in delivery.records if isinstance(r.value, float)],
            "32",
        )
        screen.check(
            delivery.records == self.day,
            f"{len(delivery.records)} records arrived through {self.bed.ejabberd.software}, equal "
            "to those published in name, time, unit and value",
        )
        screen.check(milliseconds < 1000, f"{milliseconds:.0f} ms after they were published")
        terms = delivery.terms[0] if len(delivery.terms) == 1 else {}
        screen.check(
            terms.get("consent") == self.consent,
            "with the terms under which they may be kept: "
            + (" ".join(f"{k}={v!r}" for k, v in terms.items() if k != "consent") or "none"),
        )
        screen.check(delivery.origin_id, "with an origin-id, so that a repetition can be dropped")
        await asyncio.sleep(SECONDS_OF_SILENCE)
        screen.check(not self.neighbour.messages, "the neighbour got nothing")

    async def foreign_record(self) -> None:
        """One record of somebody else's series spoils the pack."""
        screen = self.screen
        screen.step("A pack with one record of somebody else's series")
        stray = replace(self.day[-1], name=SOMEBODY_ELSES)
        answer = await self.gateway.publish(
            self.service, self.series, senml.pack([*self.day[:-1], stray]), "stray"
        )
        screen.check(
            answer.condition == "bad-request",
            f"refused as a whole: {answer.condition or answer.type}, “{answer.text}”",
        )
        await asyncio.sleep(SECONDS_OF_SILENCE)
        screen.check(len(self.adviser.copies) == 1, "nobody got any of it")

    async def withdrawal(self) -> None:
        """The consent ends, and with it the relaying."""
        screen = self.screen
        screen.step("Camille changes her mind")
        arguments = ["consent", "revoke", self.consent, "--reason", "Camille asked for it"]
        screen.command(["courant", *arguments])
        await self.courant.must(*arguments)
        try:
            notice = (await self.adviser.until(lambda p: p.ended, timeout=10))[0]
        except TimeoutError:
            notice = {}
        screen.check(
            notice.get("consent") == self.consent,
            f"the adviser was told that the consent is {notice.get('state', '(nothing came)')}",
        )
        screen.say("The gateway knows nothing of it and publishes the next day.")
        tomorrow = [replace(record, time=record.time + 86400) for record in self.day]
        answer = await self.gateway.publish(
            self.service, self.series, self.pack(tomorrow), NEXT_DAY
        )
        screen.check(answer.ok, f"accepted as before: {answer}")
        await asyncio.sleep(SECONDS_OF_SILENCE)
        screen.check(
            len(self.adviser.copies) == 1,
            f"nothing more arrives: {len(self.adviser.copies)} message with measurements in all",
        )

    def pack(self, records: list[senml.Record]) -> str:
        """A day as XML."""
        watts = [float(record.value or 0) for record in records]
        return senml.load_curve(self.series, int(records[0].time), watts)

    # Afterwards ------------------------------------------------------------------------------

    async def leave_running(self) -> None:
        """Gives the consent again, and says how to play with it."""
        screen = self.screen
        consent = await self.record_consent()
        pack = KEPT / "day.xml"
        pack.write_text(self.pack(self.day))
        client = "/usr/bin/python3 tests/federation/client.py"
        screen.title("Everything goes on running")
        screen.say(
            f"""Camille has agreed again (consent {consent}). Log in with any client: give it the
            address and port by hand, since no DNS knows these servers, and allow a connection
            without TLS or trust {KEPT}/certs/ca.pem."""
        )
        print()
        screen.table(
            [
                (
                    person.jid,
                    f"password {person.password}   host {person.server.address}   port 5222",
                )
                for person in self.people
            ]
        )
        print()
        screen.say("Listen as the adviser in one terminal, publish as the gateway in another:")
        screen.lines(
            f"{client} listen \\\n    --jid {self.adviser} --password {self.adviser.password} "
            f"--host {self.adviser.server.address}\n"
            f"{client} publish \\\n    --jid {self.gateway} --password {self.gateway.password} "
            f"--host {self.gateway.server.address} \\\n    --to {self.service} "
            f"--node {self.series} \\\n    --item again-1 {pack.relative_to(REPOSITORY)}"
        )
        screen.say("An item is forwarded once; give it another --item to see it again.")
        print()
        screen.say("Look at consents, or end one:")
        screen.lines(f"{_short(binary())} --config {_short(self.courant.config)} consent list")
        print()
        screen.say(f"Logs are in {_short(KEPT / 'logs')}/. To stop it all:")
        screen.lines("make demo-stop")


def _short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


def read_day() -> list[senml.Record]:
    """The committed day, SenML JSON with base fields in its first record."""
    pack = json.loads((HERE / "day.json").read_text())
    base = pack[0]
    return [
        senml.Record(base["bt"] + record.get("t", 0), base["bn"], float(record["v"]), base["bu"])
        for record in pack
    ]


async def run(keep: bool) -> int:
    """The demo from start to end; its exit code."""
    screen = Screen()
    screen.title("Courant: measurements go where the person concerned agreed, and nowhere else")
    binary()
    if KEPT.exists() and keep:
        stop()
        shutil.rmtree(KEPT)
    async with Testbed(KEPT if keep else None, outlive=keep) as bed:
        demo = Demo(bed, screen, read_day())
        try:
            await demo.show()
        except (Stop, CommandFailed, TimeoutError, Offline) as error:
            screen.check(False, str(error))
            screen.lines(demo.courant.program.tail())
        if not screen.held:
            bed.keep_files = True
            bed.outlive = False
            print(f"\nNot everything held. Logs: {bed.directory}/logs")
            return 1
        if keep:
            await demo.leave_running()
            return 0
    print("\nEverything held, and everything that was started is stopped.")
    print("`make demo KEEP=1` leaves it running, to log in with a client of your own.")
    return 0


def stop() -> None:
    """Stops what an earlier `--keep` left running."""
    stopped = Testbed.stop_in(KEPT)
    print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


async def main() -> int:
    """Reads the command line; a signal ends everything in order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    if options.stop:
        stop()
        return 0
    return await in_order(run(options.keep), "\nThe demo could not begin")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
