"""Plots as SVG, with nothing but text: bars in groups on a logarithmic scale, and lines over time."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#0b6e4f", "#d1495b", "#edae49", "#30638e", "#7d5ba6"]
FONT = "font-family='sans-serif' fill='#222'"


def text(x, y, words, anchor="start", size=12, extra=""):
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}'"
    return f"<text {place} {FONT} {extra}>{escape(words)}</text>"


def line(x1, y1, x2, y2, colour="#ddd"):
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def document(width, height, title, parts):
    body = "\n".join([text(16, 24, title, extra="font-weight='bold'"), *parts])
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}'>\n<rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
    )


def short(value):
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def legend(names, left, y):
    parts = []
    for place, name in enumerate(names):
        x = left + place * 110
        parts.append(f"<rect x='{x}' y='{y - 10}' width='12' height='12' fill='{COLOURS[place]}'/>")
        parts.append(text(x + 18, y, name))
    return parts


def bars(title, unit, groups, names):
    """`groups`: (label, {name: value}) in order; a logarithmic scale, one bar for each name."""
    left, top, height, bar = 64, 64, 300, 26
    wide = bar * len(names) + 30
    width = max(left + wide * len(groups) + 20, left + 110 * len(names) + 20)
    values = [value for _, held in groups for value in held.values() if value]
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values) * 1.3)), low + 1)

    def y(value):
        return top + height * (high - math.log10(value)) / (high - low)

    parts = legend(names, left, 46)
    for power in range(low, high + 1):
        parts.append(line(left, y(10.0**power), width - 10, y(10.0**power)))
        parts.append(text(left - 6, y(10.0**power) + 4, f"{10.0**power:g}", "end"))
    for group, (label, held) in enumerate(groups):
        x = left + group * wide + 15
        for place, name in enumerate(names):
            value = held.get(name)
            if not value:
                continue
            at = x + place * bar
            parts.append(
                f"<rect x='{at}' y='{y(value):.1f}' width='{bar - 4}' "
                f"height='{top + height - y(value):.1f}' fill='{COLOURS[place]}'/>"
            )
            parts.append(text(at + (bar - 4) / 2, y(value) - 3, short(value), "middle", size=10))
        parts.append(text(x + bar * len(names) / 2, top + height + 18, label, "middle"))
    parts.append(text(left, top + height + 40, unit))
    return document(width, top + height + 52, title, parts)


def lines(title, panels, seconds):
    """`panels`: (label, {name: [values]}), under each other, over the same time."""
    left, top, width, height, gap = 80, 40, 760, 130, 40
    parts = []
    for panel, (label, curves) in enumerate(panels):
        above = top + panel * (height + gap)
        most = max((v for curve in curves.values() for v in curve if v is not None), default=1) * 1.1 or 1
        for step in range(5):
            y = above + height * (1 - step / 4)
            parts.append(line(left, y, left + width, y))
            parts.append(text(left - 6, y + 4, short(most * step / 4), "end"))
        for place, (name, curve) in enumerate(curves.items()):
            points = " ".join(
                f"{left + width * at / (seconds[-1] or 1):.1f},{above + height * (1 - value / most):.1f}"
                for at, value in zip(seconds, curve) if value is not None
            )
            colour = COLOURS[place]
            parts.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.5'/>")
            parts.append(text(left + 8 + place * 110, above + 14, name, extra=f"style='fill:{colour}'"))
        parts.append(text(left, above - 6, label))
    bottom = top + len(panels) * (height + gap) - gap + 18
    parts.append(text(left, bottom, "0 s"))
    parts.append(text(left + width, bottom, f"{seconds[-1]:.0f} s", "end"))
    return document(left + width + 20, bottom + 14, title, parts)
