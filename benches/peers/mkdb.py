#!/usr/bin/env python3
"""Makes the consent database of the Python peer: mkdb.py FILE SERIES RECIPIENTS

Each series has so many subscribers, and each of them a consent for all time. Two tables with the primary
keys that an author would choose; every question the peer asks is answered from an index.
"""

import pathlib
import sqlite3
import sys

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE subscription (
    series    TEXT NOT NULL,
    recipient TEXT NOT NULL,
    PRIMARY KEY (series, recipient)
) WITHOUT ROWID;
CREATE TABLE consent (
    series     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    PRIMARY KEY (series, recipient)
) WITHOUT ROWID;
"""


def series(place):
    return f"urn:dev:prm:{30001000000000 + place}_consumption/power/active/raw"


def make(path, series_count, recipients):
    pathlib.Path(path).unlink(missing_ok=True)
    pairs = [
        (series(s), f"r{r}@sub.localhost") for s in range(series_count) for r in range(recipients)
    ]
    db = sqlite3.connect(path)
    db.executescript(SCHEMA)
    with db:
        db.executemany("INSERT INTO subscription VALUES (?, ?)", pairs)
        db.executemany("INSERT INTO consent VALUES (?, ?, 0, 99999999999)", pairs)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
