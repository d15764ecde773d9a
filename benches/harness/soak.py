"""A long run of Courant at a fixed rate: memory, latency and the files of the database over time."""

import contextlib
import json
import os
import sqlite3
import statistics
import subprocess

from . import report, svg
from .measure import Wrong, prepared

EVERY = 10  # seconds between samples, in a run that is long enough


class Stolen:
    """How much of the machine's time its host gave to others since the last look, as a share; None where it cannot
    be known."""

    def __init__(self):
        self.last = self.read()

    @staticmethod
    def read():
        try:
            with open("/proc/stat") as file:
                ticks = [int(word) for word in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return None
        return (ticks[7], sum(ticks)) if len(ticks) == 8 else None

    def look(self):
        before, self.last = self.last, self.read()
        if not before or not self.last or self.last[1] <= before[1]:
            return None
        return (self.last[0] - before[0]) / (self.last[1] - before[1])


def size(path):
    return path.stat().st_size if path.exists() else 0


class Log:
    """How much the disclosure log holds, read as it grows: it is kept for ever, all else is to be bounded."""

    def __init__(self, path):
        self.path, self.last, self.octets = path, 0, 0

    def look(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            last, octets = db.execute(
                "SELECT max(seq), sum(length(content) + length(previous) + length(hash)) FROM disclosure_block "
                "WHERE seq > ?", (self.last,)).fetchone()
        if last is not None:
            self.last, self.octets = last, self.octets + octets
        return self.octets


def soak(yard, generator, cell, minutes, burst, directory):
    """The course of each measure. Leaves soak.json (written anew after each sample) and soak.svg.

    `burst`: publishes per second, and for how many seconds, from a quarter of the time on; what it leaves is called
    burst then. Or None."""
    name = "burst" if burst else "soak"
    directory.mkdir(parents=True, exist_ok=True)
    seconds = minutes * 60
    every = min(EVERY, max(1, seconds / (60 if burst else 12)))
    options = {"warmup": 1, "seconds": seconds, "interval": every, "count": int(cell.rate * (seconds + 10))}
    if burst:
        rate, long = burst
        options |= {"burst": rate, "burst-from": seconds / 4, "burst-seconds": long}
        options["count"] += int(rate * long)
    held = {"cell": str(cell), "durability": yard.durability, "minutes": minutes, "burst": burst,
            "machine": report.machine(), "samples": []}
    samples = held["samples"]
    with prepared(yard, generator, "courant", cell, options) as (command, run):
        environment = {**os.environ, "RUST_LOG": "warn"}
        log, stolen = Log(run / "courant.db"), Stolen()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        with process:
            for line in process.stdout:
                said = json.loads(line)
                if "at_s" not in said:
                    held["report"] = said
                    continue
                said["db_bytes"] = size(run / "courant.db")
                said["wal_bytes"] = size(run / "courant.db-wal")
                said["disclosures_bytes"] = log.look()
                said["stolen"] = stolen.look()
                samples.append(said)
                write(directory / f"{name}.json", held)
                print(f"  {said['at_s']:7.0f} s  p50 {said['p50_ms']} ms  p99 {said['p99_ms']} ms  "
                      f"{said['rss_kib'] / 1024:.1f} MiB  database {said['db_bytes'] / 1e6:.1f} MB, "
                      f"log {said['wal_bytes'] / 1e6:.1f} MB  {said['publishes']} done, {said['undelivered']} wait",
                      flush=True)
            errors = process.stderr.read()
        held["tables"] = tables(run / "courant.db")
        in_pages(samples, held["tables"], log)
    held["course"] = course(samples)
    write(directory / f"{name}.json", held)
    if samples:
        (directory / f"{name}.svg").write_text(plot(cell, burst, samples))
    if process.returncode or not held.get("report", {}).get("ok"):
        raise Wrong(errors.strip())
    return held["course"]


def write(path, held):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(held, indent=1) + "\n")
    part.replace(path)


def tables(path):
    """Bytes of the file by table and index at the end, the largest first; none where sqlite3 cannot say."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        try:
            rows = db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12").fetchall()
            free = db.execute("PRAGMA freelist_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
        except sqlite3.OperationalError:
            return None
    return {**dict(rows), "free": free}


def in_pages(samples, tables, log):
    """Makes of what the log holds what its pages take of the file, by what they took at the end."""
    pages = (tables or {}).get("disclosure_block")
    factor = pages / log.look() if pages else 1.1
    for row in samples:
        row["disclosures_bytes"] = round(row["disclosures_bytes"] * factor)
        row["rest_bytes"] = row["db_bytes"] - row["disclosures_bytes"]


def plot(cell, burst, samples):
    title = f"Courant at {cell}"
    if burst:
        title += f", and {burst[0]}/s for {burst[1]:g} s"
    panels = [
        ("latency, ms", {"p50": ("p50_ms", 1), "p99": ("p99_ms", 1)}),
        ("resident memory, MiB", {"memory": ("rss_kib", 1 / 1024)}),
        ("files, MB", {"database": ("db_bytes", 1e-6), "without the disclosure log": ("rest_bytes", 1e-6),
                       "write-ahead log": ("wal_bytes", 1e-6)}),
        ("publishes that wait", {"for delivery": ("undelivered", 1), "for the answer": ("unanswered", 1)}),
        ("taken by others on this host, % of the machine", {"stolen": ("stolen", 100)}),
    ]
    drawn = []
    for label, curves in panels:
        curves = {name: [None if row.get(key) is None else row[key] * by for row in samples]
                  for name, (key, by) in curves.items()}
        if any(value is not None for curve in curves.values() for value in curve):
            drawn.append((label, curves))
    return svg.lines(title, drawn, [row["at_s"] for row in samples])


def course(samples):
    """Each measure in the second and in the last quarter of the time: flat, or not."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter:2 * quarter] or samples, samples[-quarter:]

    def median(name, part):
        return statistics.median([row[name] for row in part if row[name] is not None] or [0])

    names = ("p50_ms", "p99_ms", "rss_kib", "db_bytes", "rest_bytes", "wal_bytes")
    return {name: [median(name, part) for part in (early, late)] for name in names}
