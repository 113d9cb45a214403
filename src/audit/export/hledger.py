"""Journals as hledger reads them: also what `hledger check --strict` asks for, all accounts and commodities declared.

hledger takes the entries of a day in the order of the file, so the balances at its end stand behind its other entries.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import assert_never

from audit.export.account_journal import Closing, Line, Moved, Opened
from audit.export.notation import facts_of, postings_text, title_of
from audit.export.postings import CREDIT, Posting

_PLAIN = re.compile(r'[^\s",][^,]*(?<!\s)')
"""What can stand as the value of a tag as it is: a comma would end it, and what begins with a quote is JSON."""


class Hledger:
    """Writes hledger's journal format. Every commodity is declared where it is met first."""

    def __init__(self) -> None:
        self._commodities: set[str] = set()

    def heading(self, title: str) -> str:
        """A comment."""
        return f"; {title}\n"

    def text(self, lines: Sequence[Line]) -> str:
        """A directive or an entry for each line; balances at the end of a day are one entry."""
        return "".join(self._pieces(lines))

    def _pieces(self, lines: Sequence[Line]) -> Iterator[str]:
        for _, group in groupby(lines, key=lambda line: (type(line), line.day)):
            together = list(group)
            closings = [line for line in together if isinstance(line, Closing)]
            if closings:
                yield _closed(closings)
            for line in together:
                yield self._piece(line)

    def _piece(self, line: Line) -> str:
        match line:
            case Opened():
                return self._commodity(line.commodity) + _opened(line)
            case Moved():
                declared = (self._commodity(posting.commodity) for posting in line.postings)
                return "".join(declared) + _moved(line)
            case Closing():
                return ""
        assert_never(line)

    def _commodity(self, name: str | None) -> str:
        if name is None or name in self._commodities:
            return ""
        self._commodities.add(name)
        return f"commodity 1000. {_unit(name)}\n"


def _opened(line: Opened) -> str:
    holder = "" if line.account_id is None else f"  ; account_id:{_value(line.account_id)}"
    return f"account {line.account}{holder}\n"


def _moved(line: Moved) -> str:
    facts = "".join(f"  ; {name}:{_value(value)}\n" for name, value in facts_of(line.logged))
    return f"{line.day} * {title_of(line.logged.event)}\n{facts}{postings_text(line.postings, _amount)}\n"


def _closed(lines: Sequence[Closing]) -> str:
    """Nothing is moved; what each account holds is asserted."""
    postings = [Posting(line.account, line.amount, line.commodity) for line in lines]
    return f"{lines[0].day} * end of the day\n{postings_text(postings, _asserted)}\n"


def _amount(posting: Posting) -> str:
    return f"{posting.amount} {_unit(posting.commodity)}"


def _asserted(posting: Posting) -> str:
    """With all that is below the account; where there are credits, there is nothing else."""
    sign = "==*" if posting.commodity == CREDIT else "=*"
    return f"0 {_unit(posting.commodity)} {sign} {_amount(posting)}"


def _unit(commodity: str) -> str:
    return commodity if commodity.isalpha() else f'"{commodity}"'


def _value(value: str | int) -> str:
    """As it is, or as a JSON string without commas where it would not come back as it is."""
    if isinstance(value, int) or (_PLAIN.fullmatch(value) and value.isprintable()):
        return str(value)
    written = json.dumps(value, ensure_ascii=False).replace(",", "\\u002c")
    return "".join(character if character.isprintable() else _escaped(character) for character in written)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]
