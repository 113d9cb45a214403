"""Limits in words: what a limit is about, what it says, and when it resets."""

from collections.abc import Mapping

from api.contract.answers.limits import LimitFields, limit_fields
from api.dashboard.formatting import Formatter, ordinal
from api.dashboard.limits.lengths import length_of
from ledger.domain.events import LimitsSet
from ledger.domain.limits import CREDITS

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def title_of(limit: LimitFields, names: Mapping[str, str]) -> str:
    """What a limit is about, such as: Each member, model gpt-5, each month. `names` has those of members and keys, by
    their ids."""
    parts = [] if limit["unit"] == CREDITS else [limit["unit"]]
    parts += [f"each {name}" for name in limit["each"]]
    parts += _only(limit, names)
    parts = parts or ["all usage"]
    title = ", ".join([*parts, often(limit)])
    return title if limit["unit"] != CREDITS else title[0].upper() + title[1:]


def _only(limit: LimitFields, names: Mapping[str, str]) -> list[str]:
    return [f"{name} {names.get(value, value)}" for name, value in limit["only"].items()]


def often(limit: LimitFields) -> str:
    """In which windows a limit counts, such as: each month."""
    period = limit["period"]
    if period is None:
        return "in total"
    return f"each {length_of(period['seconds']) if 'seconds' in period else period['every']}"


def rule_set(event: LimitsSet, formatter: Formatter) -> list[str]:
    """What the last limit of an event says, in sentences, and whether its counters go on."""
    limit = limit_fields(event.limits[-1])
    goes_on = limit["limit_id"] in event.kept
    return [
        f"{rule_of(limit, formatter, {})}.",
        window_of(limit),
        "Beyond it, usage is refused." if limit["hard"] else "Beyond it, usage is only counted.",
        "Its counters go on." if goes_on else "Its counters begin at 0.",
    ]


def rule_of(limit: LimitFields, formatter: Formatter, names: Mapping[str, str]) -> str:
    """What a limit says, such as: 1,000 credits for each member, only of model gpt-5."""
    rule = f"{formatter.number(limit['amount'])} {_unit(limit['unit'], limit['amount'])}"
    if limit["each"]:
        rule += f" for each {limit['each'][0]}"
    if limit["only"]:
        rule += ", only of " + " and ".join(_only(limit, names))
    return rule


def _unit(unit: str, amount: int) -> str:
    if unit == CREDITS:
        return "credit" if amount == 1 else CREDITS
    return f"units of {unit}" if amount != 1 else f"unit of {unit}"


def window_of(limit: LimitFields) -> str:
    """The window in which a limit counts, in words."""
    period = limit["period"]
    if period is None:
        return "It never resets."
    if "seconds" in period:
        return f"It resets {length_of(period['seconds'])} after the first use."
    every, starts, zone = period["every"], period.get("starts", 1), period["zone"]
    when = ""
    if every == "week":
        when = f", on {_WEEKDAYS[starts - 1]}"
    elif every == "month":
        when = f", on the {ordinal(starts)}"
    return f"It resets every {every}{when}, in {zone}."
