"""Journals in the format of hledger. All accounts and commodities are declared, as `hledger check --strict` demands.

hledger reads the transactions of a day in the order of the file, so the balances at the end of a day come after them.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import assert_never

from audit.export.journals.account_journal import AccountOpening, BalanceAssertion, Line, Transaction
from audit.export.journals.notation import facts_of, postings_text
from audit.export.journals.postings import CREDIT, Posting
from ledger.explain.event_titles import event_title

_PLAIN = re.compile(r'[^\s",][^,]*(?<!\s)')
"""A value that a tag can have as it is. A comma would end the value, and a quote at its beginning means JSON."""


class Hledger:
    """Writes hledger's journal format. It declares each commodity before its first use."""

    def __init__(self) -> None:
        self._commodities: set[str] = set()

    def heading(self, title: str) -> str:
        """The comment at the beginning of a file."""
        return f"; {title}\n"

    def text(self, lines: Sequence[Line]) -> str:
        """The directives and transactions for some lines. The balances at the end of a day are one transaction."""
        return "".join(self._pieces(lines))

    def _pieces(self, lines: Sequence[Line]) -> Iterator[str]:
        for _, group in groupby(lines, key=lambda line: (type(line), line.day)):
            together = list(group)
            assertions = [line for line in together if isinstance(line, BalanceAssertion)]
            if assertions:
                yield _assertions(assertions)
            for line in together:
                yield self._piece(line)

    def _piece(self, line: Line) -> str:
        match line:
            case AccountOpening():
                return self._commodity(line.commodity) + _opening(line)
            case Transaction():
                declared = (self._commodity(posting.commodity) for posting in line.postings)
                return "".join(declared) + _transaction(line)
            case BalanceAssertion():
                return ""
        assert_never(line)

    def _commodity(self, name: str | None) -> str:
        if name is None or name in self._commodities:
            return ""
        self._commodities.add(name)
        return f"commodity 1000. {_unit(name)}\n"


def _opening(line: AccountOpening) -> str:
    holder = "" if line.account_id is None else f"  ; account_id:{_value(line.account_id)}"
    return f"account {line.account}{holder}\n"


def _transaction(line: Transaction) -> str:
    facts = "".join(f"  ; {name}:{_value(value)}\n" for name, value in facts_of(line.logged))
    return f"{line.day} * {event_title(line.logged.event)}\n{facts}{postings_text(line.postings, _amount)}\n"


def _assertions(lines: Sequence[BalanceAssertion]) -> str:
    """A transaction that moves nothing and asserts the balance of each account."""
    postings = [Posting(line.account, line.amount, line.commodity) for line in lines]
    return f"{lines[0].day} * end of the day\n{postings_text(postings, _asserted)}\n"


def _amount(posting: Posting) -> str:
    return f"{posting.amount} {_unit(posting.commodity)}"


def _asserted(posting: Posting) -> str:
    """An assertion that includes all accounts below. `==*` also says that the account holds no other commodity."""
    sign = "==*" if posting.commodity == CREDIT else "=*"
    return f"0 {_unit(posting.commodity)} {sign} {_amount(posting)}"


def _unit(commodity: str) -> str:
    return commodity if commodity.isalpha() else f'"{commodity}"'


def _value(value: str | int) -> str:
    """The value as it is, or a JSON string without commas if hledger would not read it back unchanged."""
    if isinstance(value, int) or (_PLAIN.fullmatch(value) and value.isprintable()):
        return str(value)
    written = json.dumps(value, ensure_ascii=False).replace(",", "\\u002c")
    return "".join(character if character.isprintable() else _escaped(character) for character in written)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]
