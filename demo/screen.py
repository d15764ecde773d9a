"""How the demo speaks: steps, commands, checks and a picture of the load curve."""

import os
import sys
import textwrap
from collections.abc import Sequence

WIDTH = 92


class Screen:
    """Plain words on standard output, in colour where somebody looks at a terminal."""

    def __init__(self) -> None:
        """Colour unless NO_COLOR is set or the output goes into a file."""
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.held = True
        self._step = 0
        if hasattr(sys.stdout, "reconfigure"):
            # A terminal without UTF-8 gets question marks, not a stack trace.
            sys.stdout.reconfigure(errors="replace", line_buffering=True)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def title(self, text: str) -> None:
        """The first line."""
        print(f"\n{self._paint('1;36', text)}")
        print(self._paint("36", "=" * len(text)))

    def step(self, text: str) -> None:
        """What happens next."""
        self._step += 1
        print(f"\n{self._paint('1;33', f'{self._step}. {text}')}")

    def say(self, text: str) -> None:
        """A paragraph."""
        for line in textwrap.wrap(" ".join(text.split()), WIDTH - 3):
            print(f"   {line}")

    def lines(self, text: str) -> None:
        """Lines kept as they are: output of a program, XML, a table."""
        for line in text.rstrip().splitlines():
            print(self._paint("2", f"     {line.rstrip()}"))

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Two columns."""
        width = max(len(left) for left, _ in rows)
        for left, right in rows:
            print(f"     {self._paint('1', left.ljust(width))}  {right}")

    def command(self, words: Sequence[str]) -> None:
        """A command line as one would type it."""
        parts: list[str] = []
        for word in words:
            shown = f"'{word}'" if " " in word or word.endswith("*") else word
            # A flag and its value stay on one line.
            if parts and parts[-1].startswith("--") and " " not in parts[-1]:
                parts[-1] += f" {shown}"
            else:
                parts.append(shown)
        lines = [parts[0]]
        for part in parts[1:]:
            if len(lines[-1]) + len(part) > WIDTH - 12:
                lines.append(part)
            else:
                lines[-1] += f" {part}"
        text = " \\\n         ".join(lines)
        print(self._paint("35", f"     $ {text}"))

    def check(self, holds: object, text: str) -> bool:
        """Something the demo promised: it holds, or the demo will have failed."""
        if holds:
            print(f"   {self._paint('32', '✓')} {text}")
        else:
            self.held = False
            print(f"   {self._paint('1;31', '✗')} {self._paint('31', text)}")
        return bool(holds)

    def chart(self, caption: str, watts: Sequence[float], code: str = "34", rows: int = 4) -> None:
        """A load curve, one column per value, midnight to midnight."""
        top = max(watts, default=0) or 1
        eighths = " ▁▂▃▄▅▆▇█"
        print(f"     {caption}")
        for row in reversed(range(rows)):
            cells = ""
            for value in watts:
                fill = round(value / top * rows * 8) - row * 8
                cells += eighths[max(1 if row == 0 else 0, min(8, fill))]
            label = f"{top / 1000:.1f} kW" if row == rows - 1 else ""
            print(f"     {label:>7} {self._paint(code, cells)}")
        hours = "".join(f"{hour:<12}" for hour in ("0 h", "6 h", "12 h", "18 h"))
        energy = sum(watts) * 24 / max(len(watts), 1) / 1000
        print(self._paint("2", f"             {hours.rstrip():<43} {energy:.1f} kWh"))
