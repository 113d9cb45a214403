"""The language of the scenarios: one command per line, with what it answers and the balance after it.

    == A title begins a scenario, on a fresh account
    day 0          | open with 100             | opened; grt_2 +100          | sub 0 perm 100 held 0
    day 3 12:00:00 | deduct 40                 | ded_3 = grt_2 40            | sub 0 perm 60 held 0
                   | deduct 61                 | refused insufficient_credits | sub 0 perm 60 held 0

An empty first column means the same moment as the line before; lines that begin with # are for the reader. Amounts are
JSON values, so that wrong ones can be written too. What a command may look like is COMMANDS, below; how answers read is
telling.py. A refusal may be followed by its numbers in brackets, which are compared when they are written.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ledger.domain import commands as c
from ledger.domain.periods import CalendarPeriod, Period, TimedPeriod
from ledger.domain.plans.terms import Interval, Terms
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.exact import ZERO, exact
from ledger.domain.pricing.price import Price, Priced
from ledger.domain.pricing.rates import Flat, PerUnit, Rate
from ledger.domain.pricing.rating import price
from ledger.domain.usage import Usage
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO

Make = Callable[[re.Match[str]], c.Command | None]
Ask = Callable[[], c.Command | None]


class ScriptError(Exception):
    """A line that is not in the language; the message begins with file:line."""


@dataclass(frozen=True)
class Line:
    """One line of a table: `ask` makes its command, which may be refused already then."""

    where: str
    at: datetime
    times: int
    ask: Ask
    answer: str
    balance: str


@dataclass(frozen=True)
class Scenario:
    """A title, and the lines below it."""

    where: str
    title: str
    lines: list[Line]


def amount(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def moment(text: str) -> datetime:
    found = re.fullmatch(r"day (\d+)(?: (\d\d):(\d\d):(\d\d))?", text)
    if found is None:
        raise ValueError(f"{text!r} is not a moment such as `day 3` or `day 3 12:00:00`")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return DAY_ZERO + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def length(text: str) -> timedelta:
    count, unit = text.split()
    return timedelta(**{unit.rstrip("s") + "s": float(count)})


def grant(words: re.Match[str]) -> c.GrantCredits:
    kind, size, source, start, end, lifetime = words.group("kind", "size", "source", "start", "end", "lifetime")
    return c.GrantCredits(
        ACCOUNT_ID,
        kind,  # type: ignore[arg-type]
        amount(size),
        source,  # type: ignore[arg-type]
        expires_at=moment(end) if end else None,
        lifetime=length(lifetime) if lifetime else None,
        effective_at=moment(start) if start else None,
    )


def labels(text: str | None) -> dict[str, str | None] | None:
    """Labels such as `plan=pro,region=`; without a value, a label is removed. `n*x` stands for n labels."""
    if text is None:
        return None
    if counted := re.fullmatch(r"(\d+)\*(\w+)", text):
        return {f"{counted[2]}{number}": "v" for number in range(int(counted[1]))}
    pairs = [pair.split("=") for pair in text.split(",")]
    return {name: value or None for name, value in pairs}


def hold(words: re.Match[str]) -> c.PlaceHold:
    if words["length"] is None:
        return c.PlaceHold(ACCOUNT_ID, amount(words["size"]), usage=usage(words["usage"]))
    return c.PlaceHold(ACCOUNT_ID, amount(words["size"]), length(words["length"]), usage=usage(words["usage"]))


def capture(words: re.Match[str]) -> c.CaptureHold:
    final, on_excess = (
        words["more"] is None,
        {None: "reject", "draw the excess": "draw"}.get(words["draw"], "available"),
    )
    size, if_frozen = amount(words["size"]), "refuse" if words["unless"] else "accept"
    used = moment(words["used"]) if words["used"] else None
    said = usage(words["usage"])
    return c.CaptureHold(ACCOUNT_ID, words["id"], size, final, on_excess, said, if_frozen, used)  # type: ignore[arg-type]


def payment(words: re.Match[str]) -> c.RecordPayment:
    status, cents = words["status"] or "paid", amount(words["cents"])
    bought = tuple(grant(found) for found in _each_grant(words["bought"]))
    provider, currency = words["provider"] or "stripe", "eur"
    return c.RecordPayment(
        ACCOUNT_ID,
        words["id"],
        provider,
        status,  # type: ignore[arg-type]
        cents,
        currency,
        grants=bought,
    )


def usage(text: str | None) -> dict[str, str | int] | None:
    """Usage such as `member ada, metric rag_query, quantity 3`."""
    if text is None:
        return None
    pairs = (part.split() for part in text.split(", "))
    return {name: int(value) if name == "quantity" else value for name, value in pairs}


def limits(words: re.Match[str]) -> c.SetLimits:
    """Limits such as `month 1000 credits each member per day, queries 5 rag_query soft`."""
    wanted = []
    for text in words["limits"].split(", ") if words["limits"] else []:
        found = re.fullmatch(
            r"(?P<id>\S+) (?P<size>\d+) (?P<unit>\S+)(?: each (?P<each>\w+))?(?: only (?P<name>\w+) (?P<value>\w+))?"
            r"(?: per (?P<every>\w+)| in (?P<seconds>\d+) seconds)?(?P<soft> soft)?(?: from (?P<used>\d+))?",
            text,
        )
        if found is None:
            raise ScriptError(f"no limit reads {text!r}")
        period: Period | None = CalendarPeriod(found["every"]) if found["every"] else None  # type: ignore[arg-type]
        if found["seconds"]:
            period = TimedPeriod(int(found["seconds"]))
        limit = c.NewLimit(
            found["id"],
            int(found["size"]),
            (found["each"],) if found["each"] else (),  # type: ignore[arg-type]
            ((found["name"], found["value"]),) if found["name"] else (),  # type: ignore[arg-type]
            found["unit"],
            period,
            hard=not found["soft"],
            used=int(found["used"]) if found["used"] else None,
        )
        wanted.append(limit)
    return c.SetLimits(ACCOUNT_ID, words["source"], tuple(wanted))


def many_limits(words: re.Match[str]) -> c.SetLimits:
    """As many limits as fit, or for as many members as fit."""
    members = {f"m{number}": 0 for number in range(int(words["members"] or 0))}
    begun, allowed = (members, None) if words["what"] == "counters" else (None, members)
    limits = [
        c.NewLimit(f"{words['source']}{number}", 1, ("member",), used=begun, allowances=allowed)
        for number in range(int(words["count"]))
    ]
    return c.SetLimits(ACCOUNT_ID, words["source"], tuple(limits))


def receive(words: re.Match[str]) -> c.ReceiveCredits:
    """Some lots, such as `receive trf_7 from bob: grt_2 30, grt_5 10 until day 9`."""
    lots = []
    for text in words["lots"].split(", "):
        name, size, end = re.fullmatch(r"(grt_\d+) (\d+)(?: until (.+))?", text).groups()  # type: ignore[union-attr]
        expires_at = moment(end) if end else None
        kind: Any = "subscription" if end else "permanent"
        lots.append(c.MovedLot(name, kind, amount(size), expires_at, "topup", DAY_ZERO, words["sender"], name))
    return c.ReceiveCredits(ACCOUNT_ID, words["sender"], None, words["id"], tuple(lots))


def _each_grant(text: str | None) -> Iterator[re.Match[str]]:
    for part in text.split(" and ") if text else ():
        found = re.fullmatch(GRANT, part)
        if found is None:
            raise ValueError(f"{part!r} is not a grant")
        yield found


PRICES = PriceBook.of(
    1,
    "0" * 64,
    [
        Rate("*", "*", "image", (PerUnit("quantity", exact("2.5")),)),
        Rate("*", "tiny", "image", (PerUnit("quantity", exact("1/3")),), minimum=exact("0.5")),
        Rate("*", "*", "gift", (Flat(ZERO),), free=("quantity",)),
    ],
)
"""An image costs 2.5 credits, one of the model tiny a third, and at least half a credit. A gift costs nothing."""


def _priced(words: re.Match[str]) -> tuple[int, Usage, Priced]:
    said = usage(words["usage"]) or {}
    found = price(PRICES, said)
    return found.credits if isinstance(found, Price) else 0, said, found


def priced_deduction(words: re.Match[str]) -> c.DeductCredits:
    amount, said, found = _priced(words)
    on_shortfall: c.OnShortfall = "available" if words["short"] else "reject"
    return c.DeductCredits(ACCOUNT_ID, amount, usage=said, on_shortfall=on_shortfall, price=found)


def priced_hold(words: re.Match[str]) -> c.PlaceHold:
    amount, said, found = _priced(words)
    return c.PlaceHold(ACCOUNT_ID, amount, usage=said, price=found)


def priced_capture(words: re.Match[str]) -> c.CaptureHold:
    amount, said, found = _priced(words)
    on_excess: c.OnExcess = "draw" if words["draw"] else "reject"
    return c.CaptureHold(ACCOUNT_ID, words["id"], amount, on_excess=on_excess, usage=said, price=found)


GRANT = (
    r"(?P<kind>subscription|permanent) (?P<size>\S+)(?: from (?P<source>\w+))?"
    r"(?: starts (?P<start>day \d+(?: \d\d:\d\d:\d\d)?))?"
    r"(?: expires (?P<end>day .+)| for (?P<lifetime>\d+ \w+))?"
)
USAGE = r"(?: by (?P<usage>.+))?"
_numbers = count(1)
USED = r"(?: used on (?P<used>day .+?))?"
COMMANDS: dict[str, Make] = {
    r"open(?: with (?P<size>\S+))?(?: labelled (?P<labels>\S+))?": lambda m: c.OpenAccount(
        ACCOUNT_ID,
        amount(m["size"]) or 0,
        labels=labels(m["labels"]),  # type: ignore[arg-type]
    ),
    r"update(?: description (?P<text>\S+))?(?: labels (?P<labels>\S+))?": lambda m: c.UpdateAccount(
        ACCOUNT_ID, m["text"], labels=labels(m["labels"])
    ),
    rf"grant {GRANT}": grant,
    rf"deduct what it costs(?P<short> or what there is)?{USAGE}": priced_deduction,
    rf"hold what it costs{USAGE}": priced_hold,
    rf"capture (?P<id>\w+) what it costs(?P<draw> and draw the excess)?{USAGE}": priced_capture,
    rf"deduct (?P<size>\S+)(?P<short> or what there is)?{USED}{USAGE}": lambda m: c.DeductCredits(
        ACCOUNT_ID,
        amount(m["size"]),
        usage=usage(m["usage"]),
        occurred_at=moment(m["used"]) if m["used"] else None,
        on_shortfall="available" if m["short"] else "reject",
    ),
    rf"hold (?P<size>\S+)(?: for (?P<length>\S+ \w+))?{USAGE}": hold,
    r"extend (?P<id>\w+) for (?P<length>\S+ \w+)": lambda m: c.ExtendHold(ACCOUNT_ID, m["id"], length(m["length"])),
    r"capture (?P<id>\w+)(?: (?P<size>[^a\s]\S*))?(?P<more> and more later)?"
    r"(?: and (?P<draw>draw the excess|take what there is))?"
    rf"(?P<unless> unless frozen)?{USED}{USAGE}": capture,
    r"release (?P<id>\w+)": lambda m: c.ReleaseHold(ACCOUNT_ID, m["id"]),
    r"reverse (?P<id>\w+)(?: (?P<size>\S+))?": lambda m: c.ReverseDeduction(ACCOUNT_ID, m["id"], amount(m["size"])),
    r"void (?P<id>\w+)(?: (?P<size>\S+))?": lambda m: c.VoidGrant(ACCOUNT_ID, m["id"], amount(m["size"])),
    r"expire (?P<id>\w+) (?:on (?P<end>day .+?)|never)(?P<reinstate> and reinstate)?": lambda m: c.ChangeGrantExpiry(
        ACCOUNT_ID, m["id"], moment(m["end"]) if m["end"] else None, m["reinstate"] is not None
    ),
    r"pay (?P<id>\S+) (?P<cents>\S+)(?: (?P<status>failed|refunded))?(?: by (?P<provider>\w+))?"
    r"(?: for (?P<bought>(?:subscription|permanent) .+))?": payment,
    r"refund (?P<id>\S+) as (?P<refund>\S+?)(?:: (?P<cents>\S+))?(?: by (?P<provider>\w+))?": lambda m: c.RefundPayment(
        ACCOUNT_ID, m["id"], m["refund"], amount(m["cents"]), m["provider"]
    ),
    r"dispute (?P<id>\S+) as (?P<dispute>\S+?)(?:: (?P<cents>\S+))? (?P<state>open|won|lost)(?: by (?P<provider>\w+))?"
    r"(?: and (?P<effect>freeze|record))?": lambda m: c.RecordDispute(
        ACCOUNT_ID,
        m["id"],
        m["dispute"].replace("*", str(next(_numbers))),
        m["state"],  # type: ignore[arg-type]
        amount(m["cents"]),
        m["provider"],
        effect=m["effect"] or "hold",  # type: ignore[arg-type]
    ),
    r"subscription (?P<id>\S+) (?P<status>\w+), (?P<size>\d+) each (?P<days>\d+) days": lambda m: c.RecordSubscription(
        ACCOUNT_ID,
        m["id"].replace("*", str(next(_numbers))),
        "bank",
        m["status"],  # type: ignore[arg-type]
        Terms("free", 1, int(m["size"]), Interval(int(m["days"]), "days")),
        DAY_ZERO,
    ),
    r"send (?P<size>\S+) to (?P<to>\w+)": lambda m: c.SendCredits(
        ACCOUNT_ID, m["to"], None if m["size"] == "everything" else amount(m["size"])
    ),
    r"merge into (?P<to>\w+)": lambda m: c.MergeAccount(ACCOUNT_ID, m["to"]),
    r"receive (?P<id>\w+) from (?P<sender>\w+): (?P<lots>.+)": receive,
    r"take back (?P<id>\w+)": lambda m: c.ReverseTransfer(ACCOUNT_ID, m["id"]),
    r"send back (?P<id>\w+) to (?P<sender>\w+)": lambda m: c.SendBack(ACCOUNT_ID, m["sender"], m["id"]),
    r"freeze": lambda _: c.FreezeAccount(ACCOUNT_ID),
    r"unfreeze": lambda _: c.UnfreezeAccount(ACCOUNT_ID),
    r"close": lambda _: c.CloseAccount(ACCOUNT_ID),
    r"reopen": lambda _: c.ReopenAccount(ACCOUNT_ID),
    r"erase": lambda _: c.EraseTexts(ACCOUNT_ID),
    r"limits of (?P<source>\w+):(?: (?P<limits>.+))?": limits,
    r"(?P<count>\d+) limits of (?P<source>\w+)"
    r"(?: with (?P<members>\d+) (?P<what>counters|allowances) each)?": many_limits,
    r"allow (?P<value>\w+) (?P<size>\d+|nothing of its own) of (?P<id>\S+)": lambda m: c.SetAllowance(
        ACCOUNT_ID, m["id"], m["value"], int(m["size"]) if m["size"].isdigit() else None
    ),
    rf"meter (?P<size>\S+){USED}{USAGE}": lambda m: c.Meter(
        ACCOUNT_ID,
        amount(m["size"]),
        usage(m["usage"]) or {},
        occurred_at=moment(m["used"]) if m["used"] else None,
    ),
    r"sweep": lambda _: c.RecordExpiries(ACCOUNT_ID),
    r"look": lambda _: None,
}


def read(path: Path) -> Iterator[Scenario]:
    """The scenarios of one file."""
    scenario, at = None, DAY_ZERO
    for number, text in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        if text.startswith("=="):
            if scenario is not None:
                yield scenario
            scenario, at = Scenario(where, text.strip("= "), []), DAY_ZERO
        elif text.strip() and not text.startswith("#"):
            if scenario is None:
                raise ScriptError(f"{where}: a line must stand below a title, `== ...`")
            line = _line(where, text, at)
            scenario.lines.append(line)
            at = line.at
    if scenario is not None:
        yield scenario


def _line(where: str, text: str, at: datetime) -> Line:
    columns = [" ".join(column.split()) for column in text.split("|")]
    if len(columns) != 4:
        raise ScriptError(f"{where}: {len(columns)} columns in place of: when | command | answer | balance")
    when, command, answer, balance = columns
    try:
        at = moment(when) if when else at
    except ValueError as error:
        raise ScriptError(f"{where}: {error}") from error
    times, command = _times(command)
    for pattern, make in COMMANDS.items():
        if words := re.fullmatch(pattern, command):
            return Line(where, at, times, partial(make, words), answer, balance)
    raise ScriptError(f"{where}: no command reads {command!r}")


def _times(command: str) -> tuple[int, str]:
    found = re.fullmatch(r"(\d+) times (.*)", command)
    return (int(found[1]), found[2]) if found else (1, command)
