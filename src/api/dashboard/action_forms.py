"""What an operator may do to an account, as forms: what each of them asks, and how what was typed becomes a command."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from api.contract.operations import OPERATIONS, Operation
from api.dashboard.current_user import account_path
from ledger.domain.account import Standing
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.texts import MAX_TEXT
from ledger.explain.event_titles import GRANT_TITLES
from projections.models.days import UnknownZone, zone

_WHOLE = re.compile(r"[0-9]{1,17}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


class Field(NamedTuple):
    """One question of a form. `name` is that of the command's field."""

    name: str
    label: str
    sort: Literal["amount", "choice", "moment"]
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that an operator may do. Every one has a reason, which is `reason` of the command."""

    name: str
    """Of the operation, and the end of its address."""
    title: str
    button: str
    about: str
    fields: tuple[Field, ...] = ()
    reason: str = "reason"
    reason_seen: bool = True
    """Whether its holder can read the reason."""
    takes: bool = False
    """Whether its holder has less afterwards, or can do less."""

    @property
    def operation(self) -> Operation:
        """What the API calls it."""
        return OPERATIONS[self.name]


_AMOUNT = Field("amount", "Credits", "amount", required=True)
_KINDS = (("permanent", "Permanent: they never expire"), ("subscription", "Subscription: spent first, and they expire"))
_SOURCES = tuple((name, GRANT_TITLES[name]) for name in ("adjustment", "promotion", "topup", "subscription"))

ACTIONS = {
    action.name: action
    for action in (
        Action(
            "grant",
            "Grant credits",
            "Grant",
            "New credits, as a grant of their own.",
            (
                _AMOUNT,
                Field("kind", "Kind", "choice", options=_KINDS),
                Field(
                    "expires_at",
                    "Expire at",
                    "moment",
                    "Subscription credits only. Left empty, they last as long as subscription credits usually do.",
                ),
                Field("source", "Source", "choice", options=_SOURCES),
            ),
            "description",
        ),
        Action(
            "deduct",
            "Deduct credits",
            "Deduct",
            "All of the amount is taken, or nothing. Subscription credits go first, those that expire soonest before"
            " the others.",
            (_AMOUNT,),
            "description",
            takes=True,
        ),
        Action(
            "void",
            "Void a grant",
            "Void",
            "Cancels what remains of this grant, and touches no other. What was spent or is held stays as it is.",
            (Field("amount", "Credits", "amount", "Left empty: all that remains, and the grant is closed for good."),),
            takes=True,
        ),
        Action(
            "freeze",
            "Freeze the account",
            "Freeze",
            "A frozen account refuses deductions, captures and holds. Grants, reversals and releases go on.",
            reason_seen=False,
            takes=True,
        ),
        Action(
            "unfreeze",
            "Unfreeze the account",
            "Unfreeze",
            "The account takes everything again.",
            reason_seen=False,
        ),
    )
}


class Link(NamedTuple):
    """A way to a form."""

    name: str
    path: str


def links(root: str, account_id: str, standing: Standing) -> list[Link]:
    """What can be done to an account of this standing; to a closed one, nothing."""
    if standing == "closed":
        return []
    other = ACTIONS["unfreeze" if standing == "frozen" else "freeze"]
    ways = (("Grant", "grant"), ("Deduct", "deduct"), ("Void a grant", "grants"), (other.button, other.name))
    return [Link(name, account_path(root, account_id, end)) for name, end in ways]


class Typed(NamedTuple):
    """What was typed, as the command's fields; `errors` says by field, in a sentence, what cannot be one."""

    fields: dict[str, Any]
    errors: dict[str, str]


def read(action: Action, given: Mapping[str, str]) -> Typed:
    """The fields of the command. What is looked at here is what a form can get wrong and JSON cannot."""
    typed = Typed({}, {})
    for field in action.fields:
        text = given.get(field.name, "")
        if not text and field.required:
            typed.errors[field.name] = "Say how many credits."
        elif text:
            try:
                typed.fields[field.name] = _value(field, text, given)
            except ValueError as error:
                typed.errors[field.name] = str(error)
    reason = given.get("reason", "").replace("\r\n", "\n")
    typed.fields[action.reason] = reason
    if not reason:
        typed.errors["reason"] = "Give a reason: whoever looks at this later wants to know why."
    elif len(reason) > MAX_TEXT:
        typed.errors["reason"] = f"A reason has at most {MAX_TEXT} characters; this one has {len(reason)}."
    return typed


def _value(field: Field, text: str, given: Mapping[str, str]) -> str | int:
    match field.sort:
        case "amount":
            return _amount(text)
        case "moment":
            return _moment(text, given.get("tz", "UTC"))
        case "choice":
            return text


def _amount(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("Credits are a whole number, without separators: 2500, say.")
    if not 1 <= int(text) <= MAX_AMOUNT:
        raise ValueError(f"It can be from 1 to {MAX_AMOUNT:,} credits.")
    return int(text)


def _moment(text: str, zone_name: str) -> str:
    """A moment of the zone in which it was asked for, as the API writes it."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("A date and a time are needed, such as 2027-01-31T12:00.")
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=zone(zone_name))
        return local.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, UnknownZone) as error:
        raise ValueError("There is no such moment.") from error
