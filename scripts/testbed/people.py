"""People and machines with an account, and the foreign client (slixmpp) they use.

Stanzas are sent as the XML text that stands in the story, and received ones are kept as they came,
so that what is tested is what is on the wire.
"""

import asyncio
import inspect
import itertools
import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

# Before the import, which has a word to say already.
logging.getLogger("slixmpp").setLevel(logging.CRITICAL)

from slixmpp.clientxmpp import ClientXMPP  # noqa: E402
from slixmpp.xmlstream.handler import Callback  # noqa: E402
from slixmpp.xmlstream.matcher.base import MatcherBase  # noqa: E402

from . import senml  # noqa: E402
from .network import C2S_PORT  # noqa: E402
from .servers import Server  # noqa: E402


CLIENT = "{jabber:client}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
COURANT = "{urn:courant:0}"
SENML = f"{{{senml.NAMESPACE}}}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"

_ids = itertools.count(1)


class Offline(RuntimeError):
    """The session ended, or never began."""


@dataclass(frozen=True)
class Answer:
    """The answer to one IQ."""

    type: str
    condition: str
    error_type: str
    text: str
    seconds: float
    xml: ET.Element

    @property
    def ok(self) -> bool:
        """Whether it is a result."""
        return self.type == "result"

    @property
    def invalid_pack(self) -> dict[str, str] | None:
        """The attributes of <invalid-pack/>, where the error has one."""
        element = self.xml.find(f".//{COURANT}invalid-pack")
        return None if element is None else dict(element.attrib)

    def __str__(self) -> str:
        """For a failure's text."""
        if self.ok:
            return "result"
        return f"error {self.error_type}/{self.condition} {self.text!r}"


@dataclass(frozen=True)
class Delivery:
    """One message with measurements, as it arrived."""

    at: float
    sender: str
    node: str
    item: str
    publisher: str
    origin_id: str
    terms: list[dict[str, str]]
    records: list[senml.Record]
    stored: bool
    """It waited at the server for its recipient (XEP-0203)."""


@dataclass
class Person:
    """An account; what it received survives its sessions."""

    server: Server
    user: str
    password: str
    messages: list[tuple[float, ET.Element]] = field(default_factory=list)
    _session: "_Session | None" = None

    @property
    def jid(self) -> str:
        """The bare JID."""
        return f"{self.user}@{self.server.domain}"

    def __str__(self) -> str:
        """The bare JID."""
        return self.jid

    # Being there -----------------------------------------------------------------------------

    async def log_in(self, timeout: float = 120) -> None:
        """Logs in and becomes available for messages."""
        await self.log_out()
        session = _Session(self)
        try:
            await session.begin(timeout)
        except BaseException:
            await session.end()
            raise
        self._session = session

    async def log_out(self) -> None:
        """Ends the session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            await session.end()

    @property
    def online(self) -> bool:
        """Whether the session lives."""
        return self._session is not None and self._session.alive

    @property
    def client(self) -> ClientXMPP:
        """The slixmpp client of this session, for its plugins."""
        if self._session is None or not self._session.alive:
            raise Offline(f"{self.jid} is not logged in")
        return self._session

    # Saying something ------------------------------------------------------------------------

    def send(self, xml: str) -> None:
        """Sends a stanza as it stands."""
        self.client.send_raw(xml)

    async def ask(self, xml: str, id: str, timeout: float = 300) -> Answer:
        """Sends an IQ as it stands and waits for the answer with its id."""
        session = self.client
        assert isinstance(session, _Session)
        future: asyncio.Future[ET.Element] = asyncio.get_running_loop().create_future()
        session.waiting[id] = future
        began = time.monotonic()
        session.send_raw(xml)
        try:
            answer = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise TimeoutError(f"no answer to IQ {id!r} within {timeout:.0f} s") from None
        finally:
            session.waiting.pop(id, None)
        return _answer(answer, time.monotonic() - began)

    async def iq(self, type: str, to: str, payload: str, timeout: float = 300) -> Answer:
        """An IQ around a payload."""
        id = new_id("iq")
        return await self.ask(
            f"<iq type='{type}' to={quoteattr(to)} id='{id}'>{payload}</iq>", id, timeout
        )

    async def publish(
        self, to: str, node: str, payload: str, item: str = "", timeout: float = 300
    ) -> Answer:
        """Publishes one item (XEP-0060) to a component."""
        item_id = f" id={quoteattr(item)}" if item else ""
        return await self.iq(
            "set",
            to,
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<publish node={quoteattr(node)}><item{item_id}>{payload}</item></publish></pubsub>",
            timeout,
        )

    async def ping(self, to: str, timeout: float = 60) -> Answer:
        """XEP-0199."""
        return await self.iq("get", to, "<ping xmlns='urn:xmpp:ping'/>", timeout)

    async def ping_until_answered(
        self, to: str, timeout: float = 300, alive: Callable[[], bool] = lambda: True
    ) -> float:
        """Waits until a service is there; the seconds it took. Gives up once `alive` says no."""
        began = time.monotonic()
        last: object = "nothing was answered"
        while time.monotonic() - began < timeout and alive():
            try:
                answer = await self.ping(to, timeout=5)
                if answer.ok:
                    return time.monotonic() - began
                last = answer
            except TimeoutError as error:
                last = error
            await asyncio.sleep(0.1)
        reason = f"after {timeout:.0f} s" if alive() else "since its program ended"
        raise TimeoutError(f"{to} does not answer pings {reason}: {last}")

    # Hearing something -----------------------------------------------------------------------

    @property
    def copies(self) -> list[Delivery]:
        """Every message with measurements, in order of arrival, repetitions included."""
        return [d for at, xml in self.messages if (d := _delivery(at, xml)) is not None]

    @property
    def deliveries(self) -> list[Delivery]:
        """The same without repetitions: a stanza sent again has its first origin-id."""
        seen: set[str] = set()
        first = []
        for delivery in self.copies:
            if delivery.origin_id and delivery.origin_id in seen:
                continue
            seen.add(delivery.origin_id)
            first.append(delivery)
        return first

    @property
    def ended(self) -> list[dict[str, str]]:
        """The notices that a consent ended, by their attributes."""
        elements = (xml.find(f"{COURANT}ended") for _, xml in self.messages)
        return [dict(element.attrib) for element in elements if element is not None]

    async def until(
        self, what: Callable[["Person"], Any], timeout: float = 300, hint: str = ""
    ) -> Any:
        """Waits until `what` is true of this person, and returns its value."""
        end = time.monotonic() + timeout
        while True:
            value = what(self)
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{self.jid} waited {timeout:.0f} s{' for ' + hint if hint else ''}; it has "
                    f"{len(self.messages)} messages: {self.heard()}"
                )
            await asyncio.sleep(0.01)

    async def receives(self, count: int, timeout: float = 300) -> list[Delivery]:
        """Waits for that many deliveries in all."""
        await self.until(lambda p: len(p.deliveries) >= count, timeout, f"{count} deliveries")
        return self.deliveries

    def heard(self, last: int = 3) -> str:
        """The last messages as XML, cut short, for a failure's text."""
        texts = (ET.tostring(xml, encoding="unicode") for _, xml in self.messages[-last:])
        return " | ".join(text[:300] for text in texts)


class _Inbox(MatcherBase):
    """Messages, and answers to IQs; requests are left to slixmpp, which answers them."""

    def match(self, xml: Any) -> bool:
        return xml.name == "message" or (xml.name == "iq" and xml["type"] in ("result", "error"))


class _Session(ClientXMPP):
    """One login, at an explicit address: no name is ever looked up."""

    def __init__(self, person: Person) -> None:
        super().__init__(
            person.jid,
            person.password,
            plugin_config={"feature_mechanisms": {"unencrypted_plain": True}},
        )
        self.person = person
        self.alive = False
        self.waiting: dict[str, asyncio.Future[ET.Element]] = {}
        # Newer slixmpp has attributes where 1.8 has arguments of connect().
        self.enable_starttls = False
        self.enable_direct_tls = False
        self.enable_plaintext = True
        for plugin in ("xep_0030", "xep_0092", "xep_0199"):
            self.register_plugin(plugin)
        self.register_handler(Callback("inbox", _Inbox(""), self._received))

    async def _pick_dns_answer(self, domain: str, port: int | None = None) -> None:
        # slixmpp asks the resolver even where it was given an address.
        return None

    pick_dns_answer = _pick_dns_answer

    async def begin(self, timeout: float) -> None:
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail(why: object) -> None:
            if not began.done():
                began.set_exception(Offline(f"{self.person.jid} cannot log in: {why}"))

        def ready(_: object) -> None:
            if not began.done():
                began.set_result(None)

        def over(_: object) -> None:
            self.alive = False
            fail("the stream ended")
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(Offline(f"the stream of {self.person.jid} ended"))

        self.add_event_handler("session_start", ready)
        self.add_event_handler("failed_all_auth", fail)
        self.add_event_handler("connection_failed", fail)
        self.add_event_handler("disconnected", over)
        address = (self.person.server.address, C2S_PORT)
        if "address" in inspect.signature(self.connect).parameters:
            self.connect(address, force_starttls=False, disable_starttls=True)
        else:  # slixmpp 1.9 and later
            self.connect(*address)  # type: ignore[arg-type]
        await asyncio.wait_for(began, timeout)
        self.alive = True
        self.send_presence()
        # Stored messages are handed over on presence, before the answer to what comes after it.
        await self.round_trip()

    async def end(self) -> None:
        """Ends the stream, and what slixmpp itself leaves running."""
        try:
            if self.alive:
                await asyncio.wait_for(self.disconnect(wait=2.0), 5)
        except TimeoutError:
            pass
        finally:
            self.abort()
            filters = self._run_out_filters
            if filters is not None:
                filters.cancel()
                await asyncio.wait([filters])

    async def round_trip(self) -> None:
        """A round trip to the own server."""
        id, domain = new_id("here"), self.person.server.domain
        self.waiting[id] = asyncio.get_running_loop().create_future()
        self.send_raw(f"<iq type='get' to='{domain}' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>")
        await asyncio.wait_for(self.waiting[id], 10)

    def _received(self, stanza: Any) -> None:
        xml: ET.Element = stanza.xml
        if xml.tag == f"{CLIENT}message":
            self.person.messages.append((time.monotonic(), xml))
            return
        future = self.waiting.get(xml.get("id", ""))
        if future is not None and not future.done():
            future.set_result(xml)


def new_id(prefix: str) -> str:
    """A stanza id not used before in this run."""
    return f"{prefix}-{next(_ids)}"


def error_of(stanza: ET.Element) -> tuple[str, str, str]:
    """Condition, type and text of a stanza error; empty where there is none."""
    error = stanza.find(f"{CLIENT}error")
    if error is None:
        return "", "", ""
    condition = text = ""
    for child in error:
        if child.tag == f"{STANZAS}text":
            text = child.text or ""
        elif child.tag.startswith(STANZAS):
            condition = child.tag.removeprefix(STANZAS)
    return condition, error.get("type", ""), text


def _answer(xml: ET.Element, seconds: float) -> Answer:
    condition, error_type, text = error_of(xml)
    return Answer(xml.get("type", ""), condition, error_type, text, seconds, xml)


def _delivery(at: float, message: ET.Element) -> Delivery | None:
    sensml = message.find(f".//{SENML}sensml")
    if sensml is None or message.get("type") == "error":
        return None
    items = message.find(f"{EVENT}event/{EVENT}items")
    item = None if items is None else items.find(f"{EVENT}item")
    origin = message.find("{urn:xmpp:sid:0}origin-id")
    return Delivery(
        at=at,
        sender=message.get("from", ""),
        node="" if items is None else items.get("node", ""),
        item="" if item is None else item.get("id", ""),
        publisher="" if item is None else item.get("publisher", ""),
        origin_id="" if origin is None else origin.get("id", ""),
        terms=[dict(terms.attrib) for terms in message.findall(f"{COURANT}terms")],
        records=senml.resolve(sensml),
        stored=message.find("{urn:xmpp:delay}delay") is not None,
    )
