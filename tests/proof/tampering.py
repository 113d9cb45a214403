"""Tampering: thousands of harms from a seed, each of which has to be found, at the right place.

    python -m tests.proof.tampering --times 10000 --seed 7

Harms are done to what there is: the records of a log in memory, the files of an export with its checkpoints,
statements, and the rows of a real database, by a superuser with triggers and constraints off. A failure says which
number of which seed it was; --only does that one alone.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from audit.export.bundle import EVENTS, KEY
from audit.verify import online
from audit.verify.offline import Trusting, verify_path
from audit.verify.online import verify_ledger
from ledger.proof.checkpoint import read_checkpoint
from ledger.proof.lines import to_line
from ledger.proof.notes import text_of
from ledger.proof.walk import Breach, Walk, check_receipts
from tests.postgres import TestServers, owner
from tests.proof.evidence import Evidence, Silence, gather
from tests.proof.harms import HARMS, Harmed, Records, Where, first_place, other_byte

Layer = str
_COPY = """
COPY ledger.events (
    notification_id, originator_id, originator_version, topic, state, subject, receipt, fingerprint,
    command_events, hash
) FROM STDIN
"""
_CONSTRAINTS = """
SELECT conname FROM pg_constraint WHERE conrelid = 'ledger.events'::regclass AND contype IN ('c', 'p', 'u')
"""


_KEPT = 256
"""The number of events that the smallest stored subtrees cover."""


class Done(NamedTuple):
    """One harm, and what came of it."""

    layer: Layer
    kind: str
    told: str
    breach: Breach | None
    right: bool
    """Whether it was found where it is."""


def _is_narrower(found: Where, expected: Where) -> bool:
    """Whether a place is the expected one, or a part of it that begins or ends where a stored subtree does."""
    if found.last is None or expected.last is None:
        return found == expected
    begins = found.first == expected.first or (expected.first < found.first and found.first % _KEPT == 1)
    ends = found.last == expected.last or (found.last < expected.last and found.last % _KEPT == 0)
    return begins and ends


class NotFound(AssertionError):
    """A harm was not found, or at the wrong place. The message says how to do it again."""


class Tampering:
    """Does harm to evidence, has it judged, and puts everything back."""

    def __init__(self, evidence: Evidence, database: str, where: Path) -> None:
        self._evidence = evidence
        self._database = database
        self._records = list(evidence.records)
        self._sizes = evidence.sizes
        notes = (text_of(filed.path.read_bytes()) for filed in evidence.checkpoint_keys.folder.all())
        self._checkpoints = [read_checkpoint(text) for text in notes]
        self._roots = {one.size: one.root for one in self._checkpoints}
        self._bundle = where / "harmed"
        shutil.copytree(evidence.bundle, self._bundle)
        self._statement = where / "harmed.json"
        self._files = sorted(path for path in self._bundle.rglob("*") if path.is_file() and path.name != EVENTS)

    def do(self, number: int, seed: object) -> Done:
        """The harm of this number."""
        chance = random.Random(f"{seed}/{number}")
        [layer] = chance.choices(list(_SHARES), list(_SHARES.values()))
        done = _LAYERS[layer](self, chance)
        if not done.right:
            found = f"found as: {done.breach}" if done.breach else "nothing was found"
            raise NotFound(f"seed {seed}, number {number}: {layer}, {done.kind}: {done.told}; {found}")
        return done

    # In memory

    def memory(self, chance: random.Random) -> Done:
        """Records, as the proof is fed with them."""
        return self._log("memory", chance, self._walk)

    def _walk(self, records: Records) -> Breach | None:
        walk = Walk(self._checkpoints)
        try:
            walk.take(records)
            walk.finish()
            for first, second in walk.repeated():
                check_receipts(records[first - 1], records[second - 1])
        except Breach as breach:
            return breach
        return None

    def _log(self, layer: Layer, chance: random.Random, judge: Callable[[Records], Breach | None]) -> Done:
        kind = chance.choice(HARMS)
        harmed = kind(chance, self._records, self._sizes)
        breach = judge(harmed.records)
        return Done(layer, kind.__name__, harmed.told, breach, self._is_right(harmed, breach))

    def _is_right(self, harmed: Harmed, breach: Breach | None) -> bool:
        if breach is None or breach.place.position is None:
            return False
        found = Where(breach.place.position, breach.place.upto)
        if harmed.where:
            return any(_is_narrower(found, one) for one in harmed.where)
        orders = [first_place(order, self._roots) for order in (harmed.records, harmed.other_order) if order]
        expected = [one for one in orders if one is not None]
        assert len(expected) == len(orders), "this would be a harm that nobody can find"
        return any(_is_narrower(found, one) for one in expected)

    # An export

    def lines(self, chance: random.Random) -> Done:
        """An export whose log was written anew."""
        return self._log("export", chance, self._judge_lines)

    def _judge_lines(self, records: Records) -> Breach | None:
        with _restoring(self._bundle / EVENTS) as file:
            file.write_bytes(b"".join(map(_line, records)))
            return verify_path(self._bundle, Trusting(None, [self._evidence.key]), Silence()).breach

    def line_byte(self, chance: random.Random) -> Done:
        """One byte of an exported log, ends of lines included."""
        with _restoring(self._bundle / EVENTS) as file:
            text = file.read_bytes()
            at = chance.randrange(len(text))
            file.write_bytes(text[:at] + other_byte(chance, text[at : at + 1]) + text[at + 1 :])
            breach = verify_path(self._bundle, Trusting(None, [self._evidence.key]), Silence()).breach
        line = text.count(b"\n", 0, at) + 1
        right = breach is not None and breach.place.position == line and breach.place.upto is None
        return Done("export", "one byte of the log", f"byte {at} in line {line}", breach, right)

    def checkpoint_byte(self, chance: random.Random) -> Done:
        """One byte of a checkpoint, a notice or a key, or a file under another's name."""
        path = chance.choice(self._files)
        kind = "one byte of a checkpoint or key"
        with _restoring(path) as file:
            other = chance.choice([each for each in self._files if each.suffix == ".checkpoint"])
            if path.suffix == ".checkpoint" and other != path and chance.random() < 0.2:
                kind = "another checkpoint under its name"
                file.write_bytes(other.read_bytes())
            else:
                file.write_bytes(other_byte(chance, file.read_bytes()))
            breach = verify_path(self._bundle, Trusting(None, [self._evidence.key]), Silence()).breach
        right = breach is not None and breach.place.file in _NAMES.get(path.name, {path.name})
        return Done("checkpoints", kind, path.name, breach, right)

    def statement_byte(self, chance: random.Random) -> Done:
        """One byte of a statement."""
        path = chance.choice(self._evidence.statements)
        text = path.read_bytes()
        at = chance.randrange(len(text))
        self._statement.write_bytes(text[:at] + other_byte(chance, text[at : at + 1]) + text[at + 1 :])
        breach = verify_path(self._statement, Trusting(None, [self._evidence.key]), Silence()).breach
        return Done("statement", "one byte of a statement", f"byte {at} of {path.name}", breach, breach is not None)

    # A database

    def rows(self, chance: random.Random) -> Done:
        """The rows of a real database."""
        return self._log("database", chance, self._judge_rows)

    def subtree(self, chance: random.Random) -> Done:
        """One byte of a kept subtree, or one that should not be there."""
        stray = chance.random() < 0.3
        with psycopg.connect(owner(self._database)) as connection:
            kept = connection.execute("SELECT * FROM ledger.subtrees").fetchall()
            if stray:
                place = (8, 10 + chance.randrange(1_000), chance.randbytes(32))
                connection.execute("INSERT INTO ledger.subtrees VALUES (%s, %s, %s)", place)
            else:
                place = chance.choice(kept)
                values = (other_byte(chance, place[2]), place[0], place[1])
                connection.execute("UPDATE ledger.subtrees SET hash = %s WHERE level = %s AND place = %s", values)
        breach = self.judge_database()
        with psycopg.connect(owner(self._database)) as connection:
            connection.execute("DELETE FROM ledger.subtrees")
            connection.cursor().executemany("INSERT INTO ledger.subtrees VALUES (%s, %s, %s)", kept)
        first, last = (place[1] << place[0]) + 1, (place[1] + 1) << place[0]
        right = breach is not None and (breach.what, breach.place.position, breach.place.upto) == ("tree", first, last)
        return Done("database", "a kept subtree", f"level {place[0]}, place {place[1]}", breach, right)

    def _judge_rows(self, records: Records) -> Breach | None:
        self._store(set(self._records), set(records))
        breach = self.judge_database()
        self._store(set(records), set(self._records))
        return breach

    def judge_database(self) -> Breach | None:
        """What `credit-ledger verify` finds in the database as it is."""
        folders = self._evidence.checkpoint_keys.folder.path.parent
        return asyncio.run(
            verify_ledger(self._database, online.Trusting(folders, [self._evidence.key]), Silence())
        ).breach

    def _store(self, before: set[Any], after: set[Any]) -> None:
        """Change the rows in which two logs differ, past everything that would refuse it."""
        with psycopg.connect(owner(self._database)) as connection:
            gone = [record.hash for record in before - after]
            connection.execute("DELETE FROM ledger.events WHERE hash = ANY (%s)", [gone])
            kept = [record for record in before & after if record.hash in set(gone)]
            with connection.cursor().copy(_COPY) as copy:
                for record in [*(after - before), *kept]:
                    copy.write_row(record)


def unprotected(database: str) -> None:
    """Take away what keeps the rows of a scratch database as they are: a superuser can do that anywhere."""
    with psycopg.connect(owner(database)) as connection:
        connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER USER")
        found = connection.execute(_CONSTRAINTS).fetchall()
        for [name] in found:
            connection.execute(f'ALTER TABLE ledger.events DROP CONSTRAINT "{name}"'.encode())
        connection.execute("DROP INDEX ledger.events_position, ledger.events_receipt")
        connection.execute("CREATE INDEX ON ledger.events (notification_id)")


def _line(record: Any) -> bytes:
    """What a forger would write: with text in the place of bytes that are none."""
    return to_line(record._replace(state=record.state.decode(errors="replace").encode()))


class _restoring:  # noqa: N801, it is used as a function
    """A file that has its old content again afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = path.read_bytes()

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.write_bytes(self._content)


_NAMES = {KEY: {KEY}, "000001.notice": {"notices", "notice 1"}, "first-key": {"first-key"}}
_SHARES: dict[str, int] = {
    "memory": 36,
    "lines": 16,
    "line_byte": 16,
    "checkpoint_byte": 12,
    "statement_byte": 12,
    "rows": 7,
    "subtree": 1,
}
"""How many of a hundred."""
_LAYERS: dict[str, Callable[[Tampering, random.Random], Done]] = {name: getattr(Tampering, name) for name in _SHARES}


def table(done: Sequence[Done]) -> str:
    """What was done, and found."""
    counts = Counter((one.layer, one.kind) for one in done)
    lines = [
        f"{layer:12} {kind:36} {count:7,} done {count:7,} found" for (layer, kind), count in sorted(counts.items())
    ]
    return "\n".join([*lines, f"{'':12} {'all':36} {len(done):7,} done {len(done):7,} found, 0 not found"])


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    done: list[Done] = []
    began = said = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="credit-ledger-test-") as folder, ExitStack() as stack:
        server = TestServers(Path(folder), stack).get("embedded")
        assert server is not None
        database = stack.enter_context(server.database())
        where = Path(folder) / "evidence"
        where.mkdir()
        tampering = Tampering(asyncio.run(gather(database, where, accounts=8)), database, where)
        unprotected(database)
        for number in range(options.times) if options.only is None else [options.only]:
            done.append(tampering.do(number, options.seed))
            if time.monotonic() - said > 5:
                said = time.monotonic()
                print(f"{len(done):,} of {options.times:,}", file=sys.stderr, flush=True)
    print(table(done))
    print(f"seed {options.seed}, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
