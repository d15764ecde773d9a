#!/usr/bin/env python3
"""Measures Courant beside the components it is compared with, all under the same load in the same run.

    benches/run.py              the full matrix (make bench)
    benches/run.py --quick      the cells with goals, one short round (make bench-quick)
    benches/run.py --smoke      is every message right? seconds, no figures (part of make test)
    benches/run.py --overload   what is delivered at 0.5, 1, 2, 5 and 10 times what is possible (--cell, --rounds, --seconds)
    benches/run.py --soak 60    an hour at a fixed rate: memory, files, latencies over time
    benches/run.py --against OLD/courant --cell 1x1 --cell 48x10
                                this build and an older one in turn: ratios, with their 95 % interval

The generator runs on core 0, the component on core 1. Exits 1 when a message is missing, wrong or extra.
docs/BENCHMARKS.md explains the figures.
"""

import argparse
import pathlib
import sys
import tempfile

from harness import build, cells, measure, overload, paired, peers, report, soak, through_prosody


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--soak", type=float, metavar="MINUTES",
                        help="a long run at --rate; leaves soak.json and soak.svg, with --burst burst.json and burst.svg")
    parser.add_argument("--overload", action="store_true",
                        help="leaves overload.json and overload.md; exits 1 below 80 %% of what is possible")
    parser.add_argument("--against", type=pathlib.Path, metavar="BINARY",
                        help="compare with this older build, in --rounds (30) of --seconds (3); leaves paired.json")
    parser.add_argument("--cell", action="append", type=cells.Cell.parse, metavar="PxR[xS][@RATE]",
                        help="records x recipients [x series] [@publishes/s]; may be repeated")
    parser.add_argument("--peers", nargs="+", choices=peers.PEERS, metavar="PEER", help=", ".join(peers.PEERS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--no-prosody", action="store_true", help="without the runs behind a real Prosody")
    parser.add_argument("--seconds", type=float, help="measured in each round, after a second of warming up")
    parser.add_argument("--durability", choices=["full", "normal", "off"], default="full")
    parser.add_argument("--rate", type=int, default=200, help="publishes per second of --soak (200)")
    parser.add_argument("--burst", type=int, metavar="RATE",
                        help="so many publishes per second for a while, from a quarter of --soak on")
    parser.add_argument("--burst-seconds", type=float, default=10, help="how long a --burst is (10)")
    parser.add_argument("--no-build", action="store_true", help="use the programs that were built before")
    parser.add_argument("--out", type=pathlib.Path, help="directory of the report (target/bench)")
    return parser.parse_args()


def main():
    asked = arguments()
    build.BUILDS = not asked.no_build
    out = asked.out or build.TARGET / "bench"
    only_ours = asked.smoke or asked.soak or asked.overload or asked.against
    wanted = asked.peers or (["courant"] if only_ours else peers.PEERS)
    slixmpp = peers.slixmpp_version()
    if not slixmpp:
        without = [peer for peer in wanted if peer in ("raw", "idiomatic")]
        if without:
            print(f"slixmpp is not installed for {peers.PYTHON}: without {', '.join(without)}")
        wanted = [peer for peer in wanted if peer not in without]
    elif asked.smoke and not asked.peers:
        wanted = ["courant", "raw"]  # a generator that finds fault with both would be wrong itself
    binaries = {
        "courant": build.courant("debug" if asked.smoke else "release"),
        "tokio": build.tokio_peer() if "tokio" in wanted else None,
    }
    generator = build.generator()
    # On the same disk as the target directory: /tmp is memory on many machines, and a commit free there.
    build.TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build.TARGET, prefix="bench-run-") as directory:
        yard = peers.Yard(directory, binaries, asked.durability)
        if asked.smoke:
            smoke(yard, generator, wanted)
        elif asked.against:
            paired.run(pathlib.Path(directory), asked.against.resolve(), binaries["courant"], generator,
                       asked.cell or [cells.Cell(1, 1), cells.Cell(48, 10)], asked.rounds or 30,
                       asked.seconds or 3, asked.durability, out)
        elif asked.overload:
            cell = (asked.cell or [cells.Cell(48, 10)])[0]
            print(f"overload of {cell}", flush=True)
            if not overload.overload(yard, generator, cell, asked.rounds or 3, asked.seconds or 15, out):
                sys.exit("less than 80 % of what is possible is delivered")
        elif asked.soak:
            cell = (asked.cell or [cells.Cell(48, 10)])[0]
            cell = cells.Cell(cell.records, cell.recipients, cell.series, asked.rate)
            burst = (asked.burst, asked.burst_seconds) if asked.burst else None
            print(f"{asked.soak:g} minutes of {cell}", flush=True)
            for name, (early, late) in soak.soak(yard, generator, cell, asked.soak, burst, out).items():
                print(f"{name}: {early:g} in the second quarter, {late:g} in the last")
        else:
            matrix(yard, generator, wanted, asked, out, slixmpp)


def smoke(yard, generator, wanted):
    options = {"warmup": 0, "seconds": 1, "count": 2000, "sample-every": 1}
    for cell in cells.SMOKE:
        for peer in wanted:
            seen = measure.measure(yard, generator, peer, cell, options)
            print(f"{peer}, {cell}: {seen['sent']} publishes, {seen['sent'] * cell.recipients} messages, "
                  f"all right; {seen['looked_at']} of them read record by record")
        yard.forget(cell)


def matrix(yard, generator, wanted, asked, out, slixmpp):
    chosen = asked.cell or (cells.QUICK if asked.quick else cells.FULL)
    rounds = asked.rounds or (1 if asked.quick else 3)
    seconds = asked.seconds or (2 if asked.quick else 4)
    settings = {"peers": wanted, "rounds": rounds, "seconds": seconds, "durability": asked.durability,
                "slixmpp": slixmpp, "machine": report.machine()}
    results = report.Results(settings)
    for group in cells.groups(chosen):
        reports = {cell: {peer: [] for peer in wanted} for cell in group}
        # Rounds in the outer loop: what disturbs the machine disturbs all of them.
        for _ in range(rounds):
            for cell in group:
                for peer in wanted:
                    seen = measure.measure(yard, generator, peer, cell, {"warmup": 1, "seconds": seconds})
                    reports[cell][peer].append(seen)
                    print(f"{cell}: {peer} {seen['cpu_us_per_publish'] or 0:.1f} us a publish, "
                          f"{seen['publishes_per_s']:.0f}/s, p50 {seen['p50_ms']} ms", flush=True)
        for cell in group:
            results.cells[cell] = {peer: report.median_of(seen) for peer, seen in reports[cell].items()}
            yard.forget(cell)
        results.write(out)  # what is known by now, should it be interrupted
    if not asked.no_prosody and not asked.cell:
        for cell in cells.PROSODY:
            results.prosody[cell] = seen = through_prosody.measure(yard, cell, max(seconds, 4))
            print(f"{cell}, through Prosody: {seen or 'it is not installed'}", flush=True)
            yard.forget(cell)
        results.write(out)
    print(f"\n{results.markdown()}\nThe report is in {out}")


if __name__ == "__main__":
    try:
        main()
    except measure.Wrong as wrong:
        sys.exit(f"WRONG: {wrong}")
