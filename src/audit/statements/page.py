"""A statement as a page for people: one file that needs no network, no script and no other file."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from audit.statements.event_lines import day, number, parts, rows_of, summed
from audit.statements.form import Period, Statement
from audit.statements.making import NewStatement
from ledger.domain.amounts import Balance
from ledger.domain.changes import changes_of
from ledger.domain.events import Event
from ledger.domain.texts import SEALED
from ledger.explain.sentences import counted
from ledger.store import decode_event

LARGEST_ENCLOSED = 4 * 1024 * 1024
"""The most bytes of a statement's file that the page contains. A larger file is not in the page."""


def page(made: NewStatement, file_name: str) -> str:
    """The page of a statement. `file_name` is the name of the statement's file."""
    statement = made.verified.statement
    events = [decode_event(one.record.topic, one.record.state) for one in statement.events]
    unsealed = [statement.texts.get(one.record.version, {}) for one in statement.events]
    texts = [_texts(event, readable) for event, readable in zip(events, unsealed, strict=True)]
    changes = [change for event in events for change in changes_of(event)]
    came_in, went_out = summed(changes, coming_in=True), summed(changes, coming_in=False)
    period = period_in_words(statement.period)
    return _template().render(
        title=f"Statement of credits: {statement.account_id}, {period}",
        account_id=statement.account_id,
        period=period,
        issued=_moment(statement.made_at),
        covered=number(made.verified.checkpoint.size),
        opening=_balance(statement.opening),
        closing=_balance(statement.closing),
        came_in={"total": came_in[0], "parts": came_in[1]},
        went_out={"total": went_out[0], "parts": went_out[1]},
        left_out=_left_out(made.left_out),
        rows=rows_of(events, texts),
        command=f"credit-ledger verify {file_name} --key {statement.verifying_key}",
        file_name=file_name,
        download=_enclosed(made.file),
        origin=made.verified.checkpoint.origin,
        root=made.verified.checkpoint.root.hex(),
        versions=_versions(statement),
        digest=sha256(made.file).hexdigest(),
    )


@cache
def _template() -> Template:
    loader = PackageLoader("audit.statements", "")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("statement.html")


def period_in_words(period: Period) -> str:
    """A period in words, in days if it has whole days: `1 Nov 2026 to 30 Nov 2026`."""
    begin, end = period
    if begin is None and end is None:
        return "everything so far"
    if begin is None:
        assert end is not None
        return f"up to {_last(end)}"
    if end is None:
        return f"since {_first(begin)}"
    if _is_midnight(begin) and end - begin == timedelta(days=1):
        return day(begin.astimezone(UTC))
    return f"{_first(begin)} to {_last(end)}"


def _first(begin: datetime) -> str:
    return day(begin.astimezone(UTC)) if _is_midnight(begin) else _moment(begin)


def _last(end: datetime) -> str:
    """The last day before the end if the end is a midnight; else the end."""
    return day(end.astimezone(UTC) - timedelta(days=1)) if _is_midnight(end) else f"before {_moment(end)}"


def _is_midnight(moment: datetime) -> bool:
    return moment.astimezone(UTC).time() == datetime.min.time()


def _moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{day(at)}, {at:%H:%M:%S}"


def _balance(balance: Balance) -> dict[str, str]:
    return {"total": number(balance.total), "parts": parts(balance)}


def _left_out(count: int) -> str:
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return f"{counted(count, 'event')} of the period came after the newest checkpoint and {verb} left out."


def _texts(event: Event, unsealed: Mapping[str, Any]) -> dict[str, Any]:
    """The readable texts of an event: the unsealed ones, and those that were stored before texts were sealed."""
    plain = {name: getattr(event, name, None) for name in ("description", "reason")}
    return {name: said for name, said in plain.items() if said and not said.startswith(SEALED)} | dict(unsealed)


def _versions(statement: Statement) -> str:
    if not statement.events:
        return "none"
    first, last = statement.events[0].record.version, statement.events[-1].record.version
    return f"{number(len(statement.events))}, versions {number(first)} to {number(last)} of the account"


def _enclosed(file: bytes) -> str:
    if len(file) > LARGEST_ENCLOSED:
        return ""
    return f"data:application/json;base64,{b64encode(file).decode()}"
