"""The catalogue file of the settings: what it has is put into the catalogue at each start of the service."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings, variable
from billing.catalog import put
from billing.catalog_changes import Change, Wanted
from billing.catalog_file import read_catalog
from billing.errors import BillingRefused, WrongCatalog
from ledger.postgres.connecting import connect_async

_log = logging.getLogger("credit_ledger.catalog")


class CannotUseCatalog(OperatorError):
    """The catalogue file of the settings cannot be used."""


def put_catalog(settings: Settings, conninfo: str) -> None:
    """Put the file of the settings, if there is one, into the catalogue as a whole. Raises CannotUseCatalog."""
    if settings.catalog is None:
        return
    try:
        found = asyncio.run(_put(conninfo, settings.catalog))
    except WrongCatalog as error:
        raise CannotUseCatalog(f"{variable('catalog')}: {error}") from error
    except BillingRefused as error:
        raise CannotUseCatalog(f"{variable('catalog')}: {settings.catalog}: {error.detail}") from error
    for change in found:
        if not change.is_same:
            _log.info("catalogue: %s %s has version %s", change.kind, change.id, change.version)


async def _put(conninfo: str, file: Path) -> list[Change]:
    wanted: Sequence[Wanted] = read_catalog(file).wanted
    async with await connect_async(conninfo) as connection:
        return await put(connection, wanted, f"setting:{variable('catalog')}")
