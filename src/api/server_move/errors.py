"""Why a ledger is not moved. Each message is one line for operators."""

from api.runtime.operator_error import OperatorError


class CannotMove(OperatorError):
    """The ledger cannot be moved, or not to this database. Nothing was copied."""


class NotEqual(OperatorError):
    """What the server has differs from what the embedded database has. The embedded one stays in use."""
