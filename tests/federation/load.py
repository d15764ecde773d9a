"""Measurements under way all the time, to a service at the other server that counts them."""

import asyncio
import itertools
from collections.abc import Callable

from ring import MIDNIGHT, Ring, check
from testbed import senml
from testbed.people import Offline, Person
from testbed.sink import Sink

_numbers = itertools.count(1)

GATEWAYS = 4
RECIPIENTS = 2


class Load:
    """Gateways that publish, one item after the other, and repeat what was not answered."""

    def __init__(self, ring: Ring) -> None:
        """See `begin`."""
        self.ring = ring
        self.sink = Sink(ring.away)
        self.accepted = [0] * GATEWAYS
        """Items accepted of each series; all of them must arrive, in this order."""
        self._prefix = f"urn:dev:load:{next(_numbers)}"
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._going = asyncio.Event()

    async def begin(self) -> "Load":
        """Everybody is there, and publishes."""
        ring, courant = self.ring, self.ring.courant
        await self.sink.open()
        camille = await ring.person("camille", ring.home, online=False)
        gateways = [await ring.person("gateway", ring.home) for _ in range(GATEWAYS)]
        for number, gateway in enumerate(gateways):
            await courant.add_series(self.series(number), camille.jid, gateway.jid)
        for recipient in self.recipients():
            await courant.add_consent(camille.jid, recipient, f"{self._prefix}/*")
        self._going.set()
        self._tasks = [
            asyncio.create_task(self._publish(number, gateway))
            for number, gateway in enumerate(gateways)
        ]
        await self.until(100)
        return self

    def series(self, number: int) -> str:
        """The name of a series."""
        return f"{self._prefix}/s{number}"

    def recipients(self) -> list[str]:
        """The addresses at the sink."""
        return [f"r{number}@{self.sink.jid}" for number in range(RECIPIENTS)]

    @property
    def owed(self) -> int:
        """Deliveries that must arrive, so far."""
        return sum(self.accepted) * RECIPIENTS

    async def until(self, more: int, timeout: float = 300) -> None:
        """Waits until so many more deliveries have arrived."""
        goal = self.sink.firsts + more
        await self._wait(lambda: self.sink.firsts >= goal, timeout, f"{more} more deliveries")

    async def until_accepted(self, more: int, timeout: float = 300) -> None:
        """Waits until so many more items were accepted."""
        goal = sum(self.accepted) + more
        await self._wait(lambda: sum(self.accepted) >= goal, timeout, f"{more} more items")

    def pause(self) -> None:
        """Nothing is published until `go_on`."""
        self._going.clear()

    def go_on(self) -> None:
        """The end of `pause`."""
        self._going.set()

    async def end(self, timeout: float = 300) -> str:
        """No more is published; all that was accepted arrives, in order. Says how much that was."""
        self._stopping = True
        self._going.set()
        try:
            await asyncio.wait_for(asyncio.gather(*self._tasks), timeout)
            for task in self._tasks:
                task.result()
            # As long as something comes, it is waited for.
            before = -1
            while self.sink.firsts < self.owed and self.sink.firsts != before:
                before = self.sink.firsts
                for _ in range(int(timeout * 20)):
                    if self.sink.firsts >= self.owed:
                        break
                    await asyncio.sleep(0.05)
            for number in range(GATEWAYS):
                expected = [str(item) for item in range(self.accepted[number])]
                for recipient in self.recipients():
                    got = self.sink.received.get((recipient, self.series(number)), [])
                    missing = set(expected) - set(got)
                    check(
                        not missing,
                        f"{len(missing)} of {len(expected)} items of series {number} never came "
                        f"to {recipient}, the first {sorted(missing, key=int)[:3]}",
                    )
                    check(
                        got == expected,
                        f"out of order, or never accepted: series {number} at {recipient}: {_first_wrong(got)}",
                    )
        finally:
            self.close()
            await self.sink.close()
        return f"{self.owed} deliveries counted, {self.sink.duplicates} duplicates"

    def close(self) -> None:
        """Whatever happens, nobody goes on."""
        for task in self._tasks:
            task.cancel()

    async def _publish(self, number: int, gateway: Person) -> None:
        while True:
            await self._going.wait()
            if self._stopping:
                return
            # Until it is accepted: then the next.
            while not await self._try(number, gateway):
                await asyncio.sleep(0.2)
            self.accepted[number] += 1

    async def _try(self, number: int, gateway: Person) -> bool:
        item = self.accepted[number]
        curve = senml.load_curve(self.series(number), MIDNIGHT + item, [200 + item % 50, 210])
        try:
            if not gateway.online:
                await gateway.log_in(timeout=5)
            answer = await gateway.publish(
                self.ring.service, self.series(number), curve, str(item), timeout=5
            )
        except (Offline, OSError, TimeoutError):
            return False
        return answer.ok

    async def _wait(self, holds: Callable[[], bool], timeout: float, hint: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not holds():
            for task in self._tasks:
                if task.done():
                    task.result()
            if loop.time() > end:
                raise TimeoutError(f"waited {timeout:.0f} s for {hint}")
            await asyncio.sleep(0.02)


def _first_wrong(got: list[str]) -> str:
    for place, item in enumerate(got):
        if item != str(place):
            return f"{item} at place {place}"
    return f"{len(got)} came"
