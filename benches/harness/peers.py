"""How each component is prepared and started.

courant    the service, release build, durability as asked
normal     the same with durability `normal`
raw        slixmpp, ElementTree, consent from sqlite3; event serialised once (benches/peers)
idiomatic  the same, one Message stanza for each recipient
tokio      a plain tokio-xmpp Component, no consent
"""

import os
import pathlib
import shutil
import subprocess
import sys

from . import build, seed

PEERS = ["courant", "normal", "raw", "idiomatic", "tokio"]
OURS = ("courant", "normal")
PYTHON = os.environ.get("BENCH_PYTHON") or sys.executable
SCRIPTS = build.ROOT / "benches" / "peers"


def slixmpp_version():
    """None where slixmpp is not installed."""
    question = "import slixmpp; print(slixmpp.__version__)"
    asked = subprocess.run([PYTHON, "-c", question], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else None


class Yard:
    """Where the databases are made: once for each size, copied for each run."""

    def __init__(self, directory, binaries, durability):
        self.directory = pathlib.Path(directory)
        self.binaries = binaries
        self.durability = durability

    def command(self, peer, cell, run, port):
        """What starts the peer; its files are in the directory `run`."""
        jid, secret, address = seed.DOMAIN, seed.SECRET, f"127.0.0.1:{port}"
        if peer in OURS:
            config = seed.configure(run, port, self.durability if peer == "courant" else peer)
            copy(self.courant_store(cell), run / "courant.db")
            return [self.binaries["courant"], "--config", config, "run"]
        if peer == "tokio":
            return [self.binaries["tokio"], address, jid, secret, str(cell.recipients)]
        copy(self.python_store(cell), run / "peer.db")
        script = SCRIPTS / "slixmpp_component.py"
        return [PYTHON, script, "127.0.0.1", str(port), jid, secret, run / "peer.db", peer]

    def courant_store(self, cell):
        directory = self.directory / f"courant-{cell.series}x{cell.recipients}"
        if not directory.exists():
            seed.make(self.binaries["courant"], directory, cell.series, cell.recipients)
        return directory / "courant.db"

    def python_store(self, cell):
        path = self.directory / f"python-{cell.series}x{cell.recipients}.db"
        if not path.exists():
            make = [PYTHON, SCRIPTS / "mkdb.py", path, str(cell.series), str(cell.recipients)]
            subprocess.run(make, check=True)
        return path

    def forget(self, cell):
        """The databases of this size are not needed any more."""
        shutil.rmtree(self.directory / f"courant-{cell.series}x{cell.recipients}", ignore_errors=True)
        (self.directory / f"python-{cell.series}x{cell.recipients}.db").unlink(missing_ok=True)


def copy(source, target):
    shutil.copyfile(source, target)
    # Not while something is measured.
    with open(target, "rb+") as file:
        os.fsync(file.fileno())
