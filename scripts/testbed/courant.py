"""The component under test: its configuration, its command line, its life."""

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from .processes import Program
from .servers import Server

REPOSITORY = Path(__file__).resolve().parents[2]

CONFIG = """\
[component]
jid = "{jid}"
server = "{address}:5347"
secret_file = "{secret_file}"

[access]
admins = ["admin@{domain}"]

[store]
url = "sqlite:{database}"

# Shorter than in real life, so that a server that comes back is noticed within the test.
[delivery]
ping_timeout = "PT5S"
retry_max = "PT3S"
"""


def binary() -> Path:
    """The program: $COURANT_BIN, else the debug build."""
    path = Path(os.environ.get("COURANT_BIN") or REPOSITORY / "target" / "debug" / "courant")
    path = path.absolute()
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: run `cargo build`, or set COURANT_BIN")
    return path


def half_a_year_on() -> str:
    """A date for a consent's end, well within any operator's maximum."""
    return (date.today() + timedelta(days=180)).isoformat()


@dataclass(frozen=True)
class Outcome:
    """What one verb of the command line did."""

    code: int
    output: str
    errors: str


class CommandFailed(RuntimeError):
    """A verb ended with another exit code than 0."""


class Courant:
    """One `courant` with its own configuration and database, attached to one server."""

    def __init__(self, server: Server, name: str, secret: str = "", outlive: bool = False) -> None:
        """`secret`: another than the server's, to see it refused."""
        self.server = server
        self.jid = server.component
        self.directory = server.bed / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "courant.toml"
        secret_file = self.directory / "secret"
        secret_file.write_text((secret or server.secret) + "\n")
        secret_file.chmod(0o600)
        self.config.write_text(
            CONFIG.format(
                jid=self.jid,
                address=server.address,
                domain=server.domain,
                secret_file=secret_file,
                database=self.directory / "courant.db",
            )
        )
        self._binary = binary()
        self._clock = self.directory / "clock"
        self.program = Program(
            name,
            [str(self._binary), "--config", str(self.config), "run"],
            server.bed,
            {"NO_COLOR": "1"},
            outlive=outlive,
        )

    def step_clock(self, seconds: int) -> None:
        """The clock on the wall is so far off from now on (libfaketime), that of the command line too.

        What was started before the first step does not know of it.
        """
        self._clock.write_text(f"{seconds:+d}\n")
        self.program.environment |= {
            "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def start(self) -> None:
        """Starts `courant run`; it serves once it answers a ping (`Person.ping_until_answered`)."""
        self.program.start()

    async def stop(self) -> int | None:
        """SIGTERM; its exit code."""
        return await self.program.stop()

    def kill(self) -> None:
        """kill -9."""
        self.program.kill()

    async def run(self, *arguments: str, timeout: float = 300) -> Outcome:
        """Runs a verb and waits for it, whatever its exit code."""
        child = await asyncio.create_subprocess_exec(
            str(self._binary), "--config", str(self.config), *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self.program.environment},
        )  # fmt: skip
        try:
            output, errors = await asyncio.wait_for(child.communicate(), timeout)
        except BaseException:
            child.kill()
            raise
        assert child.returncode is not None
        return Outcome(child.returncode, output.decode(), errors.decode())

    async def must(self, *arguments: str) -> str:
        """Runs a verb that has to succeed; its output."""
        done = await self.run(*arguments)
        if done.code != 0:
            raise CommandFailed(
                f"courant {' '.join(arguments)}: exit code {done.code}\n{done.errors}{done.output}"
            )
        return done.output

    @staticmethod
    def series_arguments(name: str, owner: str, producer: str) -> list[str]:
        """The command line that registers a series, as one would type it."""
        return ["series", "add", name, "--owner", owner, "--producer", producer]

    async def add_series(self, name: str, owner: str, producer: str) -> None:
        """Registers a series, or a prefix of series when `name` ends in `*`."""
        await self.must(*self.series_arguments(name, owner, producer))

    @staticmethod
    def consent_arguments(
        subject: str,
        recipient: str,
        scope: str,
        purpose: str,
        valid_until: str,
        retention: str = "P1Y",
    ) -> list[str]:
        """The command line that records a consent, as one would type it."""
        return [
            "consent", "add", "--subject", subject, "--recipient", recipient, "--scope", scope,
            "--purpose", purpose, "--valid-until", valid_until, "--retention", retention,
        ]  # fmt: skip

    async def add_consent(
        self, subject: str, recipient: str, scope: str,
        purpose: str = "energy advice", granularity: str = "", valid_from: str = "",
    ) -> str:  # fmt: skip
        """Records a consent for half a year from now; its id."""
        arguments = self.consent_arguments(subject, recipient, scope, purpose, half_a_year_on())
        if granularity:
            arguments += ["--granularity", granularity]
        if valid_from:
            arguments += ["--valid-from", valid_from]
        record = json.loads(await self.must(*arguments, "--json"))
        return str(record["id"])

    async def revoke_consent(self, consent: str, reason: str = "") -> None:
        """Ends a consent; nothing leaves under it once this has returned."""
        reason_arguments = ["--reason", reason] if reason else []
        await self.must("consent", "revoke", consent, *reason_arguments)
