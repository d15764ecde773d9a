"""Somebody whose client has commands: slixmpp's own plugins for XEP-0050 and XEP-0004."""

from typing import Any

from ring import Ring, check
from testbed.people import Person

COMMANDS = "http://jabber.org/protocol/commands"


class Commander:
    """Somebody whose client has commands."""

    def __init__(self, person: Person, service: str, lang: str = "en") -> None:
        """Loads the plugins."""
        self.person = person
        self.service = service
        self.lang = lang
        for plugin in ("xep_0004", "xep_0050"):
            person.client.register_plugin(plugin)

    async def names(self) -> dict[str, str]:
        """What the client lists: names by node."""
        items = await self.person.client["xep_0050"].get_commands(self.service)
        return {node: name for _, node, name in items["disco_items"]["items"]}

    async def run(self, node: str, fields: dict[str, Any] | None = None, **more: Any) -> Any:
        """One step of a command; the answer as slixmpp reads it."""
        iq = self.person.client.Iq()
        iq["type"] = "set"
        iq["to"] = self.service
        iq["lang"] = self.lang
        iq["command"]["node"] = node
        iq["command"]["action"] = more.get("action", "execute")
        if "sessionid" in more:
            iq["command"]["sessionid"] = more["sessionid"]
        if fields is not None:
            form = self.person.client["xep_0004"].make_form("submit")
            for var, value in fields.items():
                form.add_field(var=var, value=value)
            iq["command"].append(form)
        return (await iq.send(timeout=120))["command"]

    async def fill(self, node: str, *forms: dict[str, Any]) -> Any:
        """A command form by form, as a person clicks through it."""
        answer = await self.run(node)
        for fields in forms:
            check(answer["status"] == "executing", f"{node} is {answer['status']} before {fields}")
            asked = answer["form"].get_fields()
            check(set(fields) <= set(asked), f"{node} asks for {sorted(asked)}, not for {sorted(fields)}")
            action = "complete" if "complete" in answer["actions"] else "next"
            answer = await self.run(
                node, fields, sessionid=answer["sessionid"], action=action
            )
        check(answer["status"] == "completed", f"{node} is {answer['status']}: {notes(answer)}")
        return answer


def notes(answer: Any) -> str:
    """The notes of an answer."""
    return " ".join(text for _, text in answer["notes"])


def rows(answer: Any) -> list[dict[str, Any]]:
    """The table of an answer, as slixmpp reads it."""
    return [dict(item) for item in answer["form"].get_items()]


async def admin_of(ring: Ring) -> Person:
    """The operator of the component."""
    admin = Person(ring.home, "admin", "password of the admin")
    try:
        ring.home.register(admin.user, admin.password)
    except Exception:  # there since an earlier story
        pass
    ring._people.append(admin)
    await admin.log_in()
    return admin
