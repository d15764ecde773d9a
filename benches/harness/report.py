"""Medians, ratios, tables; as JSON, Markdown and SVG."""

import datetime
import json
import os
import platform
import statistics
import subprocess

from . import goals, svg
from .cells import GOALS

MEASURES = [
    "cpu_us_per_publish", "cpu_us_per_message", "publishes_per_s", "messages_per_s", "cpu_use",
    "cpu_system_share", "generator_cpu_use", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms",
    "startup_s", "startup_cpu_s", "rss_start_kib", "rss_peak_kib",
]


def median_of(reports):
    """One report of several rounds: the median of each measure."""
    held = {}
    for name in MEASURES:
        values = [report[name] for report in reports if report[name] is not None]
        held[name] = statistics.median(values) if values else None
    cpu = [report["cpu_us_per_publish"] for report in reports if report["cpu_us_per_publish"]]
    held["cpu_us_per_publish_range"] = [min(cpu), max(cpu)] if cpu else None
    held["rounds"] = len(reports)
    return held


def machine():
    def said(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    def line_of(path, start):
        with open(path) as file:
            return next((row.split(":", 1)[1].strip() for row in file if row.startswith(start)), None)

    return {
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": line_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": line_of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "commit": said("git", "describe", "--always", "--dirty"),
    }


def ratio(value, base):
    return None if not value or not base else base / value


def shown(value, digits=1):
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.{digits}f}"


def table(head, rows):
    return "\n".join([
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ])


class Results:
    def __init__(self, settings):
        self.settings = settings
        self.cells = {}  # cell -> peer -> median
        self.prosody = {}  # cell -> what was seen behind a real Prosody

    def others(self):
        return [peer for peer in self.settings["peers"] if peer != "courant"]

    def of(self, cell, peer, measure):
        return self.cells[cell].get(peer, {}).get(measure)

    def cpu_table(self):
        """CPU per publish, and how many times less Courant's is; beside it the goal, where there is one."""
        others = self.others()
        head = ["records x recipients", "courant us", *(f"{peer} us" for peer in others),
                *(f"{peer} : courant" for peer in others)]
        rows = []
        for cell in self.closed():
            own = self.of(cell, "courant", "cpu_us_per_publish")
            row = [str(cell), shown(own)]
            row += [shown(self.of(cell, peer, "cpu_us_per_publish")) for peer in others]
            for peer in others:
                times = ratio(own, self.of(cell, peer, "cpu_us_per_publish"))
                goal = GOALS.get(cell, {}).get(peer)
                row.append(shown(times) + (f" (goal {goal:g})" if goal and times else ""))
            rows.append(row)
        return table(head, rows)

    def goals_table(self):
        return table(["goal", "measured", "at most", ""], [
            [what, shown(value, 2), shown(goal, 2), "reached" if reached else "not reached"]
            for what, value, goal, reached in goals.rows(self)
        ])

    def prosody_table(self):
        return table(["records x recipients", "Prosody us a publish", "Courant us", "times", "publishes/s"], [
            [str(cell), *(shown(seen[name]) for name in ("prosody_us", "courant_us", "times", "publishes_per_s"))]
            for cell, seen in self.prosody.items() if seen
        ])

    def closed(self):
        return [cell for cell in self.cells if not cell.rate]

    def measure_table(self, cells, measures):
        peers = self.settings["peers"]
        head = ["records x recipients", "measure", *peers]
        rows = [
            [str(cell), label, *(shown(scaled(self.of(cell, peer, name), by), digits) for peer in peers)]
            for cell in cells for label, name, by, digits in measures
        ]
        return table(head, rows)

    def markdown(self):
        m, s = self.settings["machine"], self.settings
        closed, opened = self.closed(), [cell for cell in self.cells if cell.rate]
        parts = [
            "# Measured",
            f"{m['at']}, commit {m['commit']}: {m['cpu']}, {m['cores']} cores, {m['memory']}, Linux {m['kernel']}; "
            f"Python {m['python']}, slixmpp {s['slixmpp']}. Durability `{s['durability']}`. Medians of {s['rounds']} "
            f"rounds of {s['seconds']} s; 64 publishes outstanding unless a rate is given. Load of the machine before: "
            f"{m['load_before']:.1f}, after: {os.getloadavg()[0]:.1f} (the two programs that are measured are "
            "about 2; what is more are neighbours).",
            "## CPU per publish", self.cpu_table(),
            "## Goals", self.goals_table(),
            "## Throughput and memory, 64 outstanding",
            self.measure_table(closed, [
                ("publishes/s", "publishes_per_s", 1, 0), ("messages/s", "messages_per_s", 1, 0),
                ("CPU us a message", "cpu_us_per_message", 1, 2), ("share of a core", "cpu_use", 1, 2),
                ("p50 ms", "p50_ms", 1, 2), ("p99 ms", "p99_ms", 1, 2), ("p99.9 ms", "p999_ms", 1, 2),
                ("peak memory MiB", "rss_peak_kib", 1 / 1024, 1), ("start s", "startup_s", 1, 2),
            ]),
        ]
        if opened:
            parts += ["## From publish to last message at a fixed rate", self.measure_table(opened, [
                ("p50 ms", "p50_ms", 1, 2), ("p99 ms", "p99_ms", 1, 2), ("p99.9 ms", "p999_ms", 1, 2),
                ("CPU us a publish", "cpu_us_per_publish", 1, 1),
            ])]
        if any(self.prosody.values()):
            parts += ["## Behind a real Prosody, on one core with it", self.prosody_table()]
        parts += ["## Plots", *(f"![{name}]({name})" for name, _ in self.plots())]
        return "\n\n".join(parts) + "\n"

    def plots(self):
        """(file name, SVG)"""
        peers = self.settings["peers"]

        def groups(cells, name):
            return [(str(cell), {peer: self.of(cell, peer, name) for peer in peers}) for cell in cells]

        usual = [cell for cell in self.closed() if cell.series == 1000]
        if usual:
            yield "cpu.svg", svg.bars("CPU per publish (records x recipients), less is better",
                                      "microseconds, logarithmic", groups(usual, "cpu_us_per_publish"), peers)
            yield "throughput.svg", svg.bars("Publishes per second on one core, more is better",
                                             "logarithmic", groups(usual, "publishes_per_s"), peers)
        shapes = [(1, 1), (48, 1), (48, 10)]
        grown = [cell for shape in shapes for cell in sorted(self.closed(), key=lambda cell: cell.series)
                 if (cell.records, cell.recipients) == shape]
        if len({cell.series for cell in grown}) > 1:
            yield "series.svg", svg.bars("CPU per publish, by the number of series", "microseconds, logarithmic",
                                         groups(grown, "cpu_us_per_publish"), peers)
            mib = [(label, {peer: scaled(kib, 1 / 1024) for peer, kib in held.items()})
                   for label, held in groups(grown, "rss_peak_kib")]
            yield "memory.svg", svg.bars("Peak memory, by the number of series", "MiB, logarithmic", mib, peers)
        for cell in self.cells:
            if cell.rate:
                held = [(label, {peer: self.of(cell, peer, name) for peer in peers})
                        for label, name in (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"))]
                yield (f"latency-{cell.records}x{cell.recipients}.svg",
                       svg.bars(f"Publish to last message at {cell}", "milliseconds, logarithmic", held, peers))

    def write(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        held = {
            "settings": self.settings,
            "cells": {str(cell): of for cell, of in self.cells.items()},
            "prosody": {str(cell): of for cell, of in self.prosody.items()},
            "goals": goals.rows(self),
        }
        (directory / "report.json").write_text(json.dumps(held, indent=1, default=str) + "\n")
        (directory / "report.md").write_text(self.markdown())
        for name, plot in self.plots():
            (directory / name).write_text(plot)


def scaled(value, by):
    return None if value is None else value * by
