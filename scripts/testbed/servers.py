"""What the two servers have in common: a domain, a component domain, ports, accounts."""

import asyncio
import socket
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from . import network
from .processes import Program

# ejabberd needs 1 s on an idle machine and was seen to need 8 s on a busy one.
READY_TIMEOUT = 300.0
# The servers' usual limit for clients is 256 KiB. Here a client may send far more, so that a
# stanza beyond the component's own limit reaches it.
CLIENT_STANZA_BYTES = 16 * 1024 * 1024

SOFTWARE = {"prosody": "Prosody", "ejabberd": "ejabberd"}


class Server:
    """One XMPP server on its own loopback address."""

    name: str
    secret: str
    program: Program

    def __init__(self, name: str, directory: Path, address: str) -> None:
        """`directory`: the testbed's; the server's own files go below it."""
        self.name = name
        self.address = address
        self.bed = directory
        self.directory = directory / name
        self.domain = f"{name}.test"
        self.component = f"energy.{self.domain}"
        self.secret = f"secret-of-{name}"
        self.log = directory / "logs" / f"{name}.log"

    @property
    def software(self) -> str:
        """The name as its makers write it."""
        return SOFTWARE[self.name]

    def start(self) -> None:
        """Starts it, and returns at once; see `ready`."""
        self.program.start()

    async def ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Waits until its three ports accept connections."""
        end = time.monotonic() + timeout
        for port in network.PORTS:
            while not network.accepts(self.address, port):
                if not self.program.running:
                    raise RuntimeError(
                        f"{self.software} ended with code {self.program.exit_code}:\n"
                        f"{self.program.tail()}\n(its log: {self.log})"
                    )
                if time.monotonic() > end:
                    raise RuntimeError(
                        f"{self.software} does not listen on {self.address}:{port} after "
                        f"{timeout:.0f} s (its log: {self.log})"
                    )
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """An orderly stop."""
        await self.program.stop()

    def kill(self) -> None:
        """A crash: no goodbye to anybody."""
        self.program.kill()

    async def restart(self) -> None:
        """Stops it in order, and starts it again on the same data."""
        await self.stop()
        self.start()
        await self.ready()

    def register(self, user: str, password: str) -> None:
        """Creates an account as any client could, by in-band registration (XEP-0077)."""
        with socket.create_connection((self.address, network.C2S_PORT), timeout=30) as stream:
            stream.settimeout(30)
            stream.sendall(
                f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0' "
                "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
                "<iq type='set' id='register'><query xmlns='jabber:iq:register'>"
                f"<username>{escape(user)}</username><password>{escape(password)}</password>"
                "</query></iq>".encode()
            )
            answer = _first_iq(stream)
            stream.sendall(b"</stream:stream>")
        if answer.get("type") != "result":
            # A second run on kept data finds the account there, with the password it expects.
            if answer.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}conflict") is None:
                reason = ET.tostring(answer, encoding="unicode")
                raise RuntimeError(f"{self.software} refuses the account {user}: {reason}")


def _first_iq(stream: socket.socket) -> ET.Element:
    parser: Any = ET.XMLPullParser(["end"])
    while True:
        data = stream.recv(65536)
        if not data:
            raise RuntimeError("the server closed the stream instead of creating the account")
        parser.feed(data)
        for _, element in parser.read_events():
            assert isinstance(element, ET.Element)
            if element.tag == "{jabber:client}iq":
                return element
            if element.tag == "{http://etherx.jabber.org/streams}error":
                raise RuntimeError(f"stream error: {ET.tostring(element, encoding='unicode')}")
