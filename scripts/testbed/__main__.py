"""Both servers by hand, from scripts/: `/usr/bin/python3 -m testbed up DIR`, then `down DIR`."""

import asyncio
import sys
from pathlib import Path

from .bed import Testbed


async def up(directory: Path) -> None:
    """Starts both servers and leaves them running."""
    async with Testbed(directory, outlive=True) as bed:
        for server in bed.servers:
            print(
                f"{server.software}: {server.domain} at {server.address}:5222, component "
                f"{server.component} at {server.address}:5347, secret {server.secret}"
            )


def down(directory: Path) -> None:
    """Stops what runs in that directory."""
    stopped = Testbed.stop_in(directory)
    print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def main() -> int:
    """Reads the command line."""
    match sys.argv[1:]:
        case ["up", directory]:
            asyncio.run(up(Path(directory)))
        case ["down", directory]:
            down(Path(directory))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


sys.exit(main())
