"""Both servers in one directory, and nothing left behind."""

import asyncio
import atexit
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from . import certificates, network
from .courant import Courant
from .ejabberd import Ejabberd
from .processes import stop_left_running
from .prosody import Prosody
from .servers import Server


class Testbed:
    """Two federated servers; use as `async with Testbed() as bed`.

    Without a directory it makes a temporary one and removes it at the end, unless `keep_files`
    is set meanwhile (a failed run keeps its logs). With `outlive` the programs go on running
    after this process; `Testbed.stop_in(directory)` ends them.
    """

    def __init__(self, directory: Path | None = None, outlive: bool = False) -> None:
        """Chooses addresses and writes nothing yet."""
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="courant-testbed-"))
        self.directory = self.directory.absolute()
        self.keep_files = not self._temporary
        self.outlive = outlive
        first, second = network.free_pair()
        self.prosody = Prosody(self.directory, first, outlive)
        self.ejabberd = Ejabberd(self.directory, second, outlive)
        self.servers: list[Server] = [self.prosody, self.ejabberd]
        self.components: list[Courant] = []
        # For the ends that run no `finally`.
        atexit.register(self.kill_all)

    def write(self) -> None:
        """Writes names, certificates and configurations."""
        (self.directory / "logs").mkdir(parents=True, exist_ok=True)
        network.write_hosts(
            self.directory / "hosts",
            {server.address: [server.domain, server.component] for server in self.servers},
        )
        certificates.make(self.directory / "certs", [server.domain for server in self.servers])
        for server in (self.prosody, self.ejabberd):
            server.write()

    async def start(self) -> None:
        """Starts both servers and waits until they serve."""
        for server in self.servers:
            server.start()
        await asyncio.gather(*(server.ready() for server in self.servers))

    def courant(self, server: Server, name: str = "") -> Courant:
        """The component for that server's component domain, not started yet."""
        component = Courant(server, name or f"courant-{server.name}", outlive=self.outlive)
        self.components.append(component)
        return component

    async def stop(self) -> None:
        """Stops components first, then the servers, each in order."""
        await asyncio.gather(*(component.stop() for component in self.components))
        await asyncio.gather(*(server.stop() for server in self.servers))

    def kill_all(self) -> None:
        """Ends whatever still runs, at once. Does nothing for a bed that was let go."""
        if not self.outlive:
            for component in self.components:
                component.kill()
            for server in self.servers:
                server.kill()
            if not self.keep_files:
                shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> "Testbed":
        """Writes and starts."""
        try:
            self.write()
            await self.start()
        except BaseException:
            self.outlive = False
            self.keep_files = True
            self.kill_all()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops everything, unless all went well and the programs are to outlive this one."""
        if error is None and self.outlive:
            return
        self.outlive = False
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.keep_files = True
        try:
            await self.stop()
        finally:
            self.kill_all()

    @staticmethod
    def stop_in(directory: Path) -> list[str]:
        """Ends what an earlier run with `outlive` left running; the names of the programs."""
        return stop_left_running(directory)
