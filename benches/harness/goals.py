"""What was promised beside the ratios of each cell, and what was measured."""

from .cells import Cell

SMALL, LARGE, MANY = Cell(1, 1), Cell(1, 1, 100_000), Cell(48, 10, 100_000)
ONE, TEN, OPEN = Cell(48, 1), Cell(48, 10), Cell(48, 10, rate=200)


def rows(results):
    """(what, measured, goal, whether it is reached) of all that was measured."""
    def of(cell, name, peer="courant"):
        return results.of(cell, peer, name) if cell in results.cells else None

    def cpu(cell):
        return of(cell, "cpu_us_per_publish")

    def memory(cell):
        peak = of(cell, "rss_peak_kib")
        return peak and peak / 1024

    def quotient(above, below):
        return above / below if above and below else None

    ten, one = cpu(TEN), cpu(ONE)
    seen = [
        ("CPU of each further recipient at 48 records, us", (ten - one) / 9 if ten and one else None, 2),
        ("CPU at 1 x 1: 100 000 series against 1000, times", quotient(cpu(LARGE), cpu(SMALL)), 1.25),
        ("CPU at 48 x 10: a million consents in 100 000 series against 10 000 in 1000, times",
         quotient(cpu(MANY), cpu(TEN)), 1.25),
        ("peak memory with 1000 series and consents, MiB", memory(SMALL), 16),
        ("the same with 10 000 consents, 48 records, ten recipients, MiB", memory(TEN), 16),
        ("peak memory with 100 000 series and consents, MiB", memory(LARGE), 64),
        ("peak memory with a million consents, MiB", memory(MANY), 300),
        ("p50 from publish to last message at 48 x 10, 200/s, ms", of(OPEN, "p50_ms"), 1),
        ("the same, against raw, times", quotient(of(OPEN, "p50_ms"), of(OPEN, "p50_ms", "raw")), 1),
    ]
    for cell, through in results.prosody.items():
        if through:
            share = through["courant_us"] / through["prosody_us"]
            seen.append((f"CPU beside Prosody's own, {cell}, times", share, 1 / 6))
    return [(what, value, goal, value <= goal) for what, value, goal in seen if value is not None]
