"""What is measured: how many records, recipients, series, and how the load comes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cell:
    records: int
    recipients: int
    series: int = 1000
    rate: int = 0  # publishes per second; 0: closed loop

    def __str__(self):
        text = f"{self.records} x {self.recipients}"
        if self.series != 1000:
            text += f", {self.series} series"
        return text + (f", {self.rate}/s" if self.rate else "")

    @classmethod
    def parse(cls, text):
        """RECORDSxRECIPIENTS[xSERIES][@RATE]"""
        shape, _, rate = text.partition("@")
        return cls(*map(int, shape.split("x")), rate=int(rate or 0))


# The cells that the project has promised ratios for: CPU per publish, at most one N-th of the peer's.
GOALS = {
    Cell(1, 1): {"raw": 4, "idiomatic": 10, "tokio": 2.4},
    Cell(48, 1): {"raw": 8, "idiomatic": 11, "tokio": 9},
    Cell(48, 10): {"raw": 8, "idiomatic": 40, "tokio": 17},
    Cell(336, 1): {"raw": 13, "idiomatic": 18, "tokio": 18},
}

OPEN = [Cell(48, 1, rate=200), Cell(48, 10, rate=200)]

QUICK = [*GOALS, OPEN[1]]

# Behind a real server.
PROSODY = [Cell(1, 1), Cell(48, 1), Cell(48, 10)]

FULL = [
    *(Cell(records, recipients) for recipients in (1, 10) for records in (1, 10, 48, 336)),
    *(Cell(records, 100) for records in (1, 48)),
    *(Cell(records, recipients, series)
      for series in (1, 100_000) for records, recipients in ((1, 1), (48, 1), (48, 10))),
    *OPEN,
]

SMOKE = [Cell(1, 1, 1), Cell(48, 10, 20), Cell(336, 3, 7), Cell(10, 2, 50, rate=300)]


def groups(chosen):
    """The cells, those of as many records together, as they are compared with each other: how costs grow with series
    and recipients."""
    together = {}
    for cell in chosen:
        together.setdefault((cell.records, cell.rate), []).append(cell)
    return list(together.values())
