"""What a key of an account may do at /v1: the routes of the table OWN, on its own account, in its own name.

Every other account answers 404, whether it exists or not. All that the key spends says so: `usage.key` is its id, and
`usage.member` whoever it is for. The holds of others in the account are not there for the key of a member.
"""

from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from api.contract.bodies import Body, CaptureBody, DeductBody, HoldBody, UsageBody
from api.contract.limit_bodies import MeterBody, MeteredUsageBody
from api.contract.people.own_routes import OWN, OWN_OF_MEMBERS
from api.contract.problems import Problem
from api.contract.scopes import Scopes
from api.http.requests.callers import require
from ledger.domain.commands import CaptureHold, Command, ExtendHold, ReleaseHold
from ledger.domain.errors import AccountNotFound
from people.api_keys import ApiKey

BodyT = TypeVar("BodyT", bound=Body)
_KEYS_KEPT = 10_000
"""Keys whose usage is made once: it is the same for all that they spend."""


def admit(key: ApiKey, route: str, scopes: Scopes) -> None:
    """Raise Problem unless a key may use a route: one of a service by its scopes, one of an account by OWN."""
    if key.account_id is None:
        require(key, scopes)
    else:
        _require_own(key, route, scopes)


def _require_own(key: ApiKey, route: str, scopes: Scopes) -> None:
    scope = OWN.get(route)
    if scope is None:
        raise Problem("missing_scope", "A key of an account cannot do this.", scope=scopes[0])
    if not key.allows_own(scope):
        raise Problem("missing_scope", f"The API key lacks the scope {scope}.", scope=scope)
    if key.role == "member" and route not in OWN_OF_MEMBERS:
        raise Problem("missing_scope", "The key of a member of a team does not show what others do.", scope="admin")


def check_own_account(key: ApiKey, account_id: str) -> None:
    """Raise AccountNotFound where a key of an account asks for another one."""
    if key.account_id is not None and account_id != key.account_id:
        raise AccountNotFound(account_id)


def in_own_name(key: ApiKey, body: BodyT) -> BodyT:
    """A body that says whose use it is. Raises Problem: usage_conflicts_with_key where it says otherwise."""
    if not isinstance(body, DeductBody | HoldBody | CaptureBody | MeterBody):
        return body
    own = _own_usage(key.key_id, key.member)
    changed = body.model_copy(update={"usage": own if body.usage is None else _checked(body.usage, own)})
    assert isinstance(changed, type(body))
    return changed


def on_own_hold(key: ApiKey, command: Command) -> Command:
    """A command that says whose hold it is about, where the key is for a member: ids of holds can be guessed."""
    if key.member is not None and isinstance(command, CaptureHold | ExtendHold | ReleaseHold):
        return replace(command, of_member=key.member)
    return command


@lru_cache(maxsize=_KEYS_KEPT)
def _own_usage(key_id: str, member: str | None) -> UsageBody:
    """The usage of what a key spends, where nothing else is said. It is not validated: a key of before may be for a
    member with a blank name."""
    return UsageBody.model_construct(key=key_id, member=member)


def _checked(usage: UsageBody | MeteredUsageBody, own: UsageBody) -> UsageBody | MeteredUsageBody:
    """A usage with the key and member of a key. Raises Problem: usage_conflicts_with_key where it says otherwise."""
    update = {name: value for name in ("key", "member") if (value := getattr(own, name)) is not None}
    for name, value in update.items():
        said = getattr(usage, name)
        if said not in (None, value):
            detail = (
                f"The usage says {name} {said}, and the API key is of {value}. Leave it out: it is set from the key."
            )
            raise Problem("usage_conflicts_with_key", detail, field=f"usage.{name}", value=said, expected=value)
    return usage.model_copy(update=update)
