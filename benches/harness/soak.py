"""A long run of Courant at a fixed rate: memory, latency and the database file over time."""

import csv
import json
import statistics
import subprocess

from . import svg
from .measure import Wrong, prepared

COLUMNS = ["at_s", "publishes", "p50_ms", "p99_ms", "p999_ms", "max_ms", "rss_kib", "cpu_s",
           "db_bytes", "wal_bytes"]


def size(path):
    return path.stat().st_size if path.exists() else 0


def soak(yard, generator, cell, seconds, directory):
    directory.mkdir(parents=True, exist_ok=True)
    every = max(1, seconds // 360)
    options = {"warmup": 1, "seconds": seconds, "interval": every, "count": cell.rate * (seconds + 10)}
    rows = []
    with prepared(yard, generator, "courant", cell, options) as (command, run):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process, open(directory / "soak.csv", "w", newline="") as file:
            out = csv.DictWriter(file, COLUMNS)
            out.writeheader()
            for line in process.stdout:
                said = json.loads(line)
                if "at_s" not in said:
                    report = said
                    continue
                said["db_bytes"] = size(run / "courant.db")
                said["wal_bytes"] = size(run / "courant.db-wal")
                rows.append(said)
                out.writerow(said)
                file.flush()
                print(f"  {said['at_s']:7.0f} s  p50 {said['p50_ms']} ms  p99 {said['p99_ms']} ms  "
                      f"{said['rss_kib'] / 1024:.1f} MiB  database {said['db_bytes'] / 1e6:.1f} MB", flush=True)
            errors = process.stderr.read()
    if process.returncode or not report["ok"]:
        raise Wrong(errors.strip())
    (directory / "soak.svg").write_text(plot(cell, rows))
    (directory / "soak.json").write_text(json.dumps({"report": report, "course": course(rows)}, indent=1))
    return course(rows)


def plot(cell, rows):
    def curve(name, by=1.0):
        return [None if row[name] is None else row[name] * by for row in rows]

    return svg.lines(f"Courant at {cell}", [
        ("latency, ms", {"p50": curve("p50_ms"), "p99": curve("p99_ms")}),
        ("resident memory, MiB", {"memory": curve("rss_kib", 1 / 1024)}),
        ("files, MB", {"database": curve("db_bytes", 1e-6), "log": curve("wal_bytes", 1e-6)}),
    ], [row["at_s"] for row in rows])


def course(rows):
    """Each measure in the second and in the last quarter of the time: flat, or not."""
    quarter = max(1, len(rows) // 4)
    early, late = rows[quarter:2 * quarter] or rows, rows[-quarter:]
    return {
        name: [statistics.median(row[name] for row in part if row[name] is not None) for part in (early, late)]
        for name in ("p50_ms", "p99_ms", "rss_kib", "db_bytes")
    }
