"""The pictures of docs/CLIENTS.md, from a real Gajim against a real Prosody and ejabberd.

    /usr/bin/python3 scripts/screenshots [DIRECTORY]      (docs/images unless said otherwise)

Needs Debian's gajim, xvfb, dbus, pngquant and locales beside what `make demo` installs, and the component:
$COURANT_BIN, else target/debug/courant. Gajim runs on a screen of its own (Xvfb), with profiles in
a temporary directory, and never as root. `pilot.py` works it as a person would.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from testbed.bed import Testbed  # noqa: E402
from testbed.people import Person  # noqa: E402

SERIES = "urn:dev:prm:30001610071843_consumption/power/active/raw"
COMMANDS = "http://jabber.org/protocol/commands"

# What the operator does. Words are those of pilot.py.
ADMIN = [
    ["commands"],
    ["shoot", "admin-commands"],
    ["run", "series-add"],
    [
        "fill",
        {
            "name": "urn:dev:prm:30001610071843_*",
            "owner": "camille@prosody.test",
            "producers": ["gateway@prosody.test"],
            "title": "Camille's meter",
        },
    ],
    ["press", "complete"],
    ["run", "consent-add"],
    [
        "fill",
        {
            "subject": "camille@prosody.test",
            "recipient": "school@ejabberd.test",
            "recipient_name": "Lycée Ampère",
            "scope": SERIES,
            "purpose": "a class on energy",
            "valid_until": "2027-06-30",
            "evidence": "form signed on paper, file 117",
        },
    ],
    ["size", 600, 560],
    ["shoot", "admin-consent-add"],
    ["press", "complete"],
    ["shoot", "admin-consent-added"],
    ["run", "consent-list"],
    ["shoot", "admin-consent-list"],
    ["run", "consent-revoke"],
    ["fill", {"id": "*", "reason": "moved out"}],
    ["shoot", "admin-consent-revoke"],
    ["press", "complete"],
    ["shoot", "admin-consent-revoked"],
]

# What the person concerned does, in two languages.
CAMILLE = [
    ["chat"],
    ["hears", "yes "],
    ["answer", "yes {code}"],
    ["hears", "Thank you"],
    ["shoot", "request-by-text"],
    ["commands"],
    ["shoot", "my-commands"],
    ["run", "my-consents"],
    ["shoot", "my-consents"],
    ["run", "withdraw-consent"],
    ["fill", {"id": "*"}],
    ["shoot", "withdraw"],
    ["press", "complete"],
    ["shoot", "withdrawn"],
]
CAMILLE_IN_FRENCH = [
    ["commands"],
    ["run", "language"],
    ["fill", {"language": "fr"}],
    ["press", "complete"],
    ["run", "pending-requests"],
    ["fill", {"id": "*"}],
    ["press", "next"],
    ["fill", {"answer": "yes", "granularity": "PT1H"}],
    ["size", 600, 640],
    ["shoot", "fr-demande"],
    ["press", "complete"],
    ["run", "my-consents"],
    ["shoot", "fr-ce-que-je-partage"],
]


class Screen:
    """A screen that nobody sees."""

    def __enter__(self) -> str:
        """Its name, for DISPLAY."""
        read, write = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as answer:
            return f":{answer.readline().strip()}"

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self._server.terminate()
        self._server.wait()


async def gajim(
    work: Path, display: str, person: Person, service: str, language: str, steps: list[Any]
) -> None:
    """One Gajim, from its start to its end."""
    home = work / f"{person.user}-{language}"
    (home / "run").mkdir(parents=True)
    script = home / "script.json"
    script.write_text(
        json.dumps(
            {
                "profile": str(home / "profile"),
                "jid": person.jid,
                "password": person.password,
                "host": person.server.address,
                "service": service,
                "pictures": str(home),
                "steps": steps,
            }
        )
    )
    shutil.copy(HERE / "pilot.py", home)
    (home / "run").chmod(0o700)
    command = ["dbus-run-session", "--", "/usr/bin/python3", str(home / "pilot.py"), str(script)]
    if os.geteuid() == 0:
        # Gajim refuses to run as root.
        shutil.chown(home, "nobody")
        for path in home.rglob("*"):
            shutil.chown(path, "nobody")
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
    locale = "C.UTF-8"
    if language == "fr":
        # Gajim's own words are French only where that locale exists; here it does.
        locale = "fr_FR.UTF-8"
        made = ["localedef", "-i", "fr_FR", "-f", "UTF-8", str(home / locale)]
        subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=home,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "DISPLAY": display,
            "LC_ALL": locale,
            "LANG": locale,
            "LANGUAGE": language,
            **({"LOCPATH": str(home)} if language == "fr" else {}),
            "NO_AT_BRIDGE": "1",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 180)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise RuntimeError(f"Gajim of {person} did not end") from None
    if process.returncode != 0:
        raise RuntimeError(f"Gajim of {person}:\n{output.decode(errors='replace')}")


async def asks(person: Person, service: str, purpose: str) -> None:
    """An application asks for access, in one step."""
    fields = {"scope": SERIES, "purpose": purpose, "valid_until": "2027-06-30", "retention": "P6M"}
    form = "".join(
        f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items()
    )
    answer = await person.iq(
        "set",
        service,
        f"<command xmlns='{COMMANDS}' node='request-access'>"
        f"<x xmlns='jabber:x:data' type='submit'>{form}</x></command>",
    )
    if not answer.ok:
        raise RuntimeError(f"{person} may not ask: {answer}")


async def take(pictures: Path, work: Path) -> None:
    """All pictures."""
    async with Testbed() as bed:
        courant = bed.courant(bed.prosody)
        admin = Person(bed.prosody, "admin", "secret of admin")
        camille = Person(bed.prosody, "camille", "secret of camille")
        adviser = Person(bed.ejabberd, "adviser", "secret of adviser")
        for person in (admin, camille, adviser):
            person.server.register(person.user, person.password)
        courant.start()
        await adviser.log_in()
        await adviser.ping_until_answered(courant.jid, alive=lambda: courant.program.running)
        with Screen() as display:
            await gajim(work, display, admin, courant.jid, "en", ADMIN)
            await asks(adviser, courant.jid, "energy advice")
            await gajim(work, display, camille, courant.jid, "en", CAMILLE)
            await asks(adviser, courant.jid, "conseil en énergie")
            await gajim(work, display, camille, courant.jid, "fr", CAMILLE_IN_FRENCH)
        await adviser.log_out()
    for picture in sorted(work.glob("*/*.png")):
        target = pictures / picture.name
        subprocess.run(
            ["pngquant", "--force", "--strip", "--output", str(target), "32", str(picture)],
            check=True,
        )
        print(f"{target}: {target.stat().st_size} bytes")


def main() -> int:
    """Reads the command line."""
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / "docs" / "images"
    missing = [p for p in ("gajim", "Xvfb", "dbus-run-session", "pngquant", "localedef") if not shutil.which(p)]
    if missing:
        print(f"not installed: {', '.join(missing)} (apt-get install gajim xvfb dbus pngquant locales)")
        return 1
    pictures.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="courant-pictures-"))
    work.chmod(0o755)
    try:
        asyncio.run(take(pictures, work))
    except RuntimeError as error:
        print(f"{error}\n(what was made so far: {work})", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
