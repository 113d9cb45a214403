"""The names under which PostgreSQL shows the connections of each process, in pg_stat_activity and in its log."""

import os

_VARIABLE = "PGAPPNAME"
"""The variable from which libpq takes the name, where a conninfo has none."""
_PRODUCT = "credit-ledger"


def name_connections(process: str) -> None:
    """Name the connections of this process, and of those that it starts, `credit-ledger <process>`.

    A name that the operator chose, in the conninfo or in the variable, stays.
    """
    if os.environ.get(_VARIABLE, _PRODUCT).startswith(_PRODUCT):
        os.environ[_VARIABLE] = f"{_PRODUCT} {process}"
