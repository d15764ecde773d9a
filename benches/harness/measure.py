"""One run of the load generator, and a second opinion on what it saw.

The generator is quick and looks at each message only as closely as speed allows. A sample of the messages
is therefore read here by another XML parser, record by record, by the rules of benches/load/src/pack.rs.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import xml.etree.ElementTree as ET

from . import peers, seed

EVENT = "{http://jabber.org/protocol/pubsub#event}"
SENML = "{urn:ietf:params:xml:ns:senml}"
TERMS = "{urn:courant:0}terms"


class Wrong(Exception):
    """A message is missing, wrong or extra, or the run failed."""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def pinned(core, command):
    has_taskset = shutil.which("taskset") and len(os.sched_getaffinity(0)) > 1
    return ["taskset", "-c", str(core), *command] if has_taskset else command


@contextlib.contextmanager
def prepared(yard, generator, peer, cell, options):
    """The command of one run, and the directory with the peer's files."""
    with tempfile.TemporaryDirectory(dir=yard.directory, prefix="run-") as name:
        run = yard.directory / name
        port = free_port()
        command = [
            generator, "--listen", f"127.0.0.1:{port}", "--domain", seed.DOMAIN, "--secret", seed.SECRET,
            "--name", peer, "--records", cell.records, "--series", cell.series,
            "--recipients", cell.recipients, "--rate", cell.rate, "--sample", run / "sample",
        ]
        if peer in peers.OURS:
            command += ["--terms", "yes", "--clean-exit", "yes"]
        if pinned(1, []):
            # At a fixed rate the generator would sleep, and its own waking be taken for the component's latency.
            command += ["--cpu", "1", "--spin", "yes" if cell.rate else "no"]
        for option, value in options.items():
            command += [f"--{option}", value]
        command += ["--", *yard.command(peer, cell, run, port)]
        yield pinned(0, [str(word) for word in command]), run


def measure(yard, generator, peer, cell, options, environment=None):
    """The generator's report. Raises Wrong if anything is."""
    with prepared(yard, generator, peer, cell, options) as (command, run):
        environment = {**os.environ, "RUST_LOG": "warn", **(environment or {})}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        lines = done.stdout.strip().splitlines()
        if not lines:
            raise Wrong(f"{peer}, {cell}: {done.stderr.strip()}")
        report = json.loads(lines[-1])
        if not report["ok"]:
            raise Wrong(f"{peer}, {cell}:\n{done.stderr.strip()}")
        report["looked_at"] = second_opinion(run / "sample", cell, has_terms=peer in peers.OURS)
        return report


def second_opinion(sample, cell, has_terms):
    """How many messages were read again."""
    count = 0
    for line in sample.read_bytes().splitlines():
        try:
            look(ET.fromstring(line), cell, has_terms)
        except (ET.ParseError, AssertionError, AttributeError, KeyError, ValueError) as error:
            raise Wrong(f"{cell}: {type(error).__name__} {error} in {line[:2000]!r}") from error
        count += 1
    return count


def look(message, cell, has_terms):
    node, number, records = content(message)
    series = (number - 1) % cell.series
    assert node == f"urn:dev:prm:{30001000000000 + series}_consumption/power/active/raw", "node"
    begin = 1763679600 + (number - 1) // cell.series % 1000 * cell.records * 1800
    variant = number % 16
    expected = [
        (node, begin + place * 1800, 100 + (variant * 37 + place * 61) % 900, "W")
        for place in range(cell.records)
    ]
    assert records == expected, "records"
    assert message.get("from") == seed.DOMAIN, "from"
    if has_terms:
        recipient = int(message.get("to").removeprefix("r").removesuffix("@sub.localhost"))
        (terms,) = message.findall(TERMS)
        consent = series * cell.recipients + recipient
        assert terms.get("consent") == f"01934000-0000-7000-8000-{consent:012x}", "consent"
        assert terms.get("purpose") and terms.get("retention") and terms.get("expires"), "terms"


def content(message):
    """Node, item id, and the records resolved (RFC 8428 §4.6)."""
    items = message.find(f"{EVENT}event/{EVENT}items")
    item = items.find(f"{EVENT}item")
    base = {"bn": "", "bt": "0", "bu": None, "bv": "0"}
    records = []
    for record in item.iter(f"{SENML}senml"):
        base.update({name: record.get(name) for name in base if record.get(name) is not None})
        records.append((
            base["bn"] + record.get("n", ""),
            float(base["bt"]) + float(record.get("t", 0)),
            float(base["bv"]) + float(record.get("v")),
            record.get("u", base["bu"]),
        ))
    return items.get("node"), int(item.get("id")), records
