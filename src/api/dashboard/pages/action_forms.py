"""The action forms of operators: the fields of each form, and how typed values become the fields of a command."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, cast, get_args

from api.contract.operations import ALL_OPERATIONS, MOVES, Operation
from api.dashboard.pages.profile_form import Input, changed
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.periods import LAST_START, UnknownZone, zone
from ledger.domain.texts import MAX_TEXT
from ledger.domain.usage import DIMENSIONS
from ledger.explain.event_titles import GRANT_TITLES

_WHOLE = re.compile(r"[0-9]{1,17}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


class Field(NamedTuple):
    """One field of a form. `name` is the name of the command's field."""

    name: str
    label: str
    input: Literal["amount", "count", "choice", "flag", "time", "account", "word", "lines"] | Input
    """A flag is a choice between no value and `true`."""
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One action of an operator. `reason` names the command's field for the reason; None: it has none."""

    name: str
    """The name of the operation, and the last part of the address of the form."""
    title: str
    button: str
    explanation: str
    fields: tuple[Field, ...] = ()
    reason: str | None = "reason"
    holder_sees_reason: bool = True
    """Whether the holder of the account can read the reason."""
    reduces: bool = False
    """Whether the holder has fewer credits or fewer rights afterwards."""
    command: str = ""
    """The name of the operation of the API, if it is not that of the action."""
    page: str = ""
    """The page of the account that shows the effect; the overview, if it is empty."""

    @property
    def operation(self) -> Operation:
        """The operation of the API."""
        return ALL_OPERATIONS[self.command or self.name]

    @property
    def moves(self) -> bool:
        """Whether it changes another account too."""
        return self.name in MOVES


_AMOUNT = Field("amount", "Credits", "amount", required=True)
_KINDS = (("permanent", "Permanent: they never expire"), ("subscription", "Subscription: spent first, and they expire"))
_SOURCES = tuple((name, GRANT_TITLES[name]) for name in ("adjustment", "promotion", "topup", "subscription"))

_EACH = (("", "All usage together"), *((name, f"Each {name}") for name in DIMENSIONS))
_PERIODS = (
    ("", "Never"),
    *((every, f"Every {every}") for every in LAST_START),
    ("timed", "Some time after the first use"),
)
LIMIT_ACTIONS = (
    Action(
        "limit",
        "Set a limit",
        "Set",
        "This sets one limit, or changes it. Counters of a limit go on if it counts the same things in the same time.",
        (
            Field("limit_id", "Name", "word", "A word that is unique in the account.", required=True),
            Field("amount", "Amount", "count", "How much may be used. 0 lets nothing be used.", required=True),
            Field("unit", "Unit", "word", "credits, or a metric of usage, such as image: then its units count."),
            Field("each", "Counts", "choice", options=_EACH),
            Field(
                "only",
                "Only for",
                "lines",
                "One on each line, such as model=gpt-5. If empty, it applies to all usage.",
            ),
            Field("period", "Resets", "choice", options=_PERIODS),
            Field("starts", "Starts on", "count", "The day of the week (1 is Monday) or of the month. If empty, 1."),
            Field("zone", "Time zone", "word", "Of the hours, days, weeks, months or years, such as Europe/Berlin."),
            Field(
                "length",
                "Lasts",
                "word",
                "For a window that the first use opens, such as 90 minutes, 5 hours or 30 days.",
            ),
            Field("hard", "Beyond it", "choice", options=(("yes", "Refuse usage"), ("no", "Only count"))),
            Field("near", "Warn at", "word", "Percents of the amount, such as 50, 80. If empty, nobody is warned."),
        ),
        None,
        command="limits",
        page="limits",
    ),
    Action(
        "allowance",
        "Set an allowance",
        "Set",
        "This sets the amount of one value of a limit, such as one member, in place of the amount of the limit.",
        (
            Field("value", "For", "word", "The value, such as the id of a member.", required=True),
            Field("amount", "Amount", "count", "If empty, the amount of the limit holds again."),
        ),
        None,
        page="limits",
    ),
    Action(
        "remove",
        "Remove a limit",
        "Remove",
        "This removes the limit and its counters. What was used stays used.",
        (),
        None,
        command="limits",
        page="limits",
    ),
)
ACTIONS = {
    action.name: action
    for action in (
        Action(
            "grant",
            "Grant credits",
            "Grant",
            "This adds a new grant to the account.",
            (
                _AMOUNT,
                Field("kind", "Kind", "choice", options=_KINDS),
                Field(
                    "expires_at",
                    "Expire at",
                    "time",
                    "For subscription credits only. If empty, they expire after the usual time.",
                ),
                Field("source", "Source", "choice", options=_SOURCES),
            ),
            "description",
        ),
        Action(
            "deduct",
            "Deduct credits",
            "Deduct",
            "This takes the whole amount or nothing. Subscription credits are spent first, in the order in which they"
            " expire.",
            (_AMOUNT,),
            "description",
            reduces=True,
        ),
        Action(
            "void",
            "Void a grant",
            "Void",
            "This cancels the credits that remain of this grant. Spent and held credits do not change.",
            (
                Field(
                    "amount",
                    "Credits",
                    "amount",
                    "If empty, all that remains is cancelled and the grant is closed for good.",
                ),
            ),
            reduces=True,
        ),
        Action(
            "update",
            "Edit the account",
            "Update",
            "This corrects what the account says about itself. No credits change. What is left as it is stays.",
            (
                Field("description", "Description", "text", "If it is removed here, the account has none."),
                Field(
                    "labels", "Labels", "labels", "One on each line, such as plan=pro. They must not be personal data."
                ),
                Field("metadata", "Metadata", "json", "A JSON object. It replaces the earlier one."),
            ),
            holder_sees_reason=False,
        ),
        Action(
            "change_expiry",
            "Change the expiry of a grant",
            "Change",
            "The credits of this grant expire at another moment, also those that are held, or that come back later.",
            (
                Field("expires_at", "Expire at", "time", required=True),
                Field(
                    "reinstate",
                    "What has expired",
                    "flag",
                    "A grant whose credits have expired can only be changed if they are reinstated.",
                    (("", "Stays expired"), ("true", "Is reinstated")),
                ),
            ),
        ),
        Action(
            "freeze",
            "Freeze the account",
            "Freeze",
            "A frozen account refuses deductions, holds and extensions. What was held before can be captured. "
            "It accepts grants, reversals and releases.",
            holder_sees_reason=False,
            reduces=True,
        ),
        Action(
            "unfreeze",
            "Unfreeze the account",
            "Unfreeze",
            "The account accepts every command again.",
            holder_sees_reason=False,
        ),
        Action(
            "reopen",
            "Reopen the account",
            "Reopen",
            "The account is active again, with the credits that it has.",
            holder_sees_reason=False,
        ),
        Action(
            "transfer",
            "Transfer credits",
            "Transfer",
            "This moves credits to another account. They keep their kind, expiry, source and grant date, and count as"
            " no usage. What is on hold stays.",
            (
                Field("to_account_id", "To account", "account", required=True),
                Field("amount", "Credits", "amount", "If empty, all that is available is moved."),
            ),
            "description",
            reduces=True,
        ),
        Action(
            "merge",
            "Merge into another account",
            "Merge",
            "This moves all credits that are available to another account, and closes this one. Holds stay:"
            " end them first, or repeat the merge when they have ended.",
            (Field("successor", "Into account", "account", required=True),),
            reduces=True,
        ),
        *LIMIT_ACTIONS,
    )
}


_MISSING = {
    "amount": "the number of credits",
    "account": "the id of the account",
    "count": "a number",
    "word": "a word",
    "time": "a date and a time, such as 2027-01-31T12:00",
}


class ParsedForm(NamedTuple):
    """The fields of the command, and for each field with a wrong value a sentence that explains the error."""

    fields: dict[str, Any]
    errors: dict[str, str]


def parse_form(action: Action, given: Mapping[str, str]) -> ParsedForm:
    """Parse typed values. This checks only what a JSON body cannot get wrong; the API checks the rest."""
    parsed = ParsedForm({}, {})
    for field in action.fields:
        text = given.get(field.name, "")
        if field.input in get_args(Input):
            _parse_text(field, given, parsed)
        elif not text and field.required:
            parsed.errors[field.name] = f"Enter {_MISSING[field.input]}."
        elif text:
            try:
                parsed.fields[field.name] = _value(field, text, given)
            except ValueError as error:
                parsed.errors[field.name] = str(error)
    if action.name == "update" and not parsed.fields and not parsed.errors:
        parsed.errors["labels"] = "Change the description, the labels or the metadata."
    if action.reason is None:
        return parsed
    reason = given.get("reason", "").replace("\r\n", "\n")
    parsed.fields[action.reason] = reason
    if not reason:
        parsed.errors["reason"] = "Enter a reason. It is recorded with the event."
    elif len(reason) > MAX_TEXT:
        parsed.errors["reason"] = f"A reason has at most {MAX_TEXT} characters; this one has {len(reason)}."
    return parsed


def _parse_text(field: Field, given: Mapping[str, str], parsed: ParsedForm) -> None:
    try:
        value = changed(cast("Input", field.input), field.name, given)
    except ValueError as error:
        parsed.errors[field.name] = str(error)
    else:
        if value is not None:
            parsed.fields[field.name] = value


def _value(field: Field, text: str, given: Mapping[str, str]) -> str | int | bool:
    match field.input:
        case "amount":
            return _amount(text, least=1)
        case "count":
            return _amount(text, least=0)
        case "time":
            return _time(text, given.get("tz", "UTC"))
        case "flag":
            return text == "true"
        case _:
            return text


def _amount(text: str, least: int) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("Enter a whole number without separators, such as 2500.")
    if not least <= int(text) <= MAX_AMOUNT:
        raise ValueError(f"Enter a number from {least} to {MAX_AMOUNT:,}.")
    return int(text)


def _time(text: str, zone_name: str) -> str:
    """Convert a local time of the form's time zone to the notation of the API."""
    if not _TIME.fullmatch(text):
        raise ValueError("Enter a date and a time, such as 2027-01-31T12:00.")
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=zone(zone_name))
        return local.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, UnknownZone) as error:
        raise ValueError("This time does not exist.") from error
