"""Two builds of Courant under the same load, in turn: how much more one takes than the other.

A machine with neighbours drifts by tens of percent within minutes, so only what is measured side by side is
compared: one ratio from each round, the builds taking turns at going first. The interval needs no assumption about
how the ratios are distributed: it lies between two of them, chosen by the binomial distribution.
"""

import json
import math
import statistics

from . import measure, peers

FIGURE = "cpu_us_per_publish"


def compare(old, new, generator, cell, rounds, seconds):
    """The ratios new : old, one from each round. `old` and `new` are yards, each with its own binary."""
    ratios = []
    for number in range(rounds):
        seen = {}
        order = [("old", old), ("new", new)]
        for name, yard in order if number % 2 == 0 else reversed(order):
            report = measure.measure(yard, generator, "courant", cell, {"warmup": 1, "seconds": seconds})
            seen[name] = report[FIGURE]
        ratios.append(seen["new"] / seen["old"])
        print(f"{cell}, round {number + 1}: {seen['old']:.1f} and {seen['new']:.1f} us, "
              f"ratio {ratios[-1]:.3f}", flush=True)
    return ratios


def interval(ratios, level=0.95):
    """Between which two of the ratios their median lies, with at least this probability."""
    ordered, count = sorted(ratios), len(ratios)
    below = 0.0
    for rank in range(count // 2):
        below += math.comb(count, rank) / 2**count
        if 2 * below > 1 - level:
            return ordered[max(rank - 1, 0)], ordered[count - 1 - max(rank - 1, 0)]
    return ordered[0], ordered[-1]


def run(directory, old_binary, new_binary, generator, cells, rounds, seconds, durability, out):
    """Compares all cells; what came out is printed and left in paired.json."""
    found = {}
    for cell in cells:
        yards = []
        for name, binary in (("old", old_binary), ("new", new_binary)):
            place = directory / name
            place.mkdir(exist_ok=True)
            yards.append(peers.Yard(place, {"courant": binary}, durability))
        ratios = compare(*yards, generator, cell, rounds, seconds)
        low, high = interval(ratios)
        found[str(cell)] = {"median": statistics.median(ratios), "low": low, "high": high, "ratios": ratios}
        for yard in yards:
            yard.forget(cell)
    out.mkdir(parents=True, exist_ok=True)
    (out / "paired.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n| records x recipients | new : old, median | 95 % interval |\n| --- | --- | --- |")
    for cell, seen in found.items():
        print(f"| {cell} | {seen['median']:.3f} | {seen['low']:.3f} to {seen['high']:.3f} |")
