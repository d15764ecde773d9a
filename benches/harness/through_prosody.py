"""Courant behind a real Prosody: how much CPU each of the two takes for the same load.

A meter and the recipients are components of the same Prosody (XEP-0114), since a program that logs in as so
many clients would itself be the limit. Every stanza goes through Prosody: publish, result, messages, pings.
Prosody and Courant share core 1, this program has core 0.
"""

import collections
import contextlib
import hashlib
import os
import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time

from . import peers, seed
from .measure import Wrong, free_port, pinned

CONFIG = """
{root}daemonize = false
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
log = {{ {{ levels = {{ min = "warn" }}, to = "file", filename = "{dir}/prosody.log" }} }}
interfaces = {{ "127.0.0.1" }}
component_interfaces = {{ "127.0.0.1" }}
component_ports = {{ {port} }}
c2s_ports = {{ }}
s2s_ports = {{ }}
modules_enabled = {{ "ping" }}
modules_disabled = {{ "s2s", "tls", "c2s", "offline" }}
VirtualHost "localhost"
Component "{component}"
    component_secret = "{secret}"
Component "pub.localhost"
    component_secret = "{secret}"
Component "sub.localhost"
    component_secret = "{secret}"
"""

OUTSTANDING = 64
PATIENCE = 30  # seconds without progress
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """Seconds of CPU time that a process has taken."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Component:
    """A component that reads stanzas by their ends, as only Courant's reach it."""

    def __init__(self, port, domain):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
            f"to='{domain}'>".encode())
        header = self.until(b">", b"<stream:stream")
        stream = re.search(rb"\sid=['\"]([^'\"]+)", header).group(1)
        proof = hashlib.sha1(stream + seed.SECRET.encode()).hexdigest()
        self.socket.sendall(f"<handshake>{proof}</handshake>".encode())
        self.until(b">", b"<handshake")
        self.socket.setblocking(False)
        self.held, self.out = b"", b""

    def until(self, end, begin):
        held = b""
        while begin not in held or end not in held[held.index(begin):]:
            more = self.socket.recv(4096)
            if not more:
                raise Wrong("Prosody does not let a component in")
            held += more
        return held

    def read(self, ends):
        """What came, cut behind each of the `ends`."""
        with contextlib.suppress(BlockingIOError):
            more = self.socket.recv(262144)
            if not more:
                raise Wrong("Prosody ended a component's stream")
            self.held += more
        *stanzas, self.held = re.split(ends, self.held)
        return stanzas

    def write(self, data=b""):
        self.out += data
        with contextlib.suppress(BlockingIOError):
            while self.out:
                self.out = self.out[self.socket.send(self.out):]


def publish(number, cell):
    """Publish `number`, as benches/load/src/pack.rs has them."""
    series = (number - 1) % cell.series
    node = f"urn:dev:prm:{30001000000000 + series}_consumption/power/active/raw"
    begin = 1763679600 + (number - 1) // cell.series % 1000 * cell.records * 1800
    values = [100 + (number % 16 * 37 + place * 61) % 900 for place in range(cell.records)]
    rest = "".join(f"<senml t='{place * 1800}' v='{v}'/>" for place, v in enumerate(values) if place)
    return (
        f"<iq type='set' id='p{number}' from='meter@pub.localhost/gw' to='{seed.DOMAIN}'>"
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='{number}'>"
        f"<sensml xmlns='urn:ietf:params:xml:ns:senml'>"
        f"<senml bn='{node}' bt='{begin}' bu='W' v='{values[0]}'/>{rest}</sensml>"
        f"</item></publish></pubsub></iq>"
    ).encode()


class Load:
    """64 publishes outstanding, until all of their messages have come."""

    def __init__(self, port, cell):
        self.cell = cell
        self.meter, self.recipients = Component(port, "pub.localhost"), Component(port, "sub.localhost")
        self.sent = self.done = self.messages = 0
        self.open = collections.Counter()

    def turn(self, more=True):
        while more and len(self.open) < OUTSTANDING:
            self.sent += 1
            self.open[str(self.sent).encode()] = self.cell.recipients + 1
            self.meter.write(publish(self.sent, self.cell))
        before = self.done
        for stanza in self.meter.read(rb"(?<=/iq>)|(?<=result'/>)|(?<=/>)(?=<iq)"):
            if b"<iq" in stanza:
                number = re.search(rb"id=['\"]p(\d+)['\"]", stanza)
                if not number or b"type='error'" in stanza or b'type="error"' in stanza:
                    raise Wrong(f"not the result of a publish: {stanza[:500]!r}")
                self.came(number.group(1))
        for stanza in self.recipients.read(rb"(?<=</message>)|(?<=</iq>)"):
            if b"<message" in stanza:
                self.messages += 1
                self.came(re.search(rb"<item [^>]*id=['\"](\d+)['\"]", stanza).group(1))
            elif b"urn:xmpp:ping" in stanza:
                tag = stanza[:stanza.index(b">")]
                there, back, id_ = (re.search(rb"\s%s=['\"]([^'\"]+)" % name, tag).group(1)
                                    for name in (b"to", b"from", b"id"))
                self.recipients.write(
                    b"<iq type='result' from='%s' to='%s' id='%s'/>" % (there, back, id_))
        self.meter.write()
        self.recipients.write()
        return self.done > before

    def came(self, number):
        if number not in self.open:
            raise Wrong(f"something came twice, or for nothing: {number!r}")
        self.open[number] -= 1
        if self.open[number] == 0:
            del self.open[number]
            self.done += 1

    def run(self, seconds, more=True):
        """For so long, or, without more, until nothing is outstanding."""
        until, moved = time.monotonic() + seconds, time.monotonic()
        with selectors.DefaultSelector() as ready:
            ready.register(self.meter.socket, selectors.EVENT_READ)
            ready.register(self.recipients.socket, selectors.EVENT_READ)
            while time.monotonic() < until and (more or self.open):
                if self.turn(more):
                    moved = time.monotonic()
                elif time.monotonic() - moved > PATIENCE:
                    raise Wrong(f"{len(self.open)} publishes do not get through Prosody")
                if not self.meter.out and not self.recipients.out:
                    ready.select(0.01)


@contextlib.contextmanager
def program(command, core, log):
    with open(log, "wb") as output:
        process = subprocess.Popen(pinned(core, [str(word) for word in command]), stdout=output, stderr=output,
                                   env={**os.environ, "RUST_LOG": "warn"})
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(yard, cell, seconds):
    """CPU microseconds per publish of Prosody and of Courant, and publishes per second."""
    prosody = shutil.which("prosody", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))
    if prosody is None:
        return None
    with tempfile.TemporaryDirectory(dir=yard.directory, prefix="prosody-") as name, contextlib.ExitStack() as stack:
        run, port = yard.directory / name, free_port()
        (run / "data").mkdir()
        (run / "certs").mkdir()
        config = run / "prosody.cfg.lua"
        root = "run_as_root = true\n" if os.geteuid() == 0 else ""
        config.write_text(CONFIG.format(root=root, dir=run, port=port, component=seed.DOMAIN, secret=seed.SECRET))
        server = stack.enter_context(program([prosody, "-F", "--config", config], 1, run / "prosody.out"))
        load = Load(port, cell)
        command = yard.command("courant", cell, run, port)
        courant = stack.enter_context(program(command, 1, run / "courant.out"))
        # Until Courant is there, Prosody answers in its place that it is not.
        time.sleep(2)
        if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            os.sched_setaffinity(0, {0})
        load.run(2)
        before, begun, done = (cpu(server.pid), cpu(courant.pid)), time.monotonic(), load.done
        load.run(seconds)
        after, took, done = (cpu(server.pid), cpu(courant.pid)), time.monotonic() - begun, load.done - done
        load.run(PATIENCE, more=False)
        if load.open:
            raise Wrong(f"{len(load.open)} publishes are not complete")
        if load.messages != load.sent * cell.recipients:
            raise Wrong(f"{load.messages} messages of {load.sent} publishes")
    spent = [(end - start) * 1e6 / done for start, end in zip(before, after)]
    return {"prosody_us": spent[0], "courant_us": spent[1], "times": spent[0] / spent[1],
            "publishes_per_s": done / took, "publishes": done}
