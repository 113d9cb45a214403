"""The kept subtrees as somebody sees them who believes none of them."""

from collections.abc import Mapping

from ledger.postgres.named_sql import queries
from ledger.proof.merkle import Node
from ledger.proof.tree import STEP
from ledger.proof.walk import Breach, Place
from ledger.store.log import Connection

SQL = queries("ledger.proof", "sql/kept_subtrees.sql")


async def check_kept(connection: Connection, expected: Mapping[Node, bytes]) -> None:
    """Raise Breach when what is kept of some subtrees is not what the events come to. None has to be kept."""
    parameters = {"levels": [node.level for node in expected], "places": [node.place for node in expected]}
    rows = await (await connection.execute(SQL["kept_subtrees"], parameters, binary=True)).fetchall()
    for level, place, hash_ in sorted(rows):
        node = Node(level, place)
        if bytes(hash_) != expected[node]:
            raise _breach(node, "a subtree that is kept is not what its events come to", expected[node], bytes(hash_))


async def check_no_strays(connection: Connection) -> None:
    """Raise Breach when something is kept as a subtree that is none."""
    row = await (await connection.execute(SQL["stray_subtrees"], {"step": STEP}, binary=True)).fetchone()
    if row is not None:
        raise _breach(Node(row[0], row[1]), "a subtree is kept of events that are not there", None, None)


def _breach(node: Node, problem: str, expected: bytes | None, found: bytes | None) -> Breach:
    level = max(node.level, 0)  # what stands in the table may be anything
    place = Place(
        (node.place << level) + 1, upto=(node.place + 1) << level, file=f"subtree {node.place} of level {node.level}"
    )
    return Breach("tree", place, problem, *[each.hex() if each else None for each in (expected, found)])
