"""The operations: for each command its path, its body, its own key, and how the two become a command.

This table is the contract of the write side. The routes, the batch, the OpenAPI document and the fingerprints are all
made from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from operator import itemgetter
from typing import Any

from api.contract.bodies import (
    Body,
    CaptureBody,
    DeductBody,
    EmptyBody,
    ExpiryBody,
    ExtendBody,
    GrantBody,
    HoldBody,
    MergeBody,
    OpenBody,
    ReasonBody,
    ReverseBody,
    TransferBody,
    UpdateBody,
    VoidBody,
)
from api.contract.defaults import Defaults as Defaults
from api.contract.limit_bodies import AllowanceBody, LimitsBody, MeterBody
from api.contract.payment_bodies import PaymentBody, PaymentDisputeBody, PaymentRefundBody, grant_of, payment_of
from api.contract.problems import invalid
from api.contract.scopes import ROUTES, Scopes
from api.contract.subscription_bodies import SubscriptionBody
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    ExtendHold,
    FreezeAccount,
    MergeAccount,
    Meter,
    OpenAccount,
    PlaceHold,
    RecordDispute,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    ReverseTransfer,
    SendCredits,
    SetAllowance,
    SetLimits,
    UnfreezeAccount,
    UpdateAccount,
    VoidGrant,
    payment_key,
    word_key,
)
from ledger.domain.holds import DEFAULT_HOLD
from ledger.domain.pricing.price import Price, Priced
from ledger.domain.usage import NO_USAGE
from ledger.store import BODY_FIELDS

Build = Callable[[str, Mapping[str, str], Any, Defaults], Command]


@dataclass(frozen=True)
class Operation:
    """One way to change an account."""

    name: str
    path: str
    body: type[Body]
    build: Build
    summary: str
    own_key: str | None = None
    """The field that is the idempotency key when there is no header."""
    key_of: Callable[[Any, Any], str] | None = None
    """What makes that key of the body and the command, where the field alone would not do."""

    def key_without_header(self, body: Body, command: Command) -> str | None:
        """The idempotency key of a command whose caller sent no header; None when there is none."""
        if self.key_of is not None:
            return self.key_of(body, command)
        return getattr(body, self.own_key, None) if self.own_key else None

    @cached_property
    def route(self) -> str:
        """Its name in the tables of scopes."""
        return f"POST {self.path}"

    @cached_property
    def scopes(self) -> Scopes:
        """The scopes of which a caller needs one, alone and in a batch."""
        return ROUTES[self.route]

    @cached_property
    def path_ids(self) -> tuple[str, ...]:
        """The ids in the path beside the account's."""
        return tuple(name for name in _PATH_IDS if f"{{{name}}}" in self.path)

    @cached_property
    def opens(self) -> bool:
        """Whether the account's id is in the body, because there is no account yet."""
        return "account_id" in self.body.model_fields

    def values(self, ids: Mapping[str, str], body: Body) -> Sequence[object]:
        """What was said, in the order of the fingerprint."""
        return _ORDERED[self.name]({**body.__dict__, **ids})


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, object]], Sequence[object]]:
    """A function that picks the values of some names, in their order."""
    pick = itemgetter(*names)
    return pick if len(names) > 1 else lambda said: (pick(said),)


_ORDERED = {name: _picker(names) for name, names in BODY_FIELDS.items()}


_PATH_IDS = ("deduction_id", "hold_id", "grant_id", "payment_id", "subscription_id", "limit_id", "transfer_id")


def _open(account_id: str, body: OpenBody, defaults: Defaults) -> OpenAccount:
    credits = defaults.signup_credits if body.signup_credits is None else body.signup_credits
    return OpenAccount(account_id, credits, body.metadata, body.description, body.labels)


def _hold(account_id: str, body: HoldBody, defaults: Defaults) -> PlaceHold:
    seconds = body.expires_in_seconds
    length = DEFAULT_HOLD if seconds is None else timedelta(seconds=seconds)
    usage = body.usage.given() if body.usage else None
    price = defaults.prices(usage or NO_USAGE, None) if body.priced else None
    return PlaceHold(account_id, _credits(body.amount, price), length, body.task_id, body.description, usage, price)


def _capture(account_id: str, hold_id: str, body: CaptureBody, defaults: Defaults) -> CaptureHold:
    usage = body.usage.given() if body.usage else None
    price = defaults.prices(usage or NO_USAGE, body.occurred_at) if body.priced else None
    return CaptureHold(
        account_id,
        hold_id,
        body.amount if price is None else _credits(None, price),
        body.final is not False,
        body.on_excess or "reject",
        usage,
        defaults.frozen_captures,
        body.occurred_at,
        defaults.back_dating,
        price,
    )


def _deduct(account_id: str, body: DeductBody, defaults: Defaults) -> DeductCredits:
    usage = body.usage.given() if body.usage else None
    price = defaults.prices(usage or NO_USAGE, body.occurred_at) if body.priced else None
    amount = _credits(body.amount, price)
    rest = body.occurred_at, defaults.back_dating, body.on_shortfall or "reject", price
    return DeductCredits(account_id, amount, body.task_id, body.description, usage, body.metadata, *rest)


def _credits(amount: int | None, price: Priced | None) -> int:
    """The amount, or that of the price. The decision refuses what has no price: its key may have been used before."""
    return amount or (price.credits if isinstance(price, Price) else 0)


def _limits(account_id: str, body: LimitsBody) -> SetLimits:
    limits = []
    for place, one in enumerate(body.limits):
        try:
            limits.append(one.limit())
        except ValueError as error:
            raise invalid(f"limits.{place}.period", str(error)) from error
    return SetLimits(account_id, body.source, tuple(limits))


def _meter(account_id: str, body: MeterBody, defaults: Defaults) -> Meter:
    usage = body.usage.given() or {}
    return Meter(account_id, body.quantity, usage, body.task_id, body.occurred_at, defaults.back_dating)


_ACCOUNT = "/v1/accounts/{account_id}"
_HOLD = _ACCOUNT + "/holds/{hold_id}"

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            "open",
            "/v1/accounts",
            OpenBody,
            lambda a, i, b, d: _open(a, b, d),
            "Open an account",
            "account_id",
        ),
        Operation(
            "update",
            _ACCOUNT,
            UpdateBody,
            lambda a, i, b, d: UpdateAccount(a, b.description, b.metadata, b.labels, b.reason),
            "Correct the description, metadata and labels",
        ),
        Operation(
            "grant",
            _ACCOUNT + "/grants",
            GrantBody,
            lambda a, i, b, d: grant_of(a, b, d),
            "Give credits",
            "transaction_id",
        ),
        Operation(
            "deduct",
            _ACCOUNT + "/deductions",
            DeductBody,
            lambda a, i, b, d: _deduct(a, b, d),
            "Take credits",
            "task_id",
        ),
        Operation(
            "reverse",
            _ACCOUNT + "/deductions/{deduction_id}/reversals",
            ReverseBody,
            lambda a, i, b, d: ReverseDeduction(a, i["deduction_id"], b.amount, b.reason),
            "Undo a deduction",
        ),
        Operation("hold", _ACCOUNT + "/holds", HoldBody, lambda a, i, b, d: _hold(a, b, d), "Reserve credits"),
        Operation(
            "capture",
            _HOLD + "/captures",
            CaptureBody,
            lambda a, i, b, d: _capture(a, i["hold_id"], b, d),
            "Turn a hold into a deduction",
        ),
        Operation(
            "extend",
            _HOLD + "/extensions",
            ExtendBody,
            lambda a, i, b, d: ExtendHold(a, i["hold_id"], timedelta(seconds=b.expires_in_seconds), d.longest_life),
            "Let a hold last longer",
        ),
        Operation(
            "release",
            _HOLD + "/release",
            EmptyBody,
            lambda a, i, b, d: ReleaseHold(a, i["hold_id"]),
            "Give a hold back",
        ),
        Operation(
            "void",
            _ACCOUNT + "/grants/{grant_id}/void",
            VoidBody,
            lambda a, i, b, d: VoidGrant(a, i["grant_id"], b.amount, b.reason),
            "Cancel what remains of a grant",
        ),
        Operation(
            "payment",
            _ACCOUNT + "/payments",
            PaymentBody,
            lambda a, i, b, d: payment_of(a, b, d),
            "Record a payment and grant what it buys",
            "payment_id",
            lambda b, c: payment_key(c),
        ),
        Operation(
            "payment_refund",
            _ACCOUNT + "/payments/{payment_id}/refunds",
            PaymentRefundBody,
            lambda a, i, b, d: RefundPayment(a, i["payment_id"], b.refund_id, b.amount_minor, b.provider),
            "Refund a payment and void what it bought",
            "refund_id",
            lambda b, c: b.refund_id if b.provider is None else f"{b.provider}:{b.refund_id}",
        ),
        Operation(
            "payment_dispute",
            _ACCOUNT + "/payments/{payment_id}/disputes",
            PaymentDisputeBody,
            lambda a, i, b, d: RecordDispute(
                a, i["payment_id"], b.dispute_id, b.state, b.amount_minor, b.provider, b.reason, d.on_dispute
            ),
            "Record a dispute of a payment",
            "dispute_id",
            lambda b, c: f"dispute:{b.dispute_id}:{b.state}",
        ),
        Operation(
            "subscription",
            _ACCOUNT + "/subscriptions/{subscription_id}",
            SubscriptionBody,
            lambda a, i, b, d: b.command(a, i["subscription_id"]),
            "Record what a provider says about a subscription",
            "as_of",
            lambda b, c: word_key(c),
        ),
        Operation(
            "freeze",
            _ACCOUNT + "/freeze",
            ReasonBody,
            lambda a, i, b, d: FreezeAccount(a, b.reason),
            "Refuse deductions and holds until unfrozen",
        ),
        Operation(
            "unfreeze",
            _ACCOUNT + "/unfreeze",
            ReasonBody,
            lambda a, i, b, d: UnfreezeAccount(a, b.reason),
            "Take back a freeze",
        ),
        Operation(
            "close",
            _ACCOUNT + "/close",
            ReasonBody,
            lambda a, i, b, d: CloseAccount(a, b.reason),
            "Accept only what returns or cancels credits, and payments that grant nothing",
        ),
        Operation(
            "reopen",
            _ACCOUNT + "/reopen",
            ReasonBody,
            lambda a, i, b, d: ReopenAccount(a, b.reason),
            "Open a closed account again",
        ),
        Operation(
            "limits",
            _ACCOUNT + "/limits",
            LimitsBody,
            lambda a, i, b, d: _limits(a, b),
            "Replace the limits of one source",
        ),
        Operation(
            "allowance",
            _ACCOUNT + "/limits/{limit_id}/allowances",
            AllowanceBody,
            lambda a, i, b, d: SetAllowance(a, i["limit_id"], b.value, b.amount),
            "Set the amount of one value of a limit",
        ),
        Operation(
            "meter",
            _ACCOUNT + "/usage",
            MeterBody,
            lambda a, i, b, d: _meter(a, b, d),
            "Count usage that costs no credits",
            "task_id",
        ),
        Operation(
            "change_expiry",
            _ACCOUNT + "/grants/{grant_id}/expiry",
            ExpiryBody,
            lambda a, i, b, d: ChangeGrantExpiry(a, i["grant_id"], b.expires_at, b.reinstate is True, b.reason),
            "Change when the credits of a grant expire",
        ),
    )
}
"""What changes one account, alone or in a batch."""

MOVES: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            "transfer",
            "/v1/transfers",
            TransferBody,
            lambda a, i, b, d: SendCredits(a, b.to_account_id, b.amount, b.description),
            "Move credits to another account",
        ),
        Operation(
            "merge",
            _ACCOUNT + "/merge",
            MergeBody,
            lambda a, i, b, d: MergeAccount(a, b.successor, b.reason),
            "Move everything to another account and close this one",
        ),
        Operation(
            "transfer_reversal",
            _ACCOUNT + "/transfers/{transfer_id}/reversals",
            ReasonBody,
            lambda a, i, b, d: ReverseTransfer(a, i["transfer_id"], b.reason),
            "Undo a whole transfer",
        ),
    )
}
"""What changes two accounts at once. No batch has them: an item of a batch is about one account."""

ALL_OPERATIONS = OPERATIONS | MOVES
