"""The Merkle tree over the log in PostgreSQL: roots and proofs of any size, from the events and the stored subtrees.

Subtrees of every eighth level are stored in ledger.subtrees. Missing ones are computed from the events, so a tree is
correct as long as the stored subtrees are; `subtrees_match_log` checks them cheaply, `credit-ledger verify` thoroughly.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ledger.postgres.arrays import bigints, byteas
from ledger.postgres.named_sql import queries
from ledger.proof.merkle import (
    Frontier,
    Node,
    Path,
    assemble,
    consistency_path,
    inclusion_path,
    leaves,
    root,
    subtrees,
)
from ledger.store.links import Links
from ledger.store.reader import Connection, Reader

SQL = queries("ledger.proof", "sql/tree.sql")
STEP = 8
"""The distance between two stored levels."""
PAGE = 64 << STEP
"""The number of events that are read at once."""
VERIFIED = 2_000
"""The number of events that are read at once with all columns."""
_HASH = 32


class HoleInLog(Exception):
    """Events are missing in the middle of the log. The ledger never writes such a log."""


def _hole(count: int, begin: int, end: int) -> HoleInLog:
    return HoleInLog(f"only {count:,} of the events at positions {begin + 1:,} to {end:,} exist")


class Tree:
    """The tree of a log. With `kept=False` it ignores the stored subtrees and computes everything from the events."""

    def __init__(self, connection: Connection, *, kept: bool = True) -> None:
        self._connection = connection
        self._kept = kept

    async def end(self) -> int:
        """The number of events in the log."""
        row = await (await self._connection.execute(SQL["end"])).fetchone()
        assert row is not None
        return int(row[0])

    async def confirm(self) -> None:
        """Wait until no failover can remove the events that were read here, because a signature cannot be undone."""
        await Reader(self._connection).confirm()

    async def leaves(self, begin: int, end: int) -> list[bytes]:
        """The leaves from index `begin` to before `end`. Raises HoleInLog, also when the log ends earlier."""
        [row] = await self._stretches([range(begin, end)])
        return row

    async def verified_leaves(self, begin: int, end: int, links: Links) -> list[bytes]:
        """The same, computed from the events, which must continue the chains of their accounts. Raises UnreadableEvent.

        At most VERIFIED leaves.
        """
        reader = Reader(self._connection)
        records = await reader.records(begin, end, VERIFIED)
        if [record.position for record in records] != list(range(begin + 1, end + 1)):
            raise _hole(len(records), begin, end)
        await links.verify(reader, records)
        return leaves([record.hash for record in records])

    async def _stretches(self, wanted: Sequence[range]) -> list[list[bytes]]:
        parameters = {
            "afters": bigints([stretch.start for stretch in wanted]),
            "uptos": bigints([stretch.stop for stretch in wanted]),
        }
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(SQL["event_hashes"], parameters, prepare=True)
            rows = await cursor.fetchall()
        found = []
        for stretch, (_, hashes, count) in zip(wanted, rows, strict=True):
            if count != len(stretch):
                raise _hole(count, stretch.start, stretch.stop)
            found.append(leaves([hashes[at : at + _HASH] for at in range(0, len(hashes), _HASH)]))
        return found

    async def hashes(self, nodes: Iterable[Node]) -> dict[Node, bytes]:
        """The hashes of complete subtrees, by node. Raises HoleInLog."""
        wanted: defaultdict[int, list[tuple[Node, range]]] = defaultdict(list)
        for node in dict.fromkeys(nodes):
            below = node.level % STEP
            wanted[node.level - below].append((node, range(node.place << below, (node.place + 1) << below)))
        found: dict[Node, bytes] = {}
        for level, parts in wanted.items():
            row = await self._row(level, [places for _, places in parts])
            found |= {node: root([row[place] for place in places]) for node, places in parts}
        return found

    async def _row(self, level: int, wanted: Iterable[range]) -> dict[int, bytes]:
        """Hashes of one stored level, by place. At level 0 they are the leaves."""
        stretches = list(_merged(wanted))
        if level == 0:
            rows = await self._stretches(stretches)
            return {
                place: one
                for part, row in zip(stretches, rows, strict=True)
                for place, one in zip(part, row, strict=True)
            }
        found = await self._read(level, stretches)
        missing = [place for part in stretches for place in part if place not in found]
        for start in range(0, len(missing), PAGE >> STEP):
            places = missing[start : start + (PAGE >> STEP)]
            ranges = {place: range(place << STEP, (place + 1) << STEP) for place in places}
            below = await self._row(level - STEP, ranges.values())
            found |= {place: root([below[one] for one in part]) for place, part in ranges.items()}
        return found

    async def _read(self, level: int, stretches: Sequence[range]) -> dict[int, bytes]:
        if not self._kept:
            return {}
        parameters = {
            "level": level,
            "begins": bigints([part.start for part in stretches]),
            "ends": bigints([part.stop for part in stretches]),
        }
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(SQL["subtrees"], parameters, prepare=True)
            return {place: bytes(one) for place, one in await cursor.fetchall()}

    async def frontier(self, size: int) -> Frontier:
        """The frontier of the tree of the first `size` events. Raises HoleInLog."""
        peaks = list(subtrees(0, size))
        found = await self.hashes(peaks)
        return Frontier(size, tuple(found[peak] for peak in peaks))

    async def root(self, size: int) -> bytes:
        """The root over the first `size` events. Raises HoleInLog."""
        return (await self.frontier(size)).root()

    async def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The proof that the event at position `index` + 1 is among the first `size`. Raises HoleInLog, ValueError."""
        [proof] = await self.inclusion_proofs([index], size)
        return proof

    async def inclusion_proofs(self, indices: Sequence[int], size: int) -> list[list[bytes]]:
        """Inclusion proofs for several events, made together to read less. Raises HoleInLog, ValueError."""
        return await self._proofs([inclusion_path(index, size) for index in indices])

    async def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """The proof that the first `old` events are the beginning of the first `new`. Raises HoleInLog, ValueError."""
        [proof] = await self._proofs([consistency_path(old, new)])
        return proof

    async def _proofs(self, paths: Sequence[Path]) -> list[list[bytes]]:
        hashes = await self.hashes(node for path in paths for part in path for node in part)
        return [assemble(path, hashes) for path in paths]

    async def stored_size(self) -> int:
        """The number of events that the stored subtrees cover without a gap; 0 when one is missing in between."""
        kept = {level: (count, last + 1) for level, count, last in await self._stored_levels()}
        count = kept.get(STEP, (0, 0))[0]
        expected = {level: (there, there) for level in range(STEP, 64, STEP) if (there := count << STEP >> level)}
        return count << STEP if kept == expected else 0

    async def subtrees_match_log(self) -> bool:
        """Whether the newest stored subtrees match the events of the log.

        They do not when the end of the log was cut off and other events were written.
        """
        kept = [last for level, _, last in await self._stored_levels() if level == STEP]
        if not kept:
            return True
        end = kept[0] + 1
        if end << STEP > await self.end():
            return False
        newest = range(max(0, end - (PAGE >> STEP)), end)
        row = await self.leaves(newest.start << STEP, newest.stop << STEP)
        made = {place: root(row[at << STEP : (at + 1) << STEP]) for at, place in enumerate(newest)}
        found = await self._read(STEP, [newest])
        return all(made[place] == one for place, one in found.items())

    async def _stored_levels(self) -> list[tuple[int, int, int]]:
        """Each stored level with the number of its subtrees and the last place."""
        cursor = await self._connection.execute(SQL["kept"])
        return [(level, count, last) for level, count, last in await cursor.fetchall()]

    async def store_subtrees(self, size: int, completed: Sequence[Sequence[bytes]]) -> None:
        """Store the subtrees that `Frontier.grow` completed on a tree of `size` events."""
        rows = [
            (level, place, one)
            for level, places, made in _stored_levels_of(size, completed)
            for place, one in zip(places, made, strict=True)
        ]
        if rows:
            levels, places, hashes = zip(*rows, strict=True)
            parameters = {"levels": bigints(levels), "places": bigints(places), "hashes": byteas(hashes)}
            await self._connection.execute(SQL["store_subtrees"], parameters)

    async def delete_subtrees(self) -> None:
        """Delete all stored subtrees."""
        await self._connection.execute(SQL["delete_subtrees"])


def _stored_levels_of(size: int, completed: Sequence[Sequence[bytes]]) -> Iterator[tuple[int, range, Sequence[bytes]]]:
    for level in range(STEP, len(completed), STEP):
        first = size >> level
        yield level, range(first, first + len(completed[level])), completed[level]


def _merged(wanted: Iterable[range]) -> Iterator[range]:
    """The same places, merged into as few ranges as possible, in order."""
    begin = end = -1
    for part in sorted(wanted, key=lambda part: part.start):
        if part.start > end:
            if begin >= 0:
                yield range(begin, end)
            begin = part.start
        end = max(end, part.stop)
    if begin >= 0:
        yield range(begin, end)
