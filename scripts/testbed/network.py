"""Loopback addresses of our own, so that runs, and servers that were here before, never clash."""

import random
import socket
from pathlib import Path

C2S_PORT = 5222
S2S_PORT = 5269
COMPONENT_PORT = 5347
PORTS = (C2S_PORT, S2S_PORT, COMPONENT_PORT)


def free_pair() -> tuple[str, str]:
    """Two loopback addresses on which all XMPP ports are free.

    All of 127.0.0.0/8 is the machine itself, and any address in it binds without set-up.
    Server-to-server traffic must use port 5269, so the addresses are what varies.
    """
    for _ in range(100):
        net = f"127.{random.randint(16, 254)}.{random.randint(0, 255)}"
        pair = (f"{net}.2", f"{net}.3")
        if all(_binds(address, port) for address in pair for port in PORTS):
            return pair
    raise RuntimeError(
        "no free loopback addresses found in 100 tries (is 127.0.0.0/8 usable here?)"
    )


def _binds(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def accepts(address: str, port: int) -> bool:
    """Whether something listens there now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def write_hosts(path: Path, names: dict[str, list[str]]) -> None:
    """A hosts file: address -> names. `.test` is reserved (RFC 6761), so nothing else has these."""
    path.write_text("".join(f"{address} {' '.join(hosts)}\n" for address, hosts in names.items()))
