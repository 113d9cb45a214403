"""The body of a batch: parsed at once if it is small, else in pieces between which other tasks run.

A piece has whole commands of the list. It is cut where the text looks like the end of a command, and parsed as a list
of its own: only a cut between two commands leaves valid JSON. Where that fails, the ends of the commands are looked for
one by one.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import orjson

from api.contract.bodies import MAX_BATCH
from api.contract.problems import Problem, invalid
from api.http.requests.ambiguity import name_twice
from api.http.requests.request import MAX_BODY, read_batch
from ledger.slices import Slices

PIECE = MAX_BODY
"""The size of a piece, in bytes. A command of a batch is not larger than one that comes alone may be."""
FIELDS = ("atomic", "commands")
"""The fields of a batch."""

Item = TypeVar("Item")
_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.){0,256}"')
_TRUTH = re.compile(rb"true|false")
_HEAD, _TAIL = b'{"commands":[', b"]}"
_end_of_value = json.JSONDecoder().raw_decode


Build = Callable[[object, int], Item | Problem]
"""Builds an item of a command and its index, or says why that is not possible."""


async def read_large_batch(body: bytes, build: Build[Item]) -> tuple[bool, list[Item | Problem]]:
    """Whether a batch is atomic, and its items: built, or a problem where a command cannot be read exactly.

    Raises Problem for what is wrong with the batch itself, and for a batch or a command that is too large.
    """
    if len(body) > PIECE:
        return await _Pieces(body, build).read()
    fields, problems = read_batch(body)
    if len(fields) > len(FIELDS):
        raise invalid("body", f"has {len(fields)} fields and may have at most {len(FIELDS)} ({', '.join(FIELDS)})")
    for name in fields:
        if name not in FIELDS:
            raise invalid(name, "is not a field of this request")
    atomic, commands = fields.get("atomic", False), fields.get("commands")
    if not isinstance(atomic, bool):
        raise invalid("atomic", "must be true or false")
    if not isinstance(commands, list):
        raise invalid("commands", "must be a list")
    if len(commands) > MAX_BATCH:
        raise _too_many()
    return atomic, [problems.get(index) or build(command, index) for index, command in enumerate(commands)]


class _Pieces(Generic[Item]):
    """A body, and the place in it that was read last. What was parsed is built at once: the memory of it is freed."""

    def __init__(self, body: bytes, build: Build[Item]) -> None:
        self._body = body
        self._build = build
        self._at = 0
        self._items: list[Item | Problem] = []
        self._work = Slices()

    async def read(self) -> tuple[bool, list[Item | Problem]]:
        fields: dict[str, Any] = {}
        self._skip()
        if not self._passes(b"{"):
            raise self._malformed()
        while not self._passes(b"}"):
            if fields and not self._passes(b","):
                raise self._malformed()
            name = self._name()
            if name in fields:
                raise name_twice((), name)
            fields[name] = await self._value(name)
        if self._at < len(self._body):
            raise self._malformed()
        if "commands" not in fields:
            raise invalid("commands", "must be a list")
        return fields.get("atomic", False), self._items

    def _skip(self) -> None:
        self._at = _SPACE.match(self._body, self._at).end()  # type: ignore[union-attr]  # it matches nothing too

    def _passes(self, byte: bytes) -> bool:
        """Whether that byte is next. Then it is passed, with the spaces behind it."""
        if not self._body.startswith(byte, self._at):
            return False
        self._at += 1
        self._skip()
        return True

    def _malformed(self) -> Problem:
        return Problem("malformed_json", f"The body is not JSON: something else was expected at byte {self._at}.")

    def _name(self) -> str:
        found = _NAME.match(self._body, self._at)
        try:
            name: str = orjson.loads(found[0] if found else b"")
        except orjson.JSONDecodeError:
            raise self._malformed() from None
        self._at += len(found[0]) if found else 0
        self._skip()
        if not self._passes(b":"):
            raise self._malformed()
        if name not in FIELDS:
            raise invalid(name, "is not a field of this request")
        return name

    async def _value(self, name: str) -> Any:
        if name == "commands":
            if not self._passes(b"["):
                raise invalid(name, "must be a list")
            await self._read_commands()
            return True
        found = _TRUTH.match(self._body, self._at)
        if found is None:
            raise invalid(name, "must be true or false")
        self._at = found.end()
        self._skip()
        return found[0] == b"true"

    async def _read_commands(self) -> None:
        """The commands up to the end of the list."""
        if self._passes(b"]"):
            return
        while True:
            self._read_piece()
            if len(self._items) > MAX_BATCH:
                raise _too_many()
            if self._passes(b"]"):
                return
            if not self._passes(b","):
                raise self._malformed()
            if self._work.over:
                await self._work.pause()

    def _read_piece(self) -> None:
        """Some commands, at least one."""
        body, start = self._body, self._at
        cut = body.rfind(b"},", start, start + PIECE) + 1
        if not cut or not self._parse(cut):
            cut = self._cut_exactly()
            if not self._parse(cut):
                raise self._malformed()
        self._at = cut
        self._skip()

    def _parse(self, end: int) -> bool:
        """Build the commands up to `end`, and say whether they are JSON. Raises Problem for numbers such as NaN."""
        first = len(self._items)
        try:
            fields, problems = read_batch(_HEAD + self._body[self._at : end] + _TAIL, first)
        except Problem as problem:
            if problem.code != "malformed_json":
                raise
            return False
        if fields.keys() != {"commands"}:  # the list ends before, and another one has begun
            return False
        for index, command in enumerate(fields["commands"][: MAX_BATCH + 1 - first]):
            self._items.append(problems.get(index) or self._build(command, first + index))
        return True

    def _cut_exactly(self) -> int:
        """The end of the last command that ends in this piece. Raises Problem if none does."""
        text = self._body[self._at : self._at + PIECE].decode("latin-1")  # a character for each byte
        end = at = 0
        try:
            while True:
                _, end = _end_of_value(text, at)
                at = _end_of_space(text, end)
                if text[at : at + 1] != ",":
                    break
                at = _end_of_space(text, at + 1)
        except (ValueError, RecursionError):
            pass  # it goes on in the next piece, or is no JSON
        if not end:
            raise self._too_large() if self._goes_on(text) else self._malformed()
        return self._at + end

    def _goes_on(self, text: str) -> bool:
        """Whether a piece without the end of a command is the beginning of one."""
        try:
            orjson.loads(text.encode("latin-1"))
        except orjson.JSONDecodeError as error:
            return error.pos >= PIECE - 8  # it met the end, perhaps in the middle of a character
        return False

    def _too_large(self) -> Problem:
        detail = f"The command with index {len(self._items)} of the batch has more than {PIECE} bytes."
        return Problem("body_too_large", detail, limit=PIECE)


def _too_many() -> Problem:
    return Problem("batch_too_large", f"A batch may have at most {MAX_BATCH} commands.", limit=MAX_BATCH)


def _end_of_space(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\t", "\n", "\r"}:
        at += 1
    return at
