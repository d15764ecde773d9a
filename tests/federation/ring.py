"""The stage of a story: a component on its home server, recipients on the server away."""

import asyncio
import itertools
from collections.abc import Sequence

from testbed import senml
from testbed.bed import Testbed
from testbed.people import Answer, Delivery, Person
from testbed.senml import Record
from testbed.servers import Server

# 15 January 2026, midnight in Paris.
MIDNIGHT = 1768431600

_numbers = itertools.count(1)


class Failure(AssertionError):
    """Something in a story did not hold."""


def check(holds: object, what: object) -> None:
    """The story goes on only if this holds."""
    if not holds:
        raise Failure(str(what))


def accepted(answer: Answer) -> None:
    """The publish was answered `result`."""
    check(answer.ok, f"publish refused: {answer}")


def refused(answer: Answer, *conditions: str) -> None:
    """The answer is one of these errors, with a text that a person can act on."""
    check(
        answer.type == "error" and answer.condition in conditions,
        f"expected {' or '.join(conditions)}, got {answer}",
    )
    check(answer.text.strip(), f"an error without a text: {answer}")


def same_records(received: Sequence[Record], published: Sequence[Record]) -> None:
    """Exactly these records: names, times, units and values."""
    check(
        list(received) == sorted(published, key=lambda r: (r.time, r.name)),
        f"records differ: {len(received)} received, {len(published)} published; "
        f"first received {list(received)[:2]}",
    )


def in_order(deliveries: Sequence[Delivery], items: Sequence[str]) -> None:
    """Exactly these items, each once, in this order."""
    got = [delivery.item for delivery in deliveries]
    check(got == list(items), f"expected items {list(items)}, got {got}")


class Ring:
    """One direction of the federation."""

    def __init__(self, bed: Testbed, home: Server, away: Server, long: bool = False) -> None:
        """The component belongs to `home`; `away` reaches it by federation only.

        `long`: outages last as long as they are meant to.
        """
        self.long = long
        self.bed = bed
        self.home = home
        self.away = away
        self.courant = bed.courant(home)
        self.service = self.courant.jid
        self._people: list[Person] = []

    def __str__(self) -> str:
        """For the report."""
        return f"{self.home.name} to {self.away.name}"

    async def start(self) -> None:
        """Starts the component and waits until it serves."""
        self.courant.start()
        await self.serving()

    async def serving(self, timeout: float = 300) -> None:
        """Waits until the component answers a ping at its own server."""
        watcher = await self.person("watcher", self.home)
        await watcher.ping_until_answered(
            self.service, timeout, alive=lambda: self.courant.program.running
        )
        await watcher.log_out()

    async def still_serving(self) -> None:
        """One ping, answered at once: whatever came before did no harm."""
        check(self.courant.program.running, "the component's process is gone")
        watcher = await self.person("watcher", self.home)
        answer = await watcher.ping(self.service)
        check(answer.ok, f"the component answers a ping with {answer}")
        await watcher.log_out()

    async def set_right(self) -> None:
        """After a story: everybody runs again, nobody is logged in."""
        for person in self._people:
            try:
                await person.log_out()
            except Exception:  # a session on a server that the story killed
                person._session = None
        self._people.clear()
        for server in (self.home, self.away):
            server.program.thaw()
            if not server.program.running:
                server.start()
            await server.ready()
        if not self.courant.program.running:
            self.courant.start()
        await self.serving()

    # The cast --------------------------------------------------------------------------------

    async def person(self, name: str, server: Server, online: bool = True) -> Person:
        """A new account, nobody else's, logged in unless told otherwise."""
        person = Person(server, f"{name}-{next(_numbers)}", f"password of {name}")
        server.register(person.user, person.password)
        self._people.append(person)
        if online:
            await person.log_in()
        return person

    async def household(self, series: Sequence[str] = ()) -> "Household":
        """A person, the gateway in the cellar, and its series, all at the home server."""
        camille = await self.person("camille", self.home)
        gateway = await self.person("gateway", self.home)
        names = list(series) or [new_series()]
        for name in names:
            await self.courant.add_series(name, camille.jid, gateway.jid)
        return Household(self, camille, gateway, names[0])

    async def silence(self, *people: Person, seconds: float = 1.5) -> None:
        """Nothing with measurements reaches these people for a while."""
        before = [len(person.copies) for person in people]
        await asyncio.sleep(seconds)
        for person, count in zip(people, before, strict=True):
            check(len(person.copies) == count, f"{person} got something: {person.heard()}")


class Household:
    """Camille, whose consumption it is, and the gateway that publishes it."""

    def __init__(self, ring: Ring, camille: Person, gateway: Person, series: str) -> None:
        """See `Ring.household`."""
        self.ring = ring
        self.camille = camille
        self.gateway = gateway
        self.series = series

    async def consents(
        self, recipient: Person, scope: str = "", granularity: str = "", valid_from: str = ""
    ) -> str:
        """Camille lets this recipient have the series (or `scope`); the consent's id."""
        return await self.ring.courant.add_consent(
            self.camille.jid, recipient.jid, scope or self.series,
            granularity=granularity, valid_from=valid_from,
        )  # fmt: skip

    async def publishes(self, item: str, payload: str | None = None) -> Answer:
        """The gateway publishes an item, a short load curve unless told otherwise."""
        if payload is None:
            payload = self.curve(item)
        return await self.gateway.publish(self.ring.service, self.series, payload, item)

    async def publishes_all(self, items: Sequence[str]) -> None:
        """Many items at once; all of them must be accepted."""
        for answer in await asyncio.gather(*(self.publishes(item) for item in items)):
            accepted(answer)

    def curve(self, item: str) -> str:
        """Two hours of load, another for each item."""
        seed = sum(item.encode())
        return senml.load_curve(self.series, MIDNIGHT, [200 + seed, 210 + seed, 190 + seed, 640])


def new_series() -> str:
    """The name of a load curve that no other story uses; the meter's number is invented."""
    return f"urn:dev:prm:3000161007{next(_numbers):04}_consumption/power/active/raw"
