#!/usr/bin/env python3
"""A flame graph of Courant under load: where its CPU time goes, by the calls that led there.

    benches/flame.py --cell 48x10 --out docs/benchmarks/flame-48x10.svg

Needs Linux's perf and the right to sample (kernel.perf_event_paranoid at most 1, or root), and a release build
that says which function is where: CARGO_PROFILE_RELEASE_DEBUG=line-tables-only cargo build --release. Width is
the share of samples, height is calls; hovering says how many. One frame takes in what is narrower than a pixel.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from xml.sax.saxutils import escape

from harness import build, cells, measure, peers

WIDTH, FRAME, SIZE = 1200, 17, 11
COLOURS = {"courant": "#e8a05c", "sqlite": "#8fb8d6", "kernel": "#c9c9c9", "other": "#efd58a"}


def kind(name):
    if name.startswith("[k] "):
        return "kernel"
    if "courant::" in name:
        return "courant"
    return "sqlite" if re.match(r"sqlite3|pager|btree|wal|vdbe|pcache|sqlx", name, re.IGNORECASE) else "other"


def plain(symbol):
    """A name without hashes, arguments of types, and what every future is wrapped in."""
    symbol = re.sub(r"\+0x[0-9a-f]+$|::h[0-9a-f]{16}", "", symbol)
    while True:
        shorter = re.sub(r"<[^<>]*>", "", symbol)
        if shorter == symbol:
            return symbol.replace("::{{closure}}", "").strip(":&") or "?"
        symbol = shorter


def stacks(script):
    """(thread and frames from the outermost on) -> samples, of the output of `perf script`."""
    held, thread, frames = collections.Counter(), None, []
    for line in [*script.splitlines(), ""]:
        if not line.strip():
            if thread:
                held[(thread, *reversed(frames))] += 1
            thread, frames = None, []
        elif not line[0].isspace():
            thread = line.split()[0]
        else:
            symbol, _, module = line.strip().partition(" ")[2].rpartition(" (")
            name = plain(symbol)
            name = f"[k] {name}" if "kernel" in module else name
            if name != "?" and (not frames or frames[-1] != name):
                frames.append(name)
    return held


def tree(held):
    root = {"samples": 0, "below": {}}
    for frames, samples in held.items():
        node = root
        node["samples"] += samples
        for frame in frames:
            node = node["below"].setdefault(frame, {"samples": 0, "below": {}})
            node["samples"] += samples
    return root


def draw(title, root):
    parts, total = [], root["samples"]

    def depth(node):
        wide = [depth(below) for below in node["below"].values() if below["samples"] / total * WIDTH >= 1]
        return 1 + max(wide, default=0)

    height = depth(root) * FRAME + 34

    def frame(name, node, x, level):
        width = node["samples"] / total * WIDTH
        if width < 1:
            return
        y = height - (level + 1) * FRAME
        share = f"{name}: {node['samples'] / total:.1%} of {total} samples"
        fits = max(0, int(width / 6.2))
        label = name if len(name) <= fits else name[-fits:] if fits >= 4 else ""
        parts.append(
            f"<g><title>{escape(share)}</title><rect x='{x:.1f}' y='{y}' width='{width:.1f}' "
            f"height='{FRAME - 1}' fill='{COLOURS[kind(name)]}'/>"
            f"<text x='{x + 3:.1f}' y='{y + 12}' font-size='{SIZE}' font-family='monospace'>{escape(label)}</text></g>")
        for below, its in sorted(node["below"].items()):
            frame(below, its, x, level + 1)
            x += its["samples"] / total * WIDTH

    frame("all", root, 0, 0)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n"
        f"<text x='8' y='18' font-size='13' font-weight='bold' font-family='sans-serif'>{escape(title)}</text>\n"
        + "\n".join(parts) + "\n</svg>\n")


def component(courant, directory):
    """The process number of Courant, once it is there."""
    for _ in range(600):
        found = subprocess.run(["pgrep", "-f", f"^{courant} --config {directory}/.*courant.toml run$"],
                               capture_output=True, text=True).stdout.split()
        if found:
            return found[0]
        time.sleep(0.1)
    raise RuntimeError("Courant was not started")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", type=cells.Cell.parse, default=cells.Cell(48, 10), metavar="PxR[xS][@RATE]")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--no-build", action="store_true", help="use the programs that were built before")
    parser.add_argument("--out", type=pathlib.Path)
    asked = parser.parse_args()
    build.BUILDS = not asked.no_build
    out = asked.out or build.TARGET / "bench" / f"flame-{asked.cell.records}x{asked.cell.recipients}.svg"
    courant, generator = build.courant(), build.generator()
    with tempfile.TemporaryDirectory(dir=build.TARGET, prefix="bench-run-") as directory:
        yard = peers.Yard(directory, {"courant": courant}, "full")
        yard.courant_store(asked.cell)
        options = {"warmup": 1, "seconds": asked.seconds + 4}
        load = threading.Thread(target=measure.measure, args=(yard, generator, "courant", asked.cell, options))
        load.start()
        samples = pathlib.Path(directory) / "perf.data"
        pid = component(courant, directory)
        time.sleep(3)
        subprocess.run(["perf", "record", "-q", "-F", "499", "--call-graph", "dwarf,16384", "-o", samples, "-p", pid,
                        "--", "sleep", str(asked.seconds)], check=True, stderr=subprocess.DEVNULL)
        load.join()
        script = subprocess.run(["perf", "script", "--no-inline", "-F", "comm,ip,sym,dso", "-i", samples],
                                capture_output=True, text=True, errors="replace", check=True).stdout
    held = stacks(script)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draw(f"Courant at {asked.cell}: CPU by the calls that led there", tree(held)))
    print(f"{sum(held.values())} samples: {out}")


if __name__ == "__main__":
    sys.exit(main())
