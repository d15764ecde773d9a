"""SenML packs (RFC 8428): written to be published, read to be compared.

Deliberately not the component's own reader: what arrives is judged by somebody else.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

NAMESPACE = "urn:ietf:params:xml:ns:senml"
HALF_HOUR = 1800


@dataclass(frozen=True, order=True)
class Record:
    """One resolved record."""

    time: float
    name: str
    value: float | str | None
    unit: str


def load_curve(name: str, base_time: int, watts: Sequence[float], step: int = HALF_HOUR) -> str:
    """A load curve as <sensml/>: one record per step, in watts."""
    lines = []
    for index, value in enumerate(watts):
        if index == 0:
            head = f"bn={quoteattr(name)} bt='{base_time}' bu='W' "
        else:
            head = f"t='{index * step}' "
        lines.append(f"<senml {head}v='{value:g}'/>")
    return f"<sensml xmlns='{NAMESPACE}'>{''.join(lines)}</sensml>"


def pack(records: Iterable[Record]) -> str:
    """Any records as <sensml/>, each with its full name."""
    lines = (
        f"<senml n={quoteattr(r.name)} t='{r.time:.0f}' u='{r.unit}' v='{r.value:g}'/>"
        for r in records
    )
    return f"<sensml xmlns='{NAMESPACE}'>{''.join(lines)}</sensml>"


def resolve(sensml: ET.Element) -> list[Record]:
    """The records of a <sensml/> element, base fields applied, in order of time."""
    base_name, base_time, base_unit, base_value = "", 0.0, "", None
    records = []
    for element in sensml.findall(f"{{{NAMESPACE}}}senml"):
        base_name = element.get("bn", base_name)
        base_time = float(element.get("bt", base_time))
        base_unit = element.get("bu", base_unit)
        if "bv" in element.keys():
            base_value = float(element.get("bv", ""))
        value: float | str | None = element.get("vs")
        if "v" in element.keys():
            value = float(element.get("v", "")) + (base_value or 0.0)
        elif value is None:
            continue  # a record of base fields only
        records.append(
            Record(
                time=base_time + float(element.get("t", 0)),
                name=base_name + element.get("n", ""),
                value=value,
                unit=element.get("u", base_unit),
            )
        )
    return sorted(records, key=lambda record: (record.time, record.name))


def resolve_text(sensml: str) -> list[Record]:
    """The same for XML text."""
    return resolve(ET.fromstring(sensml))
