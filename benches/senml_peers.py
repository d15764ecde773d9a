"""Packs of 336 records per second that Python's bare parsers read: one line for JSON, one for XML.

Parsing alone, without checking or resolving anything. `cargo bench --bench senml` runs it and compares.
"""

import json
import pathlib
import statistics
import time
import xml.etree.ElementTree as ElementTree

PACK = pathlib.Path(__file__).parent.parent / "tests" / "packs" / "02-linky-load-curve-week"


def packs_per_second(parse, octets):
    rates = []
    for _ in range(9):
        calls, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < 0.2:
            parse(octets)
            calls += 1
        rates.append(calls / taken)
    return statistics.median(rates)


for name, parse, ending in [
    ("json.loads", json.loads, ".json"),
    ("ElementTree.fromstring", ElementTree.fromstring, ".xml"),
]:
    print(f"{name}\t{packs_per_second(parse, PACK.with_suffix(ending).read_bytes()):.1f}")
