#!/usr/bin/python3
"""Federation tests: the stories, between a real Prosody and a real ejabberd, in both directions.

    run.py                          all stories, component on Prosody first, then on ejabberd
    run.py grant_then_relay ...     only these
    run.py --home ejabberd          only one direction (where the component is)
    run.py --long                   the outages alone, at full length (make outages)
    run.py --dir DIR                keep configurations, logs and databases there

The component is $COURANT_BIN, else target/debug/courant. Everything happens on loopback, and
nothing is left running. The last line says how many passed and failed; the exit code is not 0 if
any failed. Run it with Debian's /usr/bin/python3, which has slixmpp.
"""

import argparse
import asyncio
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

from ring import Failure, Ring  # noqa: E402
from stories import ORDER, OUTAGES  # noqa: E402
from testbed.bed import Testbed  # noqa: E402
from testbed.courant import CommandFailed, binary  # noqa: E402
from testbed.running import in_order  # noqa: E402

STORY_TIMEOUT = 900.0
LONG_TIMEOUT = 1800.0


class Report:
    """One line per story, and the count."""

    def __init__(self) -> None:
        """Nothing told yet."""
        self.passed = 0
        self.failed = 0
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def line(self, ok: bool, where: object, story: str, seconds: float, why: str = "") -> None:
        """The outcome of one story."""
        self.passed += ok
        self.failed += not ok
        word, colour = ("ok  ", "\033[32m") if ok else ("FAIL", "\033[31m")
        if self._colour:
            word = f"{colour}{word}\033[0m"
        print(f"{word} {where}: {story} ({seconds:.1f} s)", flush=True)
        for line in why.splitlines():
            print(f"       {line}", flush=True)


def reason(error: BaseException) -> str:
    """What went wrong, and where in the story."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "/stories/" in frame.filename:
            place = f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}\n"
    if isinstance(error, (Failure, CommandFailed)):
        return f"{place}{error}"
    if isinstance(error, TimeoutError) and not str(error):
        return f"{place}not done in time"
    return f"{place}{type(error).__name__}: {error}"


async def direction(ring: Ring, names: list[str], report: Report) -> None:
    """All stories with the component on one of the servers."""
    began = time.monotonic()
    try:
        await ring.start()
    except Exception as error:
        for name in names:
            report.line(False, ring, name, 0, "the component did not start")
        print(f"{reason(error)}\n{ring.courant.program.tail()}", flush=True)
        return
    print(f"     {ring}: component {ring.service} serves after {time.monotonic() - began:.1f} s")
    for name in names:
        story = importlib.import_module(f"stories.{name}").story
        began = time.monotonic()
        try:
            limit = LONG_TIMEOUT if ring.long else STORY_TIMEOUT
            told = await asyncio.wait_for(story(ring), limit)
            report.line(True, ring, name, time.monotonic() - began, told or "")
        except Exception as error:
            report.line(False, ring, name, time.monotonic() - began, reason(error))
        try:
            await asyncio.wait_for(ring.set_right(), 120)
        except Exception as error:
            report.line(False, ring, f"{name}, and then everybody runs again", 0, reason(error))
    began = time.monotonic()
    code = await ring.courant.stop()
    why = "" if code == 0 else f"after SIGTERM it ended with {code}\n{ring.courant.program.tail()}"
    report.line(code == 0, ring, "stops_when_asked", time.monotonic() - began, why)


async def run(options: argparse.Namespace) -> int:
    """Both directions, one after the other, with one pair of servers."""
    report = Report()
    began = time.monotonic()
    binary()
    async with Testbed(options.dir) as bed:
        where = ", ".join(f"{server.domain} at {server.address}" for server in bed.servers)
        print(f"     servers: {where}; files in {bed.directory}", flush=True)
        pairs = {"prosody": (bed.prosody, bed.ejabberd), "ejabberd": (bed.ejabberd, bed.prosody)}
        for home in [options.home] if options.home else pairs:
            names = options.stories or list(OUTAGES if options.long else ORDER)
            await direction(Ring(bed, *pairs[home], long=options.long), names, report)
        if report.failed:
            bed.keep_files = True
            print(f"     logs of servers and components: {bed.directory}/logs", flush=True)
            if os.environ.get("CI"):
                for component in bed.components:
                    print(f"--- {component.program.output}\n{component.program.tail(100)}")
    print(f"     {time.monotonic() - began:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed else 0


async def main() -> int:
    """Reads the command line; a signal ends everything in order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stories", nargs="*", metavar="STORY", help=", ".join(ORDER))
    parser.add_argument("--home", choices=["prosody", "ejabberd"])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--dir", type=Path)
    options = parser.parse_args()
    unknown = [name for name in options.stories if name not in ORDER]
    if unknown:
        parser.error(f"no such story: {', '.join(unknown)}")

    return await in_order(run(options), "the tests could not begin", "0 passed, 1 failed")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
