"""Checks the stored subtrees against hashes that were computed from the events."""

from collections.abc import Mapping

from ledger.postgres.named_sql import queries
from ledger.proof.merkle import Node
from ledger.proof.tree import STEP
from ledger.proof.walk import Breach, Place
from ledger.store.reader import Connection

SQL = queries("ledger.proof", "sql/kept_subtrees.sql")


async def check_kept(connection: Connection, expected: Mapping[Node, bytes], agreed: int = 0) -> int:
    """Compare the stored subtrees with the `expected` hashes of their nodes. A node need not be stored.

    Returns up to which position stored subtrees cover the log without a gap; before, they did so up to `agreed`.
    Raises Breach at the first difference.
    """
    parameters = {"levels": [node.level for node in expected], "places": [node.place for node in expected]}
    rows = await (await connection.execute(SQL["kept_subtrees"], parameters, binary=True)).fetchall()
    for level, place, hash_ in sorted(rows):
        node = Node(level, place)
        if bytes(hash_) != expected[node]:
            raise _breach(node, "a stored subtree does not match its events", expected[node], bytes(hash_))
        if node.begin <= agreed:
            agreed = max(agreed, node.end)
    return agreed


async def check_no_strays(connection: Connection) -> None:
    """Raise Breach when a row is no possible subtree: wrong level, or events that do not exist."""
    row = await (await connection.execute(SQL["stray_subtrees"], {"step": STEP}, binary=True)).fetchone()
    if row is not None:
        raise _breach(Node(row[0], row[1]), "a subtree is stored for events that do not exist", None, None)


def _breach(node: Node, problem: str, expected: bytes | None, found: bytes | None) -> Breach:
    level = max(node.level, 0)  # the table may contain any value
    place = Place(
        (node.place << level) + 1, upto=(node.place + 1) << level, file=f"subtree {node.place} of level {node.level}"
    )
    return Breach("tree", place, problem, *[each.hex() if each else None for each in (expected, found)])
