"""The schemas of bodies and answers: as pydantic makes them, without what misleads generators.

A default makes a field required in some generators, so the description says it. Titles of fields repeat their names.
`additionalProperties: true` beside named fields hides their types, and changes nothing: more fields are allowed anyway.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

Schema = dict[str, Any]
SCHEMAS = "#/components/schemas/"
_NAMED = "properties", "patternProperties"
"""Where the names are those of fields, and no words of JSON Schema."""
_NULL = {"type": "null"}


def reference(name: str) -> Schema:
    """The reference to a schema."""
    return {"$ref": SCHEMAS + name}


def schemas_of(
    bodies: Iterable[type], answers: Iterable[type], facts: Iterable[Any]
) -> tuple[dict[str, Schema], Mapping[Any, Schema]]:
    """The schemas of bodies and answers by their names, and those of the types of facts by the types."""
    named: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((body, "validation", TypeAdapter(body)) for body in bodies),
        *((answer, "serialization", TypeAdapter(answer)) for answer in answers),
        *(((fact,), "serialization", TypeAdapter(fact)) for fact in facts),
    ]
    made, rest = TypeAdapter.json_schemas(named, ref_template=SCHEMAS + "{model}")
    found = {name: titled(name, schema) for name, schema in rest["$defs"].items()}
    return found, {key[0]: _tidied(schema) for (key, _), schema in made.items() if isinstance(key, tuple)}


def titled(name: str, schema: Schema) -> Schema:
    """A schema as the document has it, with its name as its title."""
    return {"title": name, **_tidied(schema)}


def _tidied(schema: Any) -> Any:
    """The same without defaults, without titles, and open without saying so."""
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        name: {field: _tidied(one) for field, one in part.items()} if name in _NAMED else _tidied(part)
        for name, part in schema.items()
        if name not in ("title", "default")
    }
    if tidy.get("additionalProperties") is True and "properties" in tidy:
        del tidy["additionalProperties"]
    if schema.get("default") is not None:
        said = f"default: {json.dumps(schema['default'])}"
        tidy["description"] = f"{tidy['description']}; {said}" if "description" in tidy else said
    return tidy


def tidy_parameter(parameter: Schema) -> None:
    """Say what a parameter is when it is there: in an address, nothing can be null."""
    schema = _without_null(parameter["schema"])
    schema.pop("title", None)
    parameter["schema"] = schema


def _without_null(schema: Schema) -> Schema:
    if "anyOf" not in schema:
        return schema
    others = [part for part in schema["anyOf"] if part != _NULL]
    rest = {name: part for name, part in schema.items() if name != "anyOf"}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}


def split(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """Schemas whose forms only say how they differ, with each form as a whole schema of its own."""
    found: dict[str, Schema] = {}
    for name, schema in schemas.items():
        found |= _split(name, schema) if "properties" in schema and "oneOf" in schema else {name: schema}
    return found


def forms(name: str, schemas: Mapping[str, Schema]) -> list[str]:
    """The names of the forms of a schema that was split, or its own."""
    one_of = schemas[name].get("oneOf", ())
    return [one["$ref"].removeprefix(SCHEMAS) for one in one_of] or [name]


def _split(name: str, schema: Schema) -> dict[str, Schema]:
    common = {word: part for word, part in schema.items() if word != "oneOf"}
    whole = {f"{name}{_suffix(form)}": _form(common, form) for form in schema["oneOf"]}
    for form, made in whole.items():
        made["title"] = form
    union = {"title": name, "description": schema.get("description", ""), "oneOf": [reference(form) for form in whole]}
    return {name: union, **whole}


def _suffix(form: Schema) -> str:
    """How a form is called: after what only it requires."""
    return "".join(word.capitalize() for word in form["required"][0].split("_"))


def _form(common: Schema, form: Schema) -> Schema:
    properties = dict(common["properties"])
    for field, said in form["properties"].items():
        properties[field] = _narrowed(properties[field], said)
    required = list(dict.fromkeys([*common.get("required", ()), *form["required"]]))
    return {**common, "properties": properties, "required": required}


def _narrowed(field: Schema, said: Schema) -> Schema:
    """A field of which a form says more: that it is null, that it is not, or what else it is."""
    kept = {"description": field["description"]} if "description" in field else {}
    if said == _NULL:
        return {**_NULL, **kept}
    return _without_null(field) if said.keys() == {"type"} else {**said, **kept}
