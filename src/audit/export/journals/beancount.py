"""Journals in the format of Beancount.

Beancount checks a balance at the beginning of a day, so the balance at the end of a day is asserted on the next day.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import assert_never

from audit.export.journals.account_journal import AccountOpening, BalanceAssertion, Line, Transaction
from audit.export.journals.notation import facts_of, postings_text
from audit.export.journals.postings import Posting
from ledger.explain.event_titles import event_title

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_NEXT_DAY = timedelta(days=1)


class Beancount:
    """Writes Beancount. It declares each commodity before its first use."""

    def __init__(self) -> None:
        self._commodities: set[str] = set()

    def heading(self, title: str) -> str:
        """The options at the beginning of a file."""
        return f'option "title" {_quoted(title)}\noption "operating_currency" "CREDIT"\n'

    def text(self, lines: Sequence[Line]) -> str:
        """The directives for some lines."""
        return "".join(map(self._directive, lines))

    def _directive(self, line: Line) -> str:
        match line:
            case AccountOpening():
                return self._commodity(line.commodity, line.day) + _opening(line)
            case Transaction():
                declared = (self._commodity(posting.commodity, line.day) for posting in line.postings)
                return "".join(declared) + _transaction(line)
            case BalanceAssertion():
                return f"{line.day + _NEXT_DAY} balance {line.account}  {line.amount} {line.commodity}\n"
        assert_never(line)

    def _commodity(self, name: str | None, day: date) -> str:
        if name is None or name in self._commodities:
            return ""
        self._commodities.add(name)
        return f"{day} commodity {name}\n"


def _opening(line: AccountOpening) -> str:
    holder = "" if line.account_id is None else f"  account_id: {_quoted(line.account_id)}\n"
    return f"{line.day} open {line.account} {line.commodity or ''}".rstrip() + f"\n{holder}"


def _transaction(line: Transaction) -> str:
    title = _quoted(event_title(line.logged.event))
    facts = "".join(f"  {name}: {_value(value)}\n" for name, value in facts_of(line.logged))
    return f"{line.day} * {title}\n{facts}{postings_text(line.postings, _amount)}"


def _amount(posting: Posting) -> str:
    return f"{posting.amount} {posting.commodity}"


def _value(value: str | int) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
