"""The page of the keys of an account, for its people and for operators, and the page of all keys, for operators.

A secret is on the page that answers to the form that made it, and on no other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import account_path, operator_of, root_of, user_of
from api.dashboard.forms import LONGEST_SEARCH, one_line, read_form, searched
from api.dashboard.limits.page import LimitCard
from api.dashboard.options import options_of
from api.dashboard.people_pages.key_limits import (
    LOOKED_BACK,
    PERIODS,
    KeyLimit,
    limit_in,
    limits_by_key,
    may_limit,
    set_limit,
    unnamed_credits,
)
from api.dashboard.people_pages.teams.acting import Refused, actor_of, refused
from api.dashboard.person_forms import WrongField
from api.dashboard.rendering import names_in, page
from api.http.people.account_keys import end_limit
from api.http.people.key_lists import Listed, account_keys_of, find_keys
from api.http.queries.query import Page, known_account, now_of
from api.http.queries.reads import reads_of
from ledger.domain.errors import Refusal
from people.api_keys import OWN_SCOPES, ApiKey, Scope, State
from people.errors import AccessRefused
from people.keys.issuing import LONGEST_NAME, MOST_PER_MINUTE, RATE, Changes, Holder, Issued, Wanted
from people.teams.words import missing_role

Form = Mapping[str, str]
_GRACE = timedelta(days=1)
_ROWS = 100
"""Keys of one page."""
_TONES: Mapping[State, str] = {"active": "good", "expired": "", "disabled": "warn", "revoked": ""}
_WORDS: Mapping[Scope, str] = {
    "read": "Read: balance, usage and limits of the account",
    "write": "Write: spend credits of the account",
    "admin": "Admin: what your role may manage",
}
_EMPTY: Form = dict.fromkeys(("name", "ends", "rate", "amount", "period", *OWN_SCOPES), "")
_NEW: Form = {**_EMPTY, "read": "yes", "write": "yes", "period": "month"}
"""What the form of a new key says at first."""
_ENDS: Mapping[str, int | None] = {"": None, "30": 30, "90": 90, "365": 365}
"""The choices of days after which a key ends."""


class KeyRow(NamedTuple):
    """A key as a page shows it."""

    key: ApiKey
    state: State
    tone: str
    allows: list[str]
    rotates: bool
    """Whether who looks may have another secret of it."""
    enables: bool
    """Whether it works when it is enabled."""
    limits: list[LimitCard]
    """The limits of this key alone, whoever set them."""

    @property
    def own_limit(self) -> LimitCard | None:
        """The one that this page sets."""
        return next((card for card in self.limits if card.is_of_key), None)


async def keys(request: Request) -> Response:
    """Show the keys of an account, the usable ones first: a member of a team sees their own."""
    return await _show(request, await _holder(request))


async def submit_keys(request: Request) -> Response:
    """Make, rotate, disable, enable or revoke a key. A new secret is shown on the page that answers, this once."""
    form, holder = await read_form(request), await _holder(request)
    try:
        made = await _carry_out(request, holder, form)
    except AccessRefused as error:
        return await _show(request, holder, problem=refused(error), given=form)
    except WrongField as error:
        return await _show(request, holder, problem=Refused(422, str(error), error.field), given=form)
    except Refusal as error:
        return await _show(request, holder, problem=Refused(422, error.message), given=form)
    if made is not None:
        return await _show(request, holder, made=made)
    return RedirectResponse(account_path(root_of(request), holder.account_id, "keys"), 303)


async def all_keys(request: Request) -> Response:
    """Show all keys to an operator, those of services too, or those that a text is about.

    Raises Problem for a cursor of another list, and for a text that is too long or has control characters.
    """
    text = searched(request)
    listed = await _listed(request, Listed(None, services=True, text=text or None))
    return await page(request, "all_keys.html", **listed, text=text, longest=LONGEST_SEARCH)


async def revoke_any(request: Request) -> Response:
    """Revoke a key, of a service too, as an operator. Raises AccessRefused: key_not_found."""
    form, here = await read_form(request), account_keys_of(request)
    key = await here.find(one_line(form, "key_id"), services=True)
    actor = f"operator:{operator_of(request).key.prefix}"
    await here.end(actor, key)
    if key.account_id is not None:
        await end_limit(request, Holder(actor, key.account_id), key.key_id)
    return RedirectResponse(f"{root_of(request)}/keys", 303)


async def _holder(request: Request) -> Holder:
    """Whose keys the current user acts on. Raises AccountNotFound to an operator who asks for an account of nobody."""
    actor, account_id = actor_of(request), request.path_params["account_id"]
    if actor.user_id is None:
        await known_account(reads_of(request).ledger, account_id)
        return Holder(actor.name, account_id)
    return Holder.person(actor.user_id, account_id, user_of(request).role or "member")


async def _carry_out(request: Request, holder: Holder, form: Form) -> Issued | None:
    """What a form asks for. Raises AccessRefused, WrongField, Refusal, and HTTPException 400 for what no form has."""
    here, key_id = account_keys_of(request), one_line(form, "key_id")
    match form.get("decision"):
        case "make":
            return await _make(request, holder, _wanted(request, form), limit_in(form, "amount"))
        case "rotate":
            return await here.rotate(holder, key_id, _GRACE)
        case "disable" | "enable" as word:
            await here.change(holder, key_id, Changes(disabled=word == "disable"))
        case "revoke":
            await here.revoke(holder, key_id)
            await end_limit(request, holder, key_id)
        case "limit":
            await here.one(holder, key_id)
            await set_limit(request, holder, key_id, limit_in(form, f"amount-{key_id}"))
        case _:
            raise HTTPException(400, "The form cannot be read.")
    return None


async def _make(request: Request, holder: Holder, wanted: Wanted, limit: KeyLimit | None) -> Issued:
    """A key with its limit; none where the limit is refused. Raises as `Keys.make` and `set_limit` do."""
    if limit is not None and not may_limit(request, holder):
        raise missing_role("admin")
    made = await account_keys_of(request).make(holder, wanted)
    if limit is not None:
        try:
            await set_limit(request, holder, made.key.key_id, limit)
        except BaseException:
            await account_keys_of(request).revoke(holder, made.key.key_id)
            raise
    return made


def _wanted(request: Request, form: Form) -> Wanted:
    """The key that a form asks for. Raises WrongField, and HTTPException 400 for what no form has."""
    name, ends = one_line(form, "name"), form.get("ends", "")
    scopes = [scope for scope in OWN_SCOPES if form.get(scope) == "yes"]
    if not 1 <= len(name) <= LONGEST_NAME:
        raise WrongField(f"The name of a key has 1 to {LONGEST_NAME} characters.", "name")
    if not scopes:
        raise WrongField("Choose at least one thing that the key may do.", "scopes")
    if ends not in _ENDS:
        raise HTTPException(400, "The form cannot be read.")
    days = _ENDS[ends]
    return Wanted(name, scopes, None if days is None else now_of(request) + timedelta(days=days), _rate_in(form))


def _rate_in(form: Form) -> int | None:
    """The requests per minute in a form; None for the usual ones. Raises WrongField."""
    text = form.get("rate", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= MOST_PER_MINUTE):
        raise WrongField(f"Enter a whole number of requests a minute, from 1 to {MOST_PER_MINUTE}.", "rate")
    return int(text)


async def _listed(request: Request, listed: Listed, holder: Holder | None = None) -> dict[str, Any]:
    """What a template shows of one page of a list. Raises Problem for a cursor of another list."""
    cursor = request.query_params.get("cursor") or None
    found = await find_keys(request, "page of keys", listed, Page(_ROWS, cursor))
    limits = await limits_by_key(request, holder.account_id) if holder else {}
    rows = [_row(request, key, holder, limits.get(key.key_id, [])) for key in found.keys]
    return {"rows": rows, "next_cursor": found.next_cursor, "first": cursor is None}


def _row(request: Request, key: ApiKey, holder: Holder | None, limits: list[LimitCard]) -> KeyRow:
    state = key.state(now_of(request))
    allows: list[str] = sorted(key.scopes) if key.account_id is None else [*key.own_scopes]
    rotates = state == "active" and holder is not None and holder.may_rotate(key)
    return KeyRow(key, state, _TONES[state], allows, rotates, state == "disabled" and key.role is not None, limits)


async def _show(
    request: Request,
    holder: Holder,
    *,
    made: Issued | None = None,
    problem: Refused | None = None,
    given: Form | None = None,
) -> Response:
    here, listed = account_keys_of(request), await _listed(request, Listed(holder.account_id, holder.seen), holder)
    limits = may_limit(request, holder)
    return await page(
        request,
        "keys.html",
        status=200 if problem is None else problem.status,
        account_id=holder.account_id,
        **listed,
        limits=limits,
        periods=PERIODS,
        unnamed=await unnamed_credits(request, holder.account_id) if limits else 0,
        looked_back=LOOKED_BACK,
        limited=given if given and given.get("decision") == "limit" else {},
        names=await names_in(request, holder.account_id),
        made=made,
        problem=problem,
        given={**_EMPTY, **given} if given and given.get("decision") == "make" else _NEW,
        service=options_of(request).public_url or f"{request.url.scheme}://{request.url.netloc}",
        brand=here.brand,
        rate=RATE,
        longest=LONGEST_NAME,
        scopes={name: words for name, words in _WORDS.items() if name != "admin" or holder.role != "member"},
        ends=_ENDS,
    )
