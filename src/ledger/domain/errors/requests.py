"""Refusals of how a command was asked for: its key, its expected version, its batch."""

from collections.abc import Sequence

from ledger.domain.errors.refusal import Refusal, shown


class KeyReused(Refusal):
    """An idempotency key was used again with another body. The original command stands."""

    code = "idempotency_key_reused"

    def __init__(self, key: str, version: int, fields: Sequence[str]) -> None:
        super().__init__(
            f"The idempotency key {shown(key)!r} was used before, with a different body, "
            f"for the event of version {version}; send the original body or use another key.",
            idempotency_key=key,
            version=version,
            fields=list(fields),
        )


class VersionMismatch(Refusal):
    """The account is not at one of the `expected` versions (None: any version of an existing account).

    An account that does not exist is at version 0.
    """

    code = "version_mismatch"

    def __init__(self, expected: Sequence[int] | None, actual: int) -> None:
        where = f"the account is at version {actual}" if actual else "there is no such account"
        super().__init__(
            f"The command is for {_versions(expected)}, and {where}; read it again.",
            expected=expected[0] if expected and len(expected) == 1 else list(expected or ())[:_MOST_VERSIONS],
            actual=actual,
        )


_MOST_VERSIONS = 3
"""The number of expected versions that a refusal repeats."""


def _versions(expected: Sequence[int] | None) -> str:
    if expected is None:
        return "an account that exists"
    more = f" or one of {len(expected) - _MOST_VERSIONS} others" if len(expected) > _MOST_VERSIONS else ""
    return (
        f"version {' or '.join(map(str, expected[:_MOST_VERSIONS]))}{more}" if expected else "no version of an account"
    )


class BatchRefused(Refusal):
    """One command of an atomic batch was refused, so none of them was carried out."""

    code = "batch_refused"

    def __init__(self, index: int, cause: Refusal) -> None:
        super().__init__(
            f"The command with index {index} of the atomic batch was refused, so none was carried out: {cause.message}",
            index=index,
            cause={"code": cause.code, "detail": cause.message, **cause.facts},
        )
        self.index = index
        self.cause = cause
