"""Lists of keys, page by page, for the routes of people and of services, and for the pages."""

from datetime import datetime
from typing import Any, NamedTuple

from fastapi import Request
from pydantic import Field

from api.contract.cursors import MAX_CURSOR
from api.contract.people.keys import KeysAnswer, key_fields
from api.http.queries.query import MAX_PAGE, Page, Parameters
from api.http.queries.reads import reads_of
from people.api_keys import ApiKey
from people.keys.issuing import KeyPlace, Keys, place_of


class KeysPage(Parameters):
    """The parameters of a list of keys."""

    limit: int = Field(MAX_PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")

    @property
    def page(self) -> Page:
        """The page that the parameters ask for."""
        return Page(self.limit, self.cursor)


class Listed(NamedTuple):
    """Which keys are listed: those of an account, of a member of it, or all; with `services` those of services too, and
    with a text those about which it is."""

    account_id: str | None
    member: str | None = None
    services: bool = False
    text: str | None = None


class FoundKeys(NamedTuple):
    """One page of a list, and the cursor of the next one."""

    keys: list[ApiKey]
    next_cursor: str | None


def account_keys_of(request: Request) -> Keys:
    """The keys of accounts."""
    keys: Keys = request.app.state.account_keys
    return keys


async def key_ids_of(request: Request, account_id: str, member: str) -> frozenset[str]:
    """The ids of the keys of a member. Raises psycopg.Error."""
    return frozenset(key.key_id for key in await account_keys_of(request).listed(account_id, member))


async def find_keys(request: Request, name: str, listed: Listed, page: Page) -> FoundKeys:
    """One page. `name` is that of the list. Raises Problem for a cursor of another list, and psycopg.Error."""
    cursors, of = reads_of(request).cursors, (name, *listed)
    place = _place(cursors.read(page.cursor, of, (int, datetime, str)))
    account_id, member, services, text = listed
    found = await account_keys_of(request).listed(
        account_id, member, services=services, text=text, after=place, limit=page.limit + 1
    )
    shown = found[: page.limit]
    if len(found) == len(shown):
        return FoundKeys(shown, None)
    last = place_of(shown[-1])
    return FoundKeys(shown, cursors.make(of, int(last.usable), last.created_at, last.prefix))


def keys_answer(request: Request, found: FoundKeys) -> KeysAnswer:
    """A page as JSON."""
    keys = account_keys_of(request)
    listed = [key_fields(key, keys.clock(), keys.brand) for key in found.keys]
    return {"keys": listed, "next_cursor": found.next_cursor}


def _place(key: list[Any] | None) -> KeyPlace | None:
    if key is None:
        return None
    usable, created_at, prefix = key
    return KeyPlace(bool(usable), created_at, prefix)
