"""Writes fuzz/corpus/read_{json,xml,cbor} from the cases in tests/vectors and the packs in tests/packs."""

import json
import pathlib

ROOT = pathlib.Path(__file__).parent.parent
CORPUS = pathlib.Path(__file__).parent / "corpus"
FORMATS = {"json": "read_json", "xml": "read_xml", "cbor-hex": "read_cbor"}

for target in FORMATS.values():
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
for file in sorted((ROOT / "tests" / "vectors").rglob("*.json")):
    cases = json.loads(file.read_text())
    for case in cases if isinstance(cases, list) else [cases]:
        octets = case["input"]
        octets = bytes.fromhex(octets) if case["format"] == "cbor-hex" else octets.encode()
        (CORPUS / FORMATS[case["format"]] / case["id"]).write_bytes(octets)
for file in sorted((ROOT / "tests" / "packs").glob("*.*")):
    target = CORPUS / f"read_{file.suffix[1:]}"
    if target.is_dir() and file.name != "manifest.json":
        (target / file.stem).write_bytes(file.read_bytes())
