"""Revenue for accountants: the months of each currency as CSV, or as a journal for Beancount, from the log."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO

from audit.export.journals.postings import commodity_of
from audit.revenue.months import Month, MonthSums
from audit.revenue.worth import Worth
from ledger.store import Logged
from projections.models.spreadsheet import csv_line

Write = Callable[[Sequence[Month]], Iterable[str]]
"""The lines of some months."""


class Revenue:
    """Adds up the log, and writes the months at the end. `now` is when periods count as over."""

    def __init__(self, file: BinaryIO, write: Write, now: datetime) -> None:
        self._file, self._write, self._now = file, write, now
        self._worth, self._sums = Worth(), MonthSums()
        self.lines = 0

    def write(self, events: Sequence[Logged]) -> None:
        """Take a page of the log, in the order of positions."""
        for logged in events:
            for move in self._worth.add(logged):
                self._sums.add(move)

    def finish(self) -> None:
        """Write the months. Raises OSError."""
        for line in self._write(self._sums.months(self._worth.due(self._now))):
            self._file.write(line.encode())
            self.lines += 1

    def close(self) -> None:
        """Nothing is left to release."""


def as_csv(found: Sequence[Month]) -> Iterable[str]:
    """A head, and a line for each month and currency."""
    yield csv_line(Month._fields)
    yield from map(csv_line, found)


def as_beancount(found: Sequence[Month]) -> Iterable[str]:
    """An entry for each month and currency, and what is deferred after it. The signs are those of the seller."""
    yield 'option "title" "Revenue from credits"\n'
    for currency in dict.fromkeys(month.currency for month in found):
        yield from _accounts(currency, min(month.month for month in found if month.currency == currency))
    for month in found:
        yield from _entry(month)


_ACCOUNTS = ("Assets:Payments", "Liabilities:Deferred", "Income:Spent", "Income:Breakage", "Income:Refunded")


def _accounts(currency: str, first: str) -> Iterable[str]:
    unit = commodity_of(currency)
    yield f"{first}-01 commodity {unit}\n"
    yield from (f"{first}-01 open {name}:{unit} {unit}\n" for name in _ACCOUNTS)


def _entry(month: Month) -> Iterable[str]:
    unit, end = commodity_of(month.currency), _last_day(month.month)
    amounts = (
        month.paid - month.back,
        month.spent + month.breakage + month.returned - month.paid,
        -month.spent,
        -month.breakage,
        month.back - month.returned,
    )
    yield f'{end} * "Revenue of {month.month} in {month.currency}"\n' + "".join(
        f"  {name}:{unit}  {amount} {unit}\n" for name, amount in zip(_ACCOUNTS, amounts, strict=True)
    )
    yield f"{end + timedelta(days=1)} balance Liabilities:Deferred:{unit}  {-month.deferred} {unit}\n"


def _last_day(month: str) -> date:
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).date()
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
