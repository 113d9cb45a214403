"""What a process of the service does for people while nobody asks: it erases those whose time has come, and tells of
keys that are about to end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg

from api.runtime.people.erasing import Erasing
from api.runtime.people.hosts import own_page_in, page_in, telling
from api.runtime.settings import Settings
from ledger.service import Ledger
from people.errors import AccessRefused
from people.keys.ending import EndingKeys
from people.users_and_teams import Directory

INTERVAL = 3_600.0
"""Seconds between two looks for keys that are about to end."""
_log = logging.getLogger("credit_ledger.people")


def duties_for(
    settings: Settings, ledger: Ledger, directory: Directory
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """What a process does for people, by the names under which restarts are counted."""
    keys = EndingKeys(ledger.log, ledger.clock, telling(ledger), page_in(settings), own_page_in(settings))
    erasing, told = Erasing(directory.deletions), keys if directory.signs_in else None
    return {"erasing": erasing.run, "ending_keys": lambda: _tell(told)}


async def _tell(keys: EndingKeys | None) -> None:
    """Look every hour until cancelled. Every process looks: there is one mail all the same."""
    while True:
        if keys is not None:
            try:
                await keys.tell()
            except (psycopg.Error, AccessRefused) as error:
                _log.warning("nobody is told of keys that end: %s", str(error).strip() or type(error).__name__)
        await asyncio.sleep(INTERVAL)
