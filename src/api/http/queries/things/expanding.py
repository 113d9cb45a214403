"""What `expand` adds to an answer: the things that it names by their ids. See docs/adr/0107-expand.md.

All things of one kind are read with one statement, however many there are, and from the snapshot of the answer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.contract.answers.lists import Bought, Grant, Hold, Payment, grant, hold
from api.contract.answers.things.deductions import Deduction, DeductionDraw, deduction_fields
from api.contract.answers.things.thing import CapturesIfAny, ExpandedIfAny
from api.http.queries.reads import Reads
from ledger.domain.events import HoldCaptured
from ledger.domain.related_events import names_of
from ledger.explain.subscriptions.answer import subscriptions_now
from ledger.readable_texts import with_descriptions
from ledger.store import Logged, read
from projections.models.balances.projection import BALANCES
from projections.models.balances.queries import grants_numbered, holds_page
from projections.models.views import Snapshot

MAX_CAPTURES = 100
"""The most captures of a hold in one answer."""
MAX_PAYMENTS = 100
"""The most payments of a page with `expand`."""

OfPayments = Annotated[
    Literal["grants", "subscription", "grants,subscription"],
    Field(description="the grants that it paid for, as their list has them; its subscription, as it is now"),
]
NOTHING: frozenset[str] = frozenset()


def names_in(expand: str | None) -> frozenset[str]:
    """The names in a parameter `expand`, which is checked already."""
    return frozenset(expand.split(",")) if expand else NOTHING


async def add_grants(
    moment: Snapshot, account_id: str, parts: Sequence[Bought] | Sequence[DeductionDraw], now: datetime
) -> list[Grant]:
    """Put into each part the grant whose id it has. Returns the grants; their descriptions are still sealed."""
    numbers = {int(part["grant_id"].removeprefix("grt_")) for part in parts}
    rows = await grants_numbered(moment, account_id, now=now, numbers=sorted(numbers)) if numbers else []
    grants = {told["grant_id"]: told for told in map(grant, rows)}
    for part in parts:
        part["grant"] = grants[part["grant_id"]]
    return list(grants.values())


async def expand_deduction(
    reads: Reads, account_id: str, told: Deduction, least: int, names: frozenset[str]
) -> ExpandedIfAny:
    """Put the grants into the draws of a deduction; its hold, and the position of both.

    They include the events up to position `least`. Raises NotYetVisible and NotBuilt.
    """
    if not names:
        return {}
    now, hold_id = reads.clock(), told["hold_id"] if "hold" in names else None
    async with reads.views.snapshot(BALANCES, at_least=least) as moment:
        grants = await add_grants(moment, account_id, told["draws"], now) if "grants" in names else []
        holds = [await _hold(moment, account_id, hold_id, now)] if hold_id is not None else []
    await with_descriptions(reads.ledger.log, account_id, grants)
    await with_descriptions(reads.ledger.log, account_id, holds)
    expanded: ExpandedIfAny = {"as_of_position": moment.position, "as_of": moment.as_of}
    if "hold" in names:
        expanded["hold"] = holds[0] if holds else None
    return expanded


async def _hold(moment: Snapshot, account_id: str, hold_id: str, now: datetime) -> Hold:
    """A hold that the snapshot has."""
    number = int(hold_id.removeprefix("hld_"))
    [row] = await holds_page(moment, account_id, now=now, before=number + 1, status=None, limit=1)
    return hold(row)


async def captures_of(reads: Reads, account_id: str, hold_id: str, upto: int) -> CapturesIfAny:
    """The newest captures of a hold, as deductions, from the events up to a position."""
    about = await _events(reads, account_id, [hold_id], upto)
    made = [one.event.deduction_id for one in about if isinstance(one.event, HoldCaptured)]
    newest = made[-MAX_CAPTURES:][::-1]
    events: dict[str, list[Logged]] = {name: [] for name in newest}
    for one in await _events(reads, account_id, newest, upto) if newest else ():
        for name in names_of(one.event) & events.keys():
            events[name].append(one)
    found = [deduction_fields(name, events[name]) for name in newest]
    captures = await with_descriptions(reads.ledger.log, account_id, [told for told in found if told is not None])
    return {"captures": captures, "captures_left_out": len(made) - len(newest)}


async def _events(reads: Reads, account_id: str, names: Sequence[str], upto: int) -> list[Logged]:
    """The events that made some things or are about them, up to a position."""
    rows = await reads.ledger.about(account_id, *names)
    return read([row for row in rows if row.position <= upto])


async def add_grants_of_payments(
    moment: Snapshot, account_id: str, payments: Sequence[Payment], now: datetime
) -> list[Grant]:
    """Put into each grant of some payments the whole grant. Returns them; their descriptions are still sealed."""
    return await add_grants(moment, account_id, [part for payment in payments for part in payment["grants"]], now)


async def finish_payments(
    reads: Reads, account_id: str, payments: Sequence[Payment], grants: Sequence[Grant], names: frozenset[str]
) -> None:
    """Unseal the grants that were put into payments, and put in the subscriptions, as they are now."""
    await with_descriptions(reads.ledger.log, account_id, grants)
    if "subscription" in names:
        found = await reads.ledger.account_at(account_id)
        now = subscriptions_now(found.account, found.as_of) if found is not None else []
        known = {one["subscription_id"]: one for one in now}
        for payment in payments:
            payment["subscription"] = known.get(payment["subscription_id"] or "")
