"""The programs it takes: Courant, the load generator, the tokio-xmpp peer."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
TOOLS = TARGET / "bench-tools"


BUILDS = True  # or use what is there (--no-build)


def cargo(*arguments):
    if not BUILDS:
        return
    subprocess.run(["cargo", "build", "--locked", "--quiet", *arguments], cwd=ROOT, check=True)


def tool(manifest, name):
    cargo("--release", "--manifest-path", str(ROOT / manifest), "--target-dir", str(TOOLS))
    return TOOLS / "release" / name


def generator():
    return tool("benches/load/Cargo.toml", "courant-load")


def tokio_peer():
    return tool("benches/peers/tokio/Cargo.toml", "tokio-component")


def courant(profile="release"):
    """COURANT_BIN if it is set, else built here."""
    given = os.environ.get("COURANT_BIN")
    if given:
        return pathlib.Path(given).resolve()
    cargo(*(["--release"] if profile == "release" else []))
    return TARGET / profile / "courant"
