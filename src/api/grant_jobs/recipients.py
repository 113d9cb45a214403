"""The accounts that a grant job is for: those in a file, or those that have some labels."""

import re
from collections.abc import Sequence
from pathlib import Path

from ledger.domain.commands import check_account_id
from ledger.domain.errors import InvalidField
from projections.models.balances.projection import BALANCES
from projections.models.balances.queries import Filters, accounts_page
from projections.models.views import Views

LISTED_PROBLEMS = 20
_PAGE = 1_000
_LINE_END = re.compile(r"\r\n|\n|\r")
"""Not all that Unicode calls one: an id may have a line separator, and its halves may be ids of others."""


class ListProblem(Exception):
    """The list of accounts cannot be used. The message says why. Nothing was recorded."""


def in_file(path: Path) -> list[str]:
    """The accounts in a file, one on each line, each once. Blank lines do not count. Raises ListProblem."""
    try:
        lines = _LINE_END.split(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ListProblem(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ListProblem(f"{path} is not UTF-8 (byte {error.start + 1})") from error
    found: dict[str, None] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        account_id = line.strip()
        if account_id:
            try:
                check_account_id(account_id)
            except InvalidField as error:
                problems.append(f"line {number}: {error.message}")
            found[account_id] = None
    if problems:
        more = [f"and {len(problems) - LISTED_PROBLEMS} more"] if len(problems) > LISTED_PROBLEMS else []
        raise ListProblem("\n  ".join([f"{path} has lines that are no ids:", *problems[:LISTED_PROBLEMS], *more]))
    return list(found)


async def labelled(views: Views, labels: Sequence[tuple[str, str]], position: int) -> list[str]:
    """The accounts that have all of some labels at `position` of the log or later, closed ones left out.

    Raises NotYetVisible and NotBuilt.
    """
    filters = Filters(labels=tuple(labels))
    found: list[str] = []
    async with views.snapshot(BALANCES, at_least=position) as moment:
        after: list[str] | None = None
        while rows := await accounts_page(moment, "account_id", filters, after=after, limit=_PAGE):
            found += [row["account_id"] for row in rows if row["standing"] != "closed"]
            after = [rows[-1]["account_id"]] * 2
    return found
