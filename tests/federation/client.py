#!/usr/bin/python3
"""A foreign client in a process of its own: publishes a pack, or prints what it receives.

    client.py publish --jid gateway@prosody.test --password PASSWORD --host 127.1.2.2 \\
        --to energy.prosody.test --node NODE --item ID FILE
    client.py listen --jid adviser@ejabberd.test --password PASSWORD --host 127.1.2.3 [--count N]

FILE holds a <sensml/>; `-` is standard input. One JSON object a line: `listen` says
{"ready": true} once it is logged in, then one line for each message with measurements. Run it
with Debian's /usr/bin/python3, which has slixmpp.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from testbed.people import Offline, Person  # noqa: E402
from testbed.servers import Server  # noqa: E402


def say(**what: object) -> None:
    """One line of JSON, at once."""
    print(json.dumps(what), flush=True)


async def publish(person: Person, to: str, node: str, item: str, payload: str) -> int:
    """Publishes one item; 0 if it was accepted."""
    await person.log_in()
    sent = time.time()
    answer = await person.publish(to, node, payload, item)
    say(sent=sent, answered=time.time(), answer=str(answer), accepted=answer.ok)
    await person.log_out()
    return 0 if answer.ok else 1


def _news(shown: int, person: Person) -> bool:
    return len(person.deliveries) > shown or not person.online


async def listen(person: Person, count: int) -> int:
    """Prints deliveries as they come; ends after `count` of them, with 0 for ever."""
    await person.log_in()
    say(ready=True)
    shown = 0
    while count == 0 or shown < count:
        await person.until(partial(_news, shown), timeout=86400)
        for delivery in person.deliveries[shown:]:
            # The clock on the wall, since it is another process that will compare.
            arrived = time.time() - (time.monotonic() - delivery.at)
            say(**{**asdict(delivery), "at": arrived})
            shown += 1
        if not person.online:
            print("the stream ended", file=sys.stderr)
            return 1
    await person.log_out()
    return 0


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in (verbs.add_parser("publish"), verbs.add_parser("listen")):
        verb.add_argument("--jid", required=True)
        verb.add_argument("--password", required=True)
        verb.add_argument("--host", required=True, help="address of the server, as no DNS knows it")
    verbs.choices["publish"].add_argument("--to", required=True, help="the component")
    verbs.choices["publish"].add_argument("--node", required=True)
    verbs.choices["publish"].add_argument("--item", default="")
    verbs.choices["publish"].add_argument("file", metavar="FILE")
    verbs.choices["listen"].add_argument("--count", type=int, default=0)
    options = parser.parse_args()

    user, _, domain = options.jid.partition("@")
    server = Server(domain.removesuffix(".test"), Path("."), options.host)
    server.domain = domain
    person = Person(server, user, options.password)
    try:
        if options.verb == "listen":
            return asyncio.run(listen(person, options.count))
        payload = sys.stdin.read() if options.file == "-" else Path(options.file).read_text()
        return asyncio.run(publish(person, options.to, options.node, options.item, payload))
    except KeyboardInterrupt:
        return 130
    except (Offline, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
