"""The first reading of a file: it rates every row and records nothing, so a fault in the last line changes nothing.

What it finds is what a preview shows: the first rows, totals for each account, rows that cannot be used, and rows that
an earlier import has recorded already. It holds a part of that in memory, and counts the rest.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from api.contract.operations import Defaults
from api.imports.files.bad_rows import BadRows
from api.imports.files.dialect import Dialect
from api.imports.files.incidental_rows import IncidentalRows
from api.imports.files.row import FileProblem, Row, RowProblem
from api.imports.files.usage_file import UsageFile, open_file
from api.imports.rating import NotCharged, Options, Rated, Rating, digest_of
from api.imports.tally import Tally
from ledger.progress import Progress
from ledger.slices import Slices

LISTED_PROBLEMS = 20
MOST_ACCOUNTS = 100_000
"""The most accounts whose totals are told one by one."""
TRIED = 10_000
"""The rows at the beginning that a preview tries on the ledger."""
_TRIED_SIZE = 16 * 1024 * 1024
"""The most characters of those rows."""
_MOST_KEYS = 200_000
"""The most keys among which it looks for one that a file has twice."""
_LOOKED_UP = 5_000
"""The rows whose digests are looked up together."""


class RowsWrong(FileProblem):
    """Some rows cannot be rated. The message names the first ones. Nothing was recorded."""

    def __init__(self, problems: list[str], *, more: bool) -> None:
        several = "\n  ".join([*problems, "and maybe more"] if more else problems)
        super().__init__(f"it has rows that cannot be used; nothing is recorded:\n  {several}")


class KnownRows(Protocol):
    """Tells which rows earlier imports have recorded."""

    async def jobs_with(self, digests: list[bytes]) -> Counter[str]:
        """How many of some rows each other job has recorded."""


class AccountTotal(NamedTuple):
    """What a file takes from an account."""

    rows: int
    credits: int


@dataclass(slots=True)
class Checked:
    """What the first reading of a file has found."""

    dialect: Dialect
    columns: list[str]
    incidental: IncidentalRows
    rating: Rating
    tally: Tally = field(default_factory=Tally)
    first: list[Rated] = field(default_factory=list)
    """The first rows that cost credits: as many as are tried."""
    first_size: int = 0
    """The characters of those."""
    accounts: dict[str, AccountTotal] = field(default_factory=dict)
    other_accounts: AccountTotal = field(default_factory=lambda: AccountTotal(0, 0))
    """The rows of all further accounts."""
    problems: list[str] = field(default_factory=list)
    """The first rows that cannot be used, and why."""
    keys_again: int = 0
    """Rows whose key an earlier row of the same account has in this file."""
    repeated: Counter[str] = field(default_factory=Counter)
    """How many rows each earlier job has recorded too."""

    @property
    def rows(self) -> int:
        """All rows of usage."""
        return self.tally.rows

    def add(self, rated: Rated) -> None:
        """Count a row that costs credits."""
        self.tally.deduct(rated, replayed=False)
        if len(self.first) < TRIED and self.first_size < _TRIED_SIZE:
            self.first.append(rated)
            self.first_size += sum(map(len, rated.row.cells))
        if rated.account_id in self.accounts or len(self.accounts) < MOST_ACCOUNTS:
            rows, credits = self.accounts.get(rated.account_id, (0, 0))
            self.accounts[rated.account_id] = AccountTotal(rows + 1, credits + rated.amount)
        else:
            rows, credits = self.other_accounts
            self.other_accounts = AccountTotal(rows + 1, credits + rated.amount)


async def check(
    path: Path,
    options: Options,
    defaults: Defaults,
    progress: Progress,
    *,
    known: KnownRows | None = None,
    bad: BadRows | None = None,
) -> Checked:
    """Rate all rows and record nothing. With `bad`, rows that cannot be used are written there and left out.

    Raises FileProblem, FormulaError or OptionProblem.
    """
    with open_file(path) as opened:
        file = UsageFile(opened, options.dialect)
        rating = Rating(options, file, defaults)
        if bad is not None:
            bad.begin(file.dialect, file.columns)
        checking = _Checking(Checked(file.dialect, file.columns, file.incidental, rating), known, bad)
        progress.begin("checking", file.size, "bytes")
        work = Slices()
        for row in file.rows():
            try:
                rated = rating.rate(row)
            except RowProblem as problem:
                checking.problem(row, str(problem))
                if bad is None and len(checking.found.problems) == LISTED_PROBLEMS:
                    break
            else:
                await checking.rated(row, rated)
            progress.reach(file.bytes_read)
            if work.over:
                await work.pause()
        await checking.look_up()
    if bad is not None:
        bad.end()
    elif checking.found.problems:
        raise RowsWrong(checking.found.problems, more=len(checking.found.problems) == LISTED_PROBLEMS)
    return checking.found


class _Checking:
    """One reading: what it has found so far, and where it looks rows up and writes bad ones."""

    def __init__(self, found: Checked, known: KnownRows | None, bad: BadRows | None) -> None:
        self.found = found
        self._known = known
        self._bad = bad
        self._keys: set[int] = set()
        self._digests: list[bytes] = []

    def problem(self, row: Row, problem: str) -> None:
        """Count a row that cannot be used."""
        self.found.tally.bad += 1
        if len(self.found.problems) < LISTED_PROBLEMS:
            self.found.problems.append(f"{row.place}: {problem}")
        if self._bad is not None:
            self._bad.add(row, problem)

    async def rated(self, row: Row, rated: Rated | NotCharged) -> None:
        """Count a row that can be used."""
        if isinstance(rated, str):
            self.found.tally.leave_out(rated)
            return
        self.found.add(rated)
        key = hash((rated.account_id, rated.key))
        if key in self._keys:
            self.found.keys_again += 1
        elif len(self._keys) < _MOST_KEYS:
            self._keys.add(key)
        if self._known is not None:
            self._digests.append(digest_of(row))
            if len(self._digests) >= _LOOKED_UP:
                await self.look_up()

    async def look_up(self) -> None:
        """Ask which of the rows since the last time are in earlier jobs."""
        digests, self._digests = self._digests, []
        if self._known is not None and digests:
            self.found.repeated += await self._known.jobs_with(digests)
