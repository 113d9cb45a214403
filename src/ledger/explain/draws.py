"""Explains draws: which lots an event drew from, which rule puts each lot in its place, and which lots it left alone.

This module does not sort: the lots of an account are already in burn order (see domain/lots.py). It compares the draws
that an event carries with that order and reports each difference as a violation.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice, takewhile

from ledger.domain.account import Account
from ledger.domain.holds import DisputedCredits, Hold, Holds, Return
from ledger.domain.lots import Draw, Draws, Lot
from ledger.explain.explanation import MOST_PASSED_OVER, Details, ExplainedDraw, PassedOver, Rule
from ledger.explain.sentences import counted, end_of, instant

Part = Lot | Draw


def explain_draws(before: Account, draws: Draws, at: datetime) -> Details:
    """Explain the `draws` that an event made from the lots of an account at `at`: each draw, the lots passed over, and
    violations."""
    in_order, disputed = tuple(before.lots), before.disputed
    expired = in_order[: sum(1 for _ in takewhile(lambda lot: _has_expired(lot, at), in_order))]
    spendable = in_order[len(expired) :]
    places = _places(spendable, draws)
    passed_over = [
        *(_expired(lot) for lot in expired[:MOST_PASSED_OVER]),
        *islice(_not_drawn(spendable, draws, places), MOST_PASSED_OVER),
        *islice(chain(_held(before.holds), _disputed(disputed)), MOST_PASSED_OVER),
    ]
    others = len(in_order) - len(places) + sum(len(hold.draws) for hold in (*before.holds, *disputed))
    return Details(
        draws=tuple(_explain_draw(spendable, part, places.get(part.grant_id)) for part in draws),
        passed_over=tuple(passed_over),
        passed_over_count=others,
        violations=tuple(out_of_order(spendable, draws, "the burn order", _why)),
    )


def explain_held_draws(hold: Hold, draws: Draws) -> tuple[ExplainedDraw, ...]:
    """Explain the draws that a capture made from the credits of its hold."""
    had = {part.grant_id: part.amount for part in hold.draws}
    why = f"held by {hold.hold_id}"
    return tuple(_from_hold(part, hold.hold_id, had.get(part.grant_id, 0), why) for part in draws)


def out_of_order(
    parts: Sequence[Part], taken: Sequence[Draw | Return], order: str, why: Callable[[Part, Part], str] | None = None
) -> Iterator[str]:
    """Violations where `taken` is not the beginning of `parts`, with each part used up before the next one begins.

    It reports the first part in the wrong place, and every wrong amount. `order` names the order of `parts` in words;
    `why` gives the rule by which the first of two parts comes before the second.
    """
    known = {part[0]: part for part in _front_and_named(parts, taken)}
    in_place = True
    for index, (grant_id, kind, amount, expires_at, *_) in enumerate(taken):
        expected = parts[index] if index < len(parts) else None
        # Compare with the part at this place first: a capture may draw twice from one lot, once from its hold.
        part = expected if expected is not None and expected[0] == grant_id else known.get(grant_id)
        if in_place and (part is None or part is not expected):
            in_place = False
            reason = f": {why(expected, part)}" if why and expected and part else ""
            yield f"{order} puts {expected[0] if expected else 'nothing'} next, but the event names {grant_id}{reason}"
        there = part[2] if part else 0
        if amount < 1:
            yield f"{amount:,} of {grant_id} is not a valid amount"
        if amount > there:
            yield f"the event has {amount:,} of {grant_id}, but there {'was' if there == 1 else 'were'} only {there:,}"
        elif amount < there and index < len(taken) - 1 and in_place:
            yield f"the event leaves {there - amount:,} of {grant_id} and continues with {taken[index + 1].grant_id}"
        if part is not None and (part[1], part[3]) != (kind, expires_at):
            yield f"the event has {grant_id} as {kind}, {end_of(expires_at)}; the lot is {part[1]}, {end_of(part[3])}"


def _front_and_named(parts: Sequence[Part], taken: Sequence[Draw | Return]) -> Iterator[Part]:
    """The first `len(taken)` of `parts`, then any later part that `taken` names; `parts` may be thousands long."""
    front = parts[: len(taken)]
    yield from front
    names = {part.grant_id for part in taken}.difference(part.grant_id for part in front)
    if names:
        yield from (part for part in parts[len(taken) :] if part.grant_id in names)


_RULES: dict[Rule, str] = {
    "subscription_first": "subscription before permanent",
    "earliest_expiry": "the earliest expiry first, none last",
    "oldest_grant": "the oldest grant first",
}


def _why(one: Part, other: Part) -> str:
    return _RULES[_rule(one, other)]


def _rule(one: Part, other: Part) -> Rule:
    """The rule of the burn order that decides between two lots."""
    if one.kind != other.kind:
        return "subscription_first"
    return "earliest_expiry" if one.expires_at != other.expires_at else "oldest_grant"


def _places(lots: Sequence[Lot], draws: Draws) -> dict[str, int]:
    """The index in `lots` of each drawn lot, by grant id; a lot that is not open has no index."""
    names = {part.grant_id for part in draws}
    places = {lot.grant_id: place for place, lot in enumerate(lots[: len(draws)]) if lot.grant_id in names}
    if len(places) < len(names):
        places |= {lot.grant_id: place for place, lot in enumerate(lots) if lot.grant_id in names}
    return places


def _explain_draw(lots: Sequence[Lot], part: Draw, place: int | None) -> ExplainedDraw:
    before = 0 if place is None else lots[place].remaining
    rule, why = (None, "there is no such open lot") if place is None else _place(lots, place)
    return ExplainedDraw(
        part.grant_id, part.kind, part.expires_at, None, before, part.amount, before - part.amount, rule, why
    )


def _from_hold(part: Draw, hold_id: str, before: int, why: str) -> ExplainedDraw:
    after = before - part.amount
    return ExplainedDraw(part.grant_id, part.kind, part.expires_at, hold_id, before, part.amount, after, "as_held", why)


def _place(lots: Sequence[Lot], place: int) -> tuple[Rule, str]:
    """The rule that gives a lot its place, found by comparison with the lot before it, or after it for the first."""
    lot = lots[place]
    if place:
        rule = _rule(lots[place - 1], lot)
        return rule, _after(lots[place - 1], lot, rule)
    if len(lots) == 1:
        return "only_lot", "the only open lot"
    rule = _rule(lot, lots[1])
    return rule, _before(lot, lots[1], rule)


def _before(lot: Lot, other: Lot, rule: Rule) -> str:
    if rule == "subscription_first":
        return f"before {other.grant_id}: subscription before permanent"
    if rule == "oldest_grant":
        return f"before {other.grant_id}, a newer grant"
    return f"before {other.grant_id}, which {'does not lapse' if other.expires_at is None else 'lapses later'}"


def _after(previous: Lot, lot: Lot, rule: Rule) -> str:
    if rule == "subscription_first":
        return f"after {previous.grant_id}: subscription before permanent"
    if rule == "oldest_grant":
        return f"after {previous.grant_id}, an older grant"
    end = "lapses, and this does not" if lot.expires_at is None else "lapses earlier"
    return f"after {previous.grant_id}, which {end}"


def _not_drawn(lots: Sequence[Lot], draws: Draws, places: dict[str, int]) -> Iterator[PassedOver]:
    last = max(places.values(), default=-1)
    for place, lot in enumerate(lots):
        if lot.grant_id in places:
            continue
        grant_id, kind, remaining, expires_at = lot
        if place < last:
            why = f"skipped, although it comes before {lots[last].grant_id}"
            yield PassedOver(grant_id, kind, expires_at, remaining, "skipped", None, why)
        else:
            why = f"not needed, {_place(lots, place)[1]}"
            yield PassedOver(grant_id, kind, expires_at, remaining, "not_needed", None, why)


def _expired(lot: Lot) -> PassedOver:
    why = f"expired: it {end_of(lot.expires_at)}"
    return PassedOver(lot.grant_id, lot.kind, lot.expires_at, lot.remaining, "expired", None, why)


def _held(holds: Holds) -> Iterator[PassedOver]:
    for hold in holds:
        why = f"held by {hold.hold_id} until {instant(hold.expires_at)}"
        for grant_id, kind, amount, expires_at in hold.draws:
            yield PassedOver(grant_id, kind, expires_at, amount, "held", hold.hold_id, why)


def _disputed(disputed: DisputedCredits) -> Iterator[PassedOver]:
    for one in disputed:
        why = f"held by {one.hold_id} until dispute {one.dispute_id} ends"
        for grant_id, kind, amount, expires_at in one.draws:
            yield PassedOver(grant_id, kind, expires_at, amount, "held", one.hold_id, why)


def _has_expired(lot: Lot, at: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= at


def wrong_sum(draws: Draws, amount: int) -> Iterator[str]:
    """A violation when `draws` do not add up to `amount`."""
    found = sum(part.amount for part in draws)
    if found != amount:
        yield f"the draws add up to {found:,}, but the event records {counted(amount)}"
