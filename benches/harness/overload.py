"""What is delivered while more comes in than can be: the table with 0.5, 1, 2, 5 and 10 times the capacity."""

import json
import statistics

from . import report
from .measure import measure

FACTORS = (0.5, 1, 2, 5, 10)

# Of the capacity, whatever is offered above it.
GOAL = 0.8

# Publishes outstanding when the capacity is measured: enough that the component never waits for the next.
WINDOW = 1024


def overload(yard, generator, cell, rounds, seconds, directory):
    """Leaves overload.json and overload.md; whether the goal is met.

    The capacity is measured before each run above it, and what is delivered is compared with that one: the machine is
    not the same an hour later. What was taken in must arrive in the end, in order and once, as in every other run."""
    directory.mkdir(parents=True, exist_ok=True)
    options = {"warmup": 2, "seconds": seconds, "count": 10**9}
    held = {"cell": str(cell), "durability": yard.durability, "seconds": seconds, "machine": report.machine(), "runs": []}
    for turn in range(rounds):
        for factor in FACTORS:
            closed = measure(yard, generator, "courant", cell, options | {"window": WINDOW})
            capacity = closed["publishes_per_s"]
            offered = type(cell)(cell.records, cell.recipients, cell.series, max(1, round(capacity * factor)))
            said = measure(yard, generator, "courant", offered, options)
            held["runs"].append({"factor": factor, "capacity": capacity, "offered": offered.rate, "report": said})
            print(f"  {turn + 1}: {capacity:.0f}/s possible, {offered.rate}/s offered ({factor:g} times): "
                  f"{said['publishes_per_s']:.0f}/s delivered, p50 {said['p50_ms']} ms, "
                  f"{said['rss_peak_kib'] / 1024:.0f} MiB", flush=True)
            (directory / "overload.json").write_text(json.dumps(held, indent=1) + "\n")
    text, met = table(held)
    (directory / "overload.md").write_text(text)
    print(text)
    return met


def table(held):
    rows = ["| offered | possible/s | delivered/s | of what is possible (worst) | taken/s | p50 | memory at most |",
            "| --- | --- | --- | --- | --- | --- | --- |"]
    met = True
    for factor in FACTORS:
        runs = [run for run in held["runs"] if run["factor"] == factor]
        middle = lambda of: statistics.median(of(run) for run in runs)
        share = lambda run: run["report"]["publishes_per_s"] / run["capacity"]
        met &= factor <= 1 or middle(share) >= GOAL
        long = held["seconds"] + 2
        rows.append(
            f"| {factor:g} x | {middle(lambda run: run['capacity']):.0f} "
            f"| {middle(lambda run: run['report']['publishes_per_s']):.0f} "
            f"| {middle(share) * 100:.0f} % ({min(map(share, runs)) * 100:.0f} %) "
            f"| {middle(lambda run: run['report']['sent'] / long):.0f} "
            f"| {middle(lambda run: run['report']['p50_ms'] or 0):.1f} ms "
            f"| {max(run['report']['rss_peak_kib'] for run in runs) / 1024:.0f} MiB |")
    return "\n".join(rows) + "\n", met
