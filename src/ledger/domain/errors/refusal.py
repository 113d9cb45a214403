"""What all refusals are made of."""

from typing import Any, ClassVar

MAX_SHOWN = 64
"""The longest text of a caller that a message or a fact repeats, in characters."""


def shown(text: str) -> str:
    """A text of a caller for a message, cut after MAX_SHOWN characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


class Refusal(Exception):
    """A command that the ledger does not carry out. The account does not change."""

    code: ClassVar[str]

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = {
            name: shown(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
        }


class InvalidField(Refusal):
    """A value is outside of what the rules allow."""

    code = "validation_failed"

    def __init__(self, field: str, rule: str, value: object = None) -> None:
        error: dict[str, Any] = {"field": field, "message": rule}
        if isinstance(value, bool | int | str) and len(str(value)) <= MAX_SHOWN:
            error["value"] = value
        super().__init__(f"{field} {rule}.", errors=[error])


class NotFound(Refusal):
    """The thing that the command names does not exist in this account."""

    noun: ClassVar[str]

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no {self.noun} {shown(name)!r}.", **{f"{self.noun}_id": name})


class AlreadyDone(Refusal):
    """The command names something that has already happened, and can happen only once."""


class TooMuch(Refusal):
    """The amount is larger than what it is taken from, or than what can take it."""


class TooMany(Refusal):
    """The limit on a number of things is reached."""

    def __init__(self, message: str, limit: int, **facts: int) -> None:
        super().__init__(message, limit=limit, **facts)
