"""A store of Courant with any number of series and consents, in seconds.

One series and one consent are recorded by Courant's own command line; the others are made from these rows
inside the database, so that columns added to the tables later are filled as Courant fills them. The ids
follow the rule of benches/load/src/pack.rs, so that the generator knows which consent to expect.
"""

import sqlite3
import subprocess

PUBLISHER = "meter@pub.localhost"
DOMAIN = "energy.localhost"
SECRET = "bench"

CONFIG = """
[component]
jid = "{domain}"
server = "127.0.0.1:{port}"
secret = "{secret}"
server_domain = "localhost"

[access]
admins = ["admin@localhost"]

[store]
url = "sqlite:{database}"

[delivery]
durability = "{durability}"

[limits]
# The limit is on, and out of the way: one sender stands for all meters here.
publishes_per_second = 10000000
"""

SERIES = "'urn:dev:prm:' || (30001000000000 + s) || '_consumption/power/active/raw'"
OWNER = "'owner-' || s || '@home.localhost'"
RECIPIENT = "'r' || r || '@sub.localhost'"
PAIR = "(s * :recipients + r)"
CONSENT_ID = f"printf('01934000-0000-7000-8000-%012x', {PAIR})"

# Table by table, in the order in which they refer to each other: the columns that differ from row to row.
ROWS = {
    "series": {"key": "s + 1", "name": SERIES},
    "tenure": {"series": "s + 1", "holder": OWNER},
    "consent": {
        "key": f"{PAIR} + 1", "id": CONSENT_ID, "arrangement": CONSENT_ID, "subject": OWNER,
        "recipient": RECIPIENT, "scope": f"json_array({SERIES})",
    },
    "consent_event": {"key": f"{PAIR} + 1", "consent": f"{PAIR} + 1"},
    "subscription": {"key": f"{PAIR} + 1", "jid": RECIPIENT, "node": SERIES},
}


def configure(directory, port, durability, database="courant.db"):
    path = directory / "courant.toml"
    path.write_text(CONFIG.format(
        domain=DOMAIN, port=port, secret=SECRET, database=directory / database, durability=durability,
    ))
    return path


def make(courant, directory, series, recipients):
    """A database in `directory`, with its series and `series * recipients` consents."""
    directory.mkdir(parents=True)
    config = configure(directory, 1, "off")
    first = "urn:dev:prm:30001000000000_consumption/power/active/raw"

    def say(*arguments):
        subprocess.run([courant, "--config", config, *arguments], check=True, stdout=subprocess.DEVNULL)

    say("series", "add", first, "--owner", "owner-0@home.localhost", "--producer", PUBLISHER)
    say("consent", "add", "--subject", "owner-0@home.localhost", "--recipient", "r0@sub.localhost",
        "--scope", first, "--purpose", "energy advice")
    path = directory / "courant.db"
    multiply(path, series, recipients)
    return path


def multiply(path, series, recipients):
    numbers = {"series": series, "recipients": recipients}
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN IMMEDIATE")
    # An older build that is compared with has not all of them.
    known = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows = {table: differing for table, differing in ROWS.items() if table in known}
    # What is append-only for everybody else is made anew here; the log knows only the first consent of all.
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for table in rows:
        db.execute(f"CREATE TEMP TABLE model_{table} AS SELECT * FROM main.{table}")
        found = db.execute(f"SELECT count(*) FROM model_{table}").fetchone()[0]
        if found != 1:
            raise RuntimeError(f"{found} rows in {table} where 1 was expected")
    for table in reversed(rows):
        db.execute(f"DELETE FROM main.{table}")
    for table, differing in rows.items():
        columns = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
        values = [differing.get(column, f"model.{column}") for column in columns]
        pairs = "one_series" if table in ("series", "tenure") else "one_series, one_recipient"
        db.execute(
            f"""
            WITH RECURSIVE
                one_series (s) AS (SELECT 0 UNION ALL SELECT s + 1 FROM one_series WHERE s + 1 < :series),
                one_recipient (r) AS
                    (SELECT 0 UNION ALL SELECT r + 1 FROM one_recipient WHERE r + 1 < :recipients)
            INSERT INTO main.{table} ({', '.join(columns)})
            SELECT {', '.join(values)} FROM {pairs} CROSS JOIN model_{table} AS model
            """,
            numbers,
        )
        if "key" in columns:
            db.execute(f"UPDATE counter SET value = (SELECT max(key) FROM main.{table}) WHERE name = ?", (table,))
    for _, sql in triggers:
        db.execute(sql)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
