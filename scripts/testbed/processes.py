"""One program of the testbed: started in its own process group, ended by its own pid."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

STOP_TIMEOUT = 60.0


class Program:
    """A program that can be started, stopped, killed, frozen, and started again."""

    def __init__(
        self,
        name: str,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        outlive: bool = False,
    ) -> None:
        """`outlive`: keep running when this Python process ends (see `make demo KEEP=1`)."""
        self.name = name
        self.command = command
        self.directory = directory
        self.environment = dict(environment or {})
        self.outlive = outlive
        self.pid_file = directory / f"{name}.pid"
        self.output = directory / "logs" / f"{name}.out"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process started here is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it runs; negative: the signal that ended it."""
        return None if self._child is None else self._child.poll()

    def start(self) -> None:
        """Starts it; what it prints is added to its output file."""
        if self.running:
            raise RuntimeError(f"{self.name} is already running")
        self.output.parent.mkdir(parents=True, exist_ok=True)
        command = self.command
        if not self.outlive and shutil.which("setpriv"):
            # Should this Python be killed outright, the kernel ends the program too.
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with self.output.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self.pid_file.write_text(f"{self._child.pid} {_started(self._child.pid)}\n")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone."""
        if self.running:
            assert self._child is not None
            os.kill(self._child.pid, number)

    def freeze(self) -> None:
        """A machine that hangs: the sockets stay open, nobody answers."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """The end of `freeze`."""
        self.signal(signal.SIGCONT)

    async def stop(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """Asks it to end (SIGTERM), insists after `timeout`; its exit code."""
        self.thaw()
        self.signal(signal.SIGTERM)
        end = time.monotonic() + timeout
        while self.running and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self.kill()
        return self.exit_code

    def kill(self) -> None:
        """Ends it and all its children at once (SIGKILL to its own process group)."""
        if self._child is None:
            return
        try:
            # The leader may be gone and a child of its group still there.
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        try:
            self._child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            pass
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines it printed."""
        if not self.output.exists():
            return ""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])


def stop_left_running(directory: Path) -> list[str]:
    """Ends the programs that an earlier run left in `directory`; their names.

    A pid file counts only if the process began when the file says, so a pid that the system gave
    to somebody else since is left alone.
    """
    stopped = []
    for pid_file in sorted(directory.glob("*.pid")):
        words = pid_file.read_text().split()
        if len(words) != 2:
            continue  # a server's own pid file
        pid = int(words[0])
        if words[1] == _started(pid):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_TIMEOUT
            while _started(pid) == words[1] and time.monotonic() < end:
                time.sleep(0.05)
            try:
                os.killpg(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            stopped.append(pid_file.stem)
        pid_file.unlink()
    return stopped


def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty if it is gone or a zombie."""
    try:
        # The name, second field, may hold blanks; it ends with the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]
