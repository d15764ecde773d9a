"""Inside Gajim: logs an account in, works its windows as a person would, and takes pictures.

    pilot.py SCRIPT.json      (started by the package's __main__, never as root)

SCRIPT.json: `profile`, `jid`, `password`, `host`, `service`, `pictures` and `steps`, a list of
[word, argument, …]; the words are the methods of `Pilot` whose names begin with `do_`. What a
step puts on the screen is waited for, so nothing depends on how fast the machine is.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gi

gi.require_versions(
    {"GLib": "2.0", "Gtk": "3.0", "GtkSource": "4", "Pango": "1.0", "PangoCairo": "1.0"}
)
from gajim.common import app, settings  # noqa: E402
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

ACCOUNT = "account"
PATIENCE = 30.0
Wait = Callable[[], Any]


class Pilot:
    """One script, step by step."""

    def __init__(self, script: dict[str, Any]) -> None:
        """See the top of this file."""
        self.script = script
        self.window: Any = None
        self.pictures = Path(script["pictures"])

    # What a script says ----------------------------------------------------------------------

    def do_commands(self) -> Iterator[Wait]:
        """Opens the list of the service's commands, as the menu does."""
        from gajim.gtk.adhoc import AdHocCommands

        self.window = AdHocCommands(ACCOUNT, self.script["service"])
        yield lambda: self.window.get_current_page() == "commands"

    def do_run(self, node: str) -> Iterator[Wait]:
        """Chooses a command of the list and presses Execute."""
        if self.window.get_current_page() != "commands":
            yield from self.do_press("commands")
            yield lambda: self.window.get_current_page() == "commands"
        tree = self.window.get_page("commands")._treeview
        for row in tree.get_model():
            if row[1].endswith(f":{node}"):
                tree.get_selection().select_iter(row.iter)
                tree.scroll_to_cell(row.path)
                yield from self.do_press("execute")
                return
        raise LookupError(f"{node} is not in the list")

    def do_press(self, button: str) -> Iterator[Wait]:
        """Presses a button and waits for what comes of it."""
        widget = self.window._buttons[button][0]
        yield lambda: widget.get_visible() and widget.get_sensitive()
        widget.clicked()
        yield lambda: self.window.get_current_page() not in ("executing", "request")

    def do_fill(self, values: dict[str, Any]) -> Iterator[Wait]:
        """Fills fields of the form in; "*" chooses the first there is."""
        yield lambda: self.window.get_current_page() == "stage"
        form = self.window.get_page("stage")._dataform_widget._form_grid
        fields = {row._field.var: row for row in form.rows if hasattr(row, "_field")}
        for var, value in values.items():
            _fill(fields[var], value)
        # Gajim looks at what was filled in a little later.
        until = time.monotonic() + 0.4
        yield lambda: time.monotonic() > until

    def do_size(self, width: int, height: int) -> Iterator[Wait]:
        """Resizes the window."""
        self.window.resize(width, height)
        yield from self._settle()

    def do_scroll(self) -> Iterator[Wait]:
        """To the end of the form."""
        form = self.window.get_page("stage")._dataform_widget
        form.get_vadjustment().set_value(form.get_vadjustment().get_upper())
        yield from self._settle()

    def do_chat(self) -> Iterator[Wait]:
        """Opens the chat with the service."""
        from nbxmpp.protocol import JID

        self.window = app.window
        app.window.add_chat(
            ACCOUNT, JID.from_string(self.script["service"]), "contact", select=True
        )
        yield from self._settle()

    def do_hears(self, word: str) -> Iterator[Wait]:
        """Waits until the service has said something with that word in it."""
        yield lambda: any(word in text for text in self._chat())
        yield from self._settle()

    def do_answer(self, text: str) -> Iterator[Wait]:
        """Writes a line in the chat; {code} is the code that the service asked with."""
        if "{code}" in text:
            said = next(line for line in reversed(self._chat()) if "oui " in line or "yes " in line)
            code = said.split("oui " if "oui " in said else "yes ")[1].split()[0].strip("'»’ .,;")
            text = text.replace("{code}", code)
        box = app.window.get_chat_stack()
        box._message_action_box.msg_textview.insert_text(text)
        yield from self._settle()
        box._on_send_message()
        yield from self._settle()

    def do_shoot(self, name: str) -> Iterator[Wait]:
        """Takes a picture of the window."""
        yield from self._settle()
        window = self.window.get_window()
        picture = Gdk.pixbuf_get_from_window(window, 0, 0, window.get_width(), window.get_height())
        picture.savev(str(self.pictures / f"{name}.png"), "png", [], [])

    def do_read(self, name: str) -> Iterator[Wait]:
        """Writes what the window says, line by line, beside the pictures."""
        yield from self._settle()
        (self.pictures / f"{name}.txt").write_text("\n".join(_texts(self.window)) + "\n")

    def do_close(self) -> Iterator[Wait]:
        """Closes the window of commands."""
        self.window.destroy()
        yield lambda: True

    # How it goes on --------------------------------------------------------------------------

    def _settle(self) -> Iterator[Wait]:
        until = time.monotonic() + 0.5
        yield lambda: time.monotonic() > until and not Gtk.events_pending()

    def _chat(self) -> list[str]:
        return _texts(app.window)

    def _play(self) -> Iterator[Wait]:
        yield lambda: ACCOUNT in app.settings.get_accounts() and app.window is not None
        yield lambda: app.get_client(ACCOUNT).state.is_available
        for word, *arguments in self.script["steps"]:
            print(word, *arguments, flush=True)
            yield from getattr(self, f"do_{word}")(*arguments)

    def start(self) -> None:
        """Plays the script beside Gajim's own loop, then ends Gajim."""
        play = self._play()
        state: dict[str, Any] = {"wait": None, "since": time.monotonic()}

        def tick() -> bool:
            try:
                while state["wait"] is None or state["wait"]():
                    state["wait"], state["since"] = next(play), time.monotonic()
                if time.monotonic() - state["since"] > PATIENCE:
                    raise TimeoutError(f"waited {PATIENCE:.0f} s; on the screen: {self._screen()}")
            except StopIteration:
                _end(0)
            except Exception:
                traceback.print_exc()
                _end(1)
            return True

        GLib.timeout_add(50, tick)

    def _screen(self) -> list[str]:
        return _texts(self.window or app.window)


def _end(code: int) -> None:
    """Ends Gajim at once: asked in order, it wants to know what to do about unread messages."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fill(row: Any, value: Any) -> None:
    kind = row._field.type_
    if kind == "text-multi":
        row._textview.get_buffer().set_text(value)
    elif kind == "boolean":
        row._widget.set_active(value)
    elif kind == "list-single":
        row._widget.set_active(0) if value == "*" else row._widget.set_active_id(value)
    elif kind == "list-multi":
        for line in row._treeview.get_model():
            if line[3] != (line[1] in value):
                row._treeview._toggled(None, line.path)
    elif kind == "jid-multi":
        for jid in value:
            row._treeview.get_model().append([jid])
        row._treeview._set_values()
        row.validate()
    else:
        row._widget.set_text(value)


def _texts(widget: Any) -> list[str]:
    """All that can be read in a window."""
    texts = []
    if not widget.get_visible():
        return []
    if isinstance(widget, Gtk.Stack):
        child = widget.get_visible_child()
        return _texts(child) if child else []
    if isinstance(widget, Gtk.Label | Gtk.Entry):
        texts = [widget.get_text()]
    elif isinstance(widget, Gtk.TextView):
        buffer = widget.get_buffer()
        texts = [buffer.get_text(*buffer.get_bounds(), False)]
    elif isinstance(widget, Gtk.TreeView):
        texts = [" | ".join(map(str, row)) for row in widget.get_model() or []]
    elif isinstance(widget, Gtk.ComboBoxText):
        texts = [widget.get_active_text() or ""]
    if isinstance(widget, Gtk.Container):
        for child in widget.get_children():
            texts += _texts(child)
    return [text for text in texts if text]


def main() -> int:
    """Starts Gajim with a profile of its own."""
    script = json.loads(Path(sys.argv[1]).read_text())
    user, _, domain = script["jid"].partition("@")
    account = {
        "name": user,
        "hostname": domain,
        "password": script["password"],
        "savepass": True,
        "active": True,
        # No DNS knows the server, and no authority its certificate.
        "use_custom_host": True,
        "custom_host": script["host"],
        "custom_port": 5222,
        "custom_type": "PLAIN",
        "confirm_unencrypted_connection": False,
    }
    init = settings.Settings.init

    def with_account(self: Any) -> None:
        init(self)
        self.set_app_setting("use_keyring", False)
        if ACCOUNT not in self.get_accounts():
            self.add_account(ACCOUNT)
            for name, value in account.items():
                self.set_account_setting(ACCOUNT, name, value)

    settings.Settings.init = with_account
    Pilot(script).start()
    sys.argv = ["gajim", "--quiet", "--separate", "--config-path", script["profile"]]
    from gajim import gajim

    gajim.main()
    return 1


if __name__ == "__main__":
    sys.exit(main())
