"""`/v1` only grows: what the document said once, it still says. See docs/adr/0098-versions-of-the-api.md.

`first_contract.json` is what it said when the rule was made. Whoever adds an operation need not add it here; a release
does: `python -m tests.api.test_growth` writes the file again.
"""

import json
from pathlib import Path
from typing import Any

from tests.api.contract import the_contract

FILE = Path(__file__).with_name("first_contract.json")
Said = dict[str, dict[str, Any]]


def said_now() -> Said:
    """Of each operation below /v1: its address, its parameters, what its body requires and knows, what it answers."""
    contract = the_contract()
    found = {}
    for path, item in contract.document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1/"):
                body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
                answers = [
                    _fields(one["content"]["application/json"]["schema"])
                    for status, one in contract.responses(path, method).items()
                    if status < "300" and "application/json" in one.get("content", {})
                ]
                found[operation["operationId"]] = {
                    "address": f"{method.upper()} {path}",
                    "parameters": sorted(one["name"] for one in operation.get("parameters", ())),
                    "needed": sorted(one["name"] for one in operation.get("parameters", ()) if one["required"]),
                    "body": sorted(_fields(body)),
                    "required": sorted(_required(body)),
                    "answer": sorted(set().union(*answers)),
                }
    return found


def _forms(schema: Any) -> list[Any]:
    whole = the_contract().resolved(schema)
    return [form for one in whole.get("oneOf", whole.get("anyOf", ())) for form in _forms(one)] or [whole]


def _fields(schema: Any) -> set[str]:
    return {name for form in _forms(schema) for name in form.get("properties", ())}


def _required(schema: Any) -> set[str]:
    return set.intersection(*(set(form.get("required", ())) for form in _forms(schema)))


def test_nothing_is_taken_away_and_nothing_more_is_required() -> None:
    first: Said = json.loads(FILE.read_text())
    now = said_now()
    assert len(first) > 60
    for name, then in first.items():
        assert name in now, f"{name} is gone"
        assert now[name]["address"] == then["address"]
        for kind in ("parameters", "body", "answer"):
            assert set(then[kind]) <= set(now[name][kind]), (name, kind)
        for kind in ("needed", "required"):
            assert set(now[name][kind]) <= set(then[kind]), (name, kind)


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(said)}" for name, said in sorted(said_now().items())]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
