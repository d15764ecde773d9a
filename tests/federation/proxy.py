#!/usr/bin/python3
"""A source in a process of its own: a Quoalise server in front of a metering service, as they are today.

    proxy.py --jid proxy@ejabberd.test --password PASSWORD --host 127.1.2.3

It offers the command `get_history` by slixmpp's own plugin and knows nothing of Courant: it wants both times,
reads them with `datetime.fromisoformat`, and answers for any identifier with one value an hour, the hour of
the day in watts. For days before 2000 its metering service has an error of its own. One JSON object a line: its
full address when it is ready, then each question. Run it with Debian's /usr/bin/python3, which has slixmpp.
"""

import argparse
import asyncio
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from slixmpp.exceptions import XMPPError  # noqa: E402
from slixmpp.xmlstream import ET, ElementBase  # noqa: E402
from testbed.people import Person  # noqa: E402
from testbed.servers import Server  # noqa: E402


def say(**what: object) -> None:
    """One line of JSON, at once."""
    print(json.dumps(what), flush=True)


class Data(ElementBase):  # type: ignore[misc]
    """What the plugin wants around an element."""

    name = plugin_attrib = "quoalise"
    namespace = "urn:quoalise:0"


class Proxy:
    """The command, by the plugin."""

    def __init__(self, client: Any) -> None:
        """Offers it."""
        self.client = client
        for plugin in ("xep_0004", "xep_0050"):
            client.register_plugin(plugin)
        client["xep_0050"].add_command(
            node="get_history", name="Get history", handler=self.asked
        )

    def asked(self, iq: Any, session: dict[str, Any]) -> dict[str, Any]:
        """In one step where a form comes along, else the form first."""
        if len(iq["command"].xml):
            return self.answer(session["payload"], session)
        form = self.client["xep_0004"].make_form(ftype="form", title="Get history")
        for var in ("identifier", "start_time", "end_time"):
            form.add_field(var=var, ftype="text-single", required=True)
        session["payload"] = form
        session["next"] = self.answer
        return session

    def answer(self, payload: Any, session: dict[str, Any]) -> dict[str, Any]:
        """One value an hour."""
        values = payload["values"]
        identifier = values["identifier"]
        start = dt.datetime.fromisoformat(values["start_time"])
        end = dt.datetime.fromisoformat(values["end_time"])
        say(asked=identifier, start=start.isoformat(), end=end.isoformat(), by=str(session["from"]))
        if start.year < 2000:
            raise XMPPError(
                condition="undefined-condition",
                text="no measurements of that year",
                extension="upstream-error",
                extension_ns="urn:quoalise:0",
                extension_args={"issuer": "metering-service", "code": "E1999"},
            )
        hours = int((end - start).total_seconds() // 3600)
        records = "".join(
            f"<senml t='{n * 3600}' v='{(start + dt.timedelta(hours=n)).hour}'/>"
            for n in range(1, hours)
        )
        result = self.client["xep_0004"].make_form(ftype="result", title="Get history")
        result.add_field(var="result", ftype="fixed", label=f"Get {identifier}", value="Success")
        xml = ET.fromstring(
            "<quoalise xmlns='urn:quoalise:0'><data><meta>"
            "<device type='electricity-meter'><identifier authority='grid' type='point' value='7'/></device>"
            "<measurement name='active-power' unit='W' sampling-interval='PT1H'/></meta>"
            f"<sensml xmlns='urn:ietf:params:xml:ns:senml'><senml bn={quoteattr(identifier)} "
            f"bt='{int(start.timestamp())}' bu='W' v='{start.hour}'/>{records}</sensml>"
            "</data></quoalise>"
        )
        session["next"] = None
        session["payload"] = [result, Data(xml=xml)]
        return session


async def serve(person: Person) -> None:
    """Until it is killed."""
    await person.log_in()
    Proxy(person.client)
    say(ready=str(person.client.boundjid))
    while person.online:
        await asyncio.sleep(0.1)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jid", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--host", required=True, help="address of the server, as no DNS knows it")
    arguments = parser.parse_args()
    user, _, domain = arguments.jid.partition("@")
    server = Server(domain.removesuffix(".test"), Path("."), arguments.host)
    server.domain = domain
    asyncio.run(serve(Person(server, user, arguments.password)))


if __name__ == "__main__":
    main()
