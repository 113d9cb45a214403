"""Refusals as answers: the one file that knows which HTTP status belongs to which code (RFC 9457).

docs/errors.md has a heading for each code, and a test compares the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic_core import ErrorDetails

from api.contract.answers.answer import ProblemDocument
from api.contract.bodies import VARIANTS
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.errors import MAX_SHOWN, Refusal, shown

PROBLEM_JSON = "application/problem+json"
MAX_ERRORS = 20
"""The largest number of errors that a problem lists."""

STATUSES: dict[str, tuple[int, str]] = {
    "idempotency_key_required": (400, "An idempotency key is required"),
    "malformed_json": (400, "The body is not JSON"),
    "unauthenticated": (401, "A valid API key or session is required"),
    "signature_invalid": (401, "The delivery is not genuine"),
    "wrong_credentials": (401, "The address or the password is wrong"),
    "registration_closed": (403, "Nobody can register here"),
    "email_not_verified": (403, "The address is not verified yet"),
    "fresh_sign_in_required": (403, "Sign in again first"),
    "user_disabled": (403, "The user is disabled"),
    "missing_role": (403, "Your role in the team does not allow this"),
    "invitation_for_another_address": (403, "The invitation is for somebody else"),
    "insufficient_credits": (402, "Not enough credits"),
    "limit_reached": (402, "A limit is reached"),
    "missing_scope": (403, "The API key may not do this"),
    "not_found": (404, "There is nothing at this address"),
    "account_not_found": (404, "There is no such account"),
    "grant_not_found": (404, "There is no such grant"),
    "deduction_not_found": (404, "There is no such deduction"),
    "hold_not_found": (404, "There is no such hold"),
    "key_not_found": (404, "There is no such key"),
    "payment_not_found": (404, "There is no such payment"),
    "limit_not_found": (404, "There is no such limit"),
    "transfer_not_found": (404, "There is no such transfer"),
    "plan_not_found": (404, "There is no such plan"),
    "package_not_found": (404, "There is no such package"),
    "provider_not_configured": (404, "The provider has no secret here"),
    "webhook_not_found": (404, "There is no such webhook"),
    "price_book_not_found": (404, "There is no such version of the price book"),
    "checkout_not_found": (404, "There is no such checkout"),
    "event_not_found": (404, "The account has no such event"),
    "receipt_not_found": (404, "The key has not been used"),
    "method_not_allowed": (405, "This address does not take this method"),
    "body_timeout": (408, "The body did not arrive in time"),
    "account_exists_with_different_body": (409, "The account exists"),
    "account_closed": (409, "The account is closed"),
    "account_frozen": (409, "The account is frozen"),
    "grant_closed": (409, "The grant was voided"),
    "grant_expired": (409, "The grant has expired"),
    "hold_already_captured": (409, "The hold has been captured"),
    "hold_already_released": (409, "The hold has been released"),
    "hold_expired": (409, "The hold has expired"),
    "payment_already_recorded": (409, "The payment was recorded before"),
    "payment_of_another_account": (409, "The payment was recorded for another account"),
    "payment_ambiguous": (409, "Several providers have used the payment id"),
    "refund_already_recorded": (409, "The refund was recorded before"),
    "not_paid": (409, "The payment has no receipt"),
    "payment_not_paid": (409, "The payment has no money that can be disputed"),
    "dispute_already_recorded": (409, "The dispute was recorded before"),
    "dispute_already_decided": (409, "The dispute ended the other way"),
    "hold_disputed": (409, "A dispute holds the credits"),
    "transfer_already_reversed": (409, "The transfer was reversed before"),
    "transfer_spent": (409, "The receiver no longer has all of it"),
    "product_belongs_to_another": (409, "The product has other terms already"),
    "webhook_already_applied": (409, "The webhook was applied"),
    "subscription_required": (409, "The package is for subscribers"),
    "already_subscribed": (409, "The account has a plan of this group"),
    "no_subscription": (409, "There is no active subscription"),
    "already_on_plan": (409, "The subscription is on this plan"),
    "not_an_upgrade": (409, "The plan is not better"),
    "not_a_downgrade": (409, "The plan is better"),
    "has_a_subscription": (409, "The subscription of the account renews"),
    "already_cancelled": (409, "The subscription ends already"),
    "not_cancelled": (409, "The subscription renews as it is"),
    "payment_due": (409, "A payment of the subscription is due"),
    "effective_in_the_past": (409, "The version would take effect in the past"),
    "user_exists": (409, "There is such a user"),
    "slug_taken": (409, "Another team has this short name"),
    "already_member": (409, "They are in the team, or invited"),
    "seats_taken": (409, "The team has no free seat"),
    "last_owner": (409, "The team would have no owner"),
    "owns_a_team": (409, "The person owns a team"),
    "deletion_requested": (409, "The person is to be erased"),
    "team_in_use": (409, "Something of the team goes on"),
    "batch_refused": (409, "The atomic batch was refused"),
    "not_yet_visible": (409, "The position is not visible yet"),
    "token_spent": (410, "The link is of no use any more"),
    "version_mismatch": (412, "The account has moved on"),
    "body_too_large": (413, "The body is too large"),
    "batch_too_large": (413, "The batch is too large"),
    "query_too_large": (414, "The query is too large"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "validation_failed": (422, "The request is not valid"),
    "idempotency_key_reused": (422, "The idempotency key was used with another body"),
    "hold_life_exceeded": (422, "The hold would last too long"),
    "occurred_at_out_of_bounds": (422, "The usage occurred too long ago, or in the future"),
    "amount_exceeds_hold": (422, "The amount is larger than the hold"),
    "amount_exceeds_deduction": (422, "The amount is larger than what can be reversed"),
    "amount_exceeds_payment": (422, "The amount is larger than what is left of the payment"),
    "balance_limit_exceeded": (422, "The balance would be too large"),
    "coming_grants_limit_exceeded": (422, "Too many coming grants"),
    "open_lots_limit_exceeded": (422, "Too many open lots"),
    "open_holds_limit_exceeded": (422, "Too many open holds"),
    "draws_limit_exceeded": (422, "Too many draws for one event"),
    "labels_limit_exceeded": (422, "Too many labels"),
    "statement_too_long": (422, "The month has too many events"),
    "reversals_limit_exceeded": (422, "Too many reversals of one deduction"),
    "disputes_limit_exceeded": (422, "Too many disputes of one payment"),
    "subscriptions_limit_exceeded": (422, "Too many subscriptions"),
    "usage_required": (422, "A limit needs to know more of the usage"),
    "usage_conflicts_with_hold": (422, "The usage is not that of the hold"),
    "usage_conflicts_with_key": (422, "The usage is not that of the API key"),
    "keys_limit_exceeded": (422, "Too many API keys"),
    "limits_limit_exceeded": (422, "Too many limits"),
    "allowances_limit_exceeded": (422, "Too many allowances of one limit"),
    "counters_limit_exceeded": (422, "Too many open counters"),
    "catalog_limit_exceeded": (422, "The catalogue is full"),
    "password_too_weak": (422, "The password is too weak"),
    "price_not_found": (422, "There is no such price"),
    "teams_limit_exceeded": (422, "Too many teams of one person"),
    "rate_limited": (429, "Too many requests"),
    "too_many_streams": (429, "Too many open streams"),
    "internal_error": (500, "Something is wrong in the ledger"),
    "provider_cannot": (501, "The provider has no way to do this"),
    "provider_failed": (502, "The provider did not do it"),
    "overloaded": (503, "The ledger is busy"),
    "unavailable": (503, "The database cannot be reached"),
    "storage_full": (503, "The database has no room left"),
    "document_unavailable": (503, "The document cannot be made now"),
    "projection_unavailable": (503, "A projection is being built"),
    "query_timeout": (503, "The query took too long"),
    "public_url_required": (503, "The public address of the service is not set"),
}
"""code -> status and title."""


class Problem(Exception):
    """A request that is answered with a problem document."""

    def __init__(self, code: str, detail: str, *, retry_after: int | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUSES[self.code][0]

    def with_facts(self, **more: Any) -> "Problem":
        """The same problem, with more facts."""
        return Problem(self.code, self.detail, retry_after=self.retry_after, **self.facts, **more)

    def document(self) -> ProblemDocument:
        """The problem as JSON."""
        status, title = STATUSES[self.code]
        document: ProblemDocument = {
            "type": f"urn:credit-ledger:problem:{self.code}",
            "title": title,
            "status": status,
            "code": self.code,
            "detail": self.detail,
        }
        return document | self.facts  # type: ignore[return-value]  # facts are fields that the type leaves open

    def body(self) -> bytes:
        """The problem as bytes."""
        return orjson.dumps(self.document(), option=orjson.OPT_UTC_Z)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What goes beside the body."""
        result = [(b"content-type", PROBLEM_JSON.encode())]
        if self.code in {"unauthenticated", "wrong_credentials"}:
            result.append((b"www-authenticate", b"Bearer"))
        if self.code == "signature_invalid":
            result.append((b"www-authenticate", b"Signature"))
        if self.code in {"body_too_large", "body_timeout"}:
            result.append((b"connection", b"close"))  # the rest of the body is not read
        if self.retry_after is not None:
            result.append((b"retry-after", str(self.retry_after).encode()))
        return result


def from_refusal(refusal: Refusal) -> Problem:
    """A refusal of the ledger as a problem."""
    return Problem(refusal.code, refusal.message, **refusal.facts)


def validation_failed(errors: Sequence[dict[str, Any]], more: int = 0) -> Problem:
    """One problem for all fields that are wrong. It lists MAX_ERRORS of them, and says how many more there are."""
    more += max(len(errors) - MAX_ERRORS, 0)
    listed = [{**error, "field": shown(error["field"])} for error in errors[:MAX_ERRORS]]
    names = ", ".join(sorted({error["field"] for error in listed}))
    if not more:
        return Problem("validation_failed", f"Not valid: {names}.", errors=listed)
    return Problem("validation_failed", f"Not valid: {names}, and {more} more.", errors=listed, more_errors=more)


def invalid(field: str, message: str) -> Problem:
    """One field that is wrong."""
    return validation_failed([{"field": field, "message": message}])


def projection_unavailable() -> Problem:
    """The problem of a query that needs a projection which is not there."""
    return Problem(
        "projection_unavailable",
        "A projection that this answer needs is being built. Queries of /balance are not affected.",
        retry_after=5,
    )


def query_timeout() -> Problem:
    """The problem of a query that the database has ended."""
    return Problem(
        "query_timeout",
        "The query took too long, so the database ended it. Ask for less, such as a shorter period or a smaller page, "
        "or send it again later.",
        retry_after=5,
    )


def from_pydantic(details: Sequence[ErrorDetails], prefix: str = "", about_zero: Mapping[str, str] = {}) -> Problem:
    """What pydantic found wrong, field by field, in the words of this API.

    `about_zero` has what is added to the message of a field that must not be 0, by its name.
    """
    return validation_failed(
        [_field_error(detail, prefix, about_zero) for detail in details[:MAX_ERRORS]], len(details[MAX_ERRORS:])
    )


_NAME = "[key]"
"""What pydantic puts behind a name that is wrong itself."""
_NO_FIELDS = {_NAME, *VARIANTS}


def _field_error(detail: ErrorDetails, prefix: str, about_zero: Mapping[str, str]) -> dict[str, Any]:
    path = ".".join(shown(str(part)) for part in detail["loc"] if part not in _NO_FIELDS)
    error: dict[str, Any] = {"field": prefix + path or "body", "message": _message(detail)}
    value = detail.get("input")
    if value == 0 and type(value) is int:
        error["message"] += about_zero.get(path, "")
    if _can_be_shown(value):
        error["value"] = value
    limits = {k: v for k, v in (detail.get("ctx") or {}).items() if k != "error" and isinstance(v, int | str)}
    if limits:
        error["limits"] = limits
    return error


def _can_be_shown(value: object) -> bool:
    """Whether it is short, and no float that stands for an integer which was rounded when it was read."""
    if isinstance(value, float):
        return abs(value) <= MAX_AMOUNT
    return isinstance(value, bool | int | str) and len(repr(value)) <= MAX_SHOWN


def _is_blank(text: str) -> bool:
    """Whether it is of spaces alone, none of which is a control character."""
    return text.isspace() and min(text) >= " " and "\x85" not in text


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "is not a field of this request"
    if detail["type"] == "missing":
        return "is required"
    if detail["type"] == "value_error":
        return str((detail.get("ctx") or {})["error"])
    if detail["type"] == "string_pattern_mismatch" and _is_blank(str(detail["input"])):
        return "must not be blank"
    return detail["msg"][:1].lower() + detail["msg"][1:]
