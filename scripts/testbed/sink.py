"""A recipient that is a service: a component (XEP-0114) that counts what it is sent.

Unlike a person's account it has no offline storage in between, and it answers pings itself, so
what it counts is what arrived.
"""

import asyncio
import hashlib
import xml.etree.ElementTree as ET
from typing import Any
from xml.sax.saxutils import quoteattr

from .network import COMPONENT_PORT
from .servers import Server

ACCEPT = "{jabber:component:accept}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
STREAM = "{http://etherx.jabber.org/streams}"


class Sink:
    """The component of a server; connects, and connects again, until it is closed."""

    def __init__(self, server: Server) -> None:
        """Not connected yet."""
        self.server = server
        self.jid = server.component
        self.received: dict[tuple[str, str], list[str]] = {}
        """Item ids in order of their first copies, by (recipient, node)."""
        self.copies = 0
        self._seen: set[tuple[str, str, str]] = set()
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    @property
    def firsts(self) -> int:
        """How many deliveries came, repetitions left out."""
        return len(self._seen)

    @property
    def duplicates(self) -> int:
        """How many came again."""
        return self.copies - self.firsts

    async def open(self, timeout: float = 300) -> None:
        """Connects; goes on by itself from then on."""
        self._task = asyncio.create_task(self._run())
        await asyncio.wait_for(self._connected.wait(), timeout)

    async def close(self) -> None:
        """Ends the stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._stream()
            except (OSError, ET.ParseError, EOFError):
                pass
            await asyncio.sleep(0.2)

    async def _stream(self) -> None:
        reader, writer = await asyncio.open_connection(self.server.address, COMPONENT_PORT)
        try:
            writer.write(
                f"<stream:stream to={quoteattr(self.jid)} xmlns='jabber:component:accept' "
                "xmlns:stream='http://etherx.jabber.org/streams'>".encode()
            )
            parser: Any = ET.XMLPullParser(["start", "end"])
            depth, root = 0, None
            while True:
                data = await reader.read(65536)
                if not data:
                    raise EOFError
                parser.feed(data)
                for event, element in parser.read_events():
                    if event == "start":
                        depth += 1
                        if depth == 1:
                            root = element
                            digest = hashlib.sha1(
                                (element.get("id", "") + self.server.secret).encode()
                            ).hexdigest()
                            writer.write(f"<handshake>{digest}</handshake>".encode())
                        continue
                    depth -= 1
                    if depth == 1:
                        self._heard(element, writer)
                        assert root is not None
                        root.clear()  # or it would hold all that ever came
                await writer.drain()
        finally:
            writer.close()

    def _heard(self, stanza: ET.Element, writer: asyncio.StreamWriter) -> None:
        if stanza.tag == f"{ACCEPT}handshake":
            self._connected.set()
        elif stanza.tag == f"{STREAM}error":
            raise EOFError
        elif stanza.tag == f"{ACCEPT}iq" and stanza.get("type") == "get":
            writer.write(
                f"<iq type='result' from={quoteattr(stanza.get('to', ''))} "
                f"to={quoteattr(stanza.get('from', ''))} "
                f"id={quoteattr(stanza.get('id', ''))}/>".encode()
            )
        elif stanza.tag == f"{ACCEPT}message":
            items = stanza.find(f"{EVENT}event/{EVENT}items")
            item = None if items is None else items.find(f"{EVENT}item")
            if items is None or item is None:
                return
            to, node, name = stanza.get("to", ""), items.get("node", ""), item.get("id", "")
            self.copies += 1
            if (to, node, name) not in self._seen:
                self._seen.add((to, node, name))
                self.received.setdefault((to, node), []).append(name)
