"""The price book: its versions, the rates of one and what it has changed, for operators; the rates for everybody."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from api.contract.problems import Problem
from api.dashboard.forms import LONGEST_SEARCH, searched
from api.dashboard.price_pages.rate_list import rate_list
from api.dashboard.rendering import page
from api.http.queries.query import known_account
from api.http.queries.reads import Reads, reads_of
from billing.prices import table
from billing.prices.document import MAX_RATES
from billing.prices.table import BookVersion, Published
from billing.prices.wording import RateChange, rate_changes, rate_text

MOST_VERSIONS = 50
MOST_RATES = 500
"""The versions and rates that a page shows. The API has all of them."""


async def prices(request: Request) -> Response:
    """Show the versions, and the rates of the one that is in force."""
    reads = reads_of(request)
    async with reads.ledger.log.connection() as connection:
        versions = await table.versions(connection)
        current = table.in_force(versions, reads.clock())
        found = None if current is None else await table.find(connection, current.version)
    return await _page(request, reads, versions, found)


async def price_version(request: Request) -> Response:
    """Show the rates of one version, and what it changes when it takes the place of another one."""
    reads, number = reads_of(request), request.path_params["version"]
    if not (number.isascii() and number.isdecimal() and len(number) < 9):
        raise Problem("not_found", "There is no such version of the price book.")
    async with reads.ledger.log.connection() as connection:
        found = await table.find(connection, int(number))
        versions = await table.versions(connection)
        other = table.replaced(versions, found.version)
        before = None if other is None else await table.find(connection, other.version)
    changes = None if before is None else list(rate_changes(before.document, found.document))
    return await _page(request, reads, versions, found, changes, other)


async def prices_of_account(request: Request) -> Response:
    """Show the rates in force to the holder of an account: what each use costs, or those that they look for.

    Raises Problem for a text that is too long or has control characters.
    """
    text = searched(request)
    reads, account_id = reads_of(request), request.path_params["account_id"]
    await known_account(reads.ledger, account_id)
    async with reads.ledger.log.connection() as connection:
        current = table.in_force(await table.versions(connection), reads.clock())
        found = None if current is None else await table.find(connection, current.version)
    return await page(
        request,
        "account_prices.html",
        account_id=account_id,
        since=None if found is None else found.version.effective_at,
        rates=rate_list([] if found is None else found.document.rates, text, MAX_RATES),
        longest=LONGEST_SEARCH,
    )


async def _page(
    request: Request,
    reads: Reads,
    versions: Sequence[BookVersion],
    found: Published | None,
    changes: Sequence[RateChange] | None = None,
    replaced: BookVersion | None = None,
) -> Response:
    current = table.in_force(list(versions), reads.clock())
    rates = rate_list([] if found is None else found.document.rates, searched(request), MOST_RATES)
    return await page(
        request,
        "prices.html",
        versions=versions[:MOST_VERSIONS],
        earlier=max(len(versions) - MOST_VERSIONS, 0),
        in_force=None if current is None else current.version,
        shown=None if found is None else found.version,
        rates=rates,
        longest=LONGEST_SEARCH,
        changes=None if changes is None else changes[:MOST_RATES],
        replaced=None if replaced is None else replaced.version,
        rate_text=rate_text,
    )
