"""A large batch is read in pieces: it means what it means when it is read at once."""

import json
from collections.abc import Coroutine
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.contract import bodies, payment_bodies
from api.contract.bodies import Body
from api.contract.problems import Problem
from api.contract.validation import validated
from api.http.commands import batch_body

TEXT = st.text(st.sampled_from('a:,{}[]"\\ é\n'), max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3))
COMMANDS = st.lists(st.fixed_dictionaries({"op": TEXT, "metadata": VALUES}) | VALUES, max_size=12)


def result_of(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of work that waits for nothing, without an event loop."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value


def read(body: bytes, piece: int) -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batch_body, "PIECE", piece)
        try:
            atomic, items = result_of(batch_body.read_large_batch(body, lambda command, index: (index, command)))
        except Problem as problem:
            return problem.code
    return atomic, [item.document() if isinstance(item, Problem) else item for item in items]


@given(
    COMMANDS,
    st.sampled_from([None, (",", ":"), (" , ", " : ")]),
    st.sampled_from([None, 1]),
    st.sampled_from(["{%s, %s}", '{%s,"atomic":false}', "{%s}", " {%s }\n"]),
)
def test_pieces_are_the_whole(commands: list[Any], separators: Any, indent: int | None, frame: str) -> None:
    text = json.dumps(commands, separators=separators, indent=indent, ensure_ascii=False, allow_nan=False)
    atomic = '"atomic" : true'
    listed = f'"commands" :{text}'
    body = (frame % ((atomic, listed) if frame.count("%s") == 2 else listed)).encode()
    longest = max([len(json.dumps(one, separators=separators, indent=3).encode()) * 3 for one in commands], default=1)
    assert read(body, longest + 20) == read(body, 10**9)


@given(
    st.lists(st.sampled_from(['{"a":1}', '{"a":{"b":[1]}}', ",", "]", "[", "}", '"commands":[', ":", " ", '"', "NaN"]))
)
def test_what_is_no_json_is_none_in_pieces(parts: list[str]) -> None:
    body = ('{"commands":[{"a":1}' + "".join(parts)).encode()
    assert (read(body, 16) == read(body, 10**9)) or isinstance(read(body, 16), str)
    if not isinstance(read(body, 16), str):
        orjson.loads(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"commands":[{"a":"' + b"x" * 100 + b'"}]}', "body_too_large"),
        (b'{"commands":[' + b'{"a":1},' * 9 + b'{"a":"' + b"x" * 100 + b'"}]}', "body_too_large"),
        (b'{"commands":[' + b'{"a":1},' * 20_000 + b"{}]}", "batch_too_large"),
        (b'{"commands":[{"a":1}],"commands":[{"a":1},{"a":1},{"a":1},{"a":1}]}', "validation_failed"),
        (b'{"commands":[{"a":1},{"a":1},{"a":1},{"a":1}],"x":[{"a":1},{"a":1}]}', "validation_failed"),
        (b'{"commands":[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},]}', "malformed_json"),
        (b'{"commands":[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1} {"a":1}]}', "malformed_json"),
        (b'{"commands":[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1}]}}', "malformed_json"),
        (b'{"commands":[{"a":1},{"a":1},{"a":1},{"a":NaN},{"a":1},{"a":1}]}', "validation_failed"),
        (b'{"atomic":1,"commands":[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1}]}', "validation_failed"),
        (b'{"atomic":true                                               }', "validation_failed"),
        (b'[{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1},{"a":1}]', "malformed_json"),
    ],
)
def test_what_is_wrong_with_a_large_batch(body: bytes, code: str) -> None:
    assert read(body, 48) == code


# More fields than there are -----------------------------------------------------------------------------------------

MODELS = [
    kind for kind in vars(bodies).values() if isinstance(kind, type) and issubclass(kind, Body) and kind is not Body
]


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_too_many_fields_are_counted_and_not_listed(kind: type[Body]) -> None:
    problem = wrong(kind, {f"x{n}": 0 for n in range(100_000)})
    [error] = problem.facts["errors"]
    assert error["message"].startswith(f"has 100000 fields and may have at most {len(kind.model_fields)}")
    assert len(problem.body()) < 1_000


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [
        (bodies.DeductBody, "usage", "usage"),
        (bodies.CaptureBody, "usage", "usage"),
        (payment_bodies.PaymentBody, "grant", "grant"),
    ],
)
def test_too_many_fields_within_are_counted(kind: type[Body], name: str, field: str) -> None:
    [error] = wrong(kind, {field: {f"x{n}": 0 for n in range(1_000)}}).facts["errors"]
    assert (error["field"], error["message"].split(" fields")[0]) == (field, "has 1000")


def wrong(kind: type[Body], fields: dict[str, Any]) -> Problem:
    with pytest.raises(Problem) as found:
        validated(kind, fields)
    return found.value


@pytest.mark.parametrize("piece", [10, 10**9])
def test_a_batch_has_no_more_fields_than_it_may(piece: int) -> None:
    assert (
        read(b'{"commands":[],' + b",".join(b'"%d":0' % n for n in range(1_000)) + b"}", piece) == "validation_failed"
    )
