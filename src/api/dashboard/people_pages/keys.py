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
from api.dashboard.forms import one_line, read_form
from api.dashboard.people_pages.teams.acting import Refused, actor_of, names_in, refused
from api.dashboard.person_forms import WrongField
from api.dashboard.rendering import page
from api.http.people.key_lists import Listed, account_keys_of, find_keys
from api.http.queries.query import Page, known_account, now_of
from api.http.queries.reads import reads_of
from people.api_keys import OWN_SCOPES, ApiKey, Scope, State
from people.errors import AccessRefused
from people.keys.issuing import LONGEST_NAME, RATE, Changes, Holder, Issued, Wanted

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


async def keys(request: Request) -> Response:
    """Show the keys of an account, the usable ones first: a member of a team sees their own."""
    return await _show(request, await _holder(request))


async def submit_keys(request: Request) -> Response:
    """Make, rotate, disable, enable or revoke a key. A new secret is shown on the page that answers, this once."""
    form, holder = await read_form(request), await _holder(request)
    try:
        made = await _carry_out(request, holder, form)
    except AccessRefused as error:
        return await _show(request, holder, problem=refused(error))
    except WrongField as error:
        return await _show(request, holder, problem=Refused(422, str(error)))
    if made is not None:
        return await _show(request, holder, made=made)
    return RedirectResponse(account_path(root_of(request), holder.account_id, "keys"), 303)


async def all_keys(request: Request) -> Response:
    """Show all keys to an operator, those of services too. Raises Problem for a cursor of another list."""
    return await page(request, "all_keys.html", **await _listed(request, Listed(None, services=True)))


async def revoke_any(request: Request) -> Response:
    """Revoke a key, of a service too, as an operator. Raises AccessRefused: key_not_found."""
    form, here = await read_form(request), account_keys_of(request)
    key = await here.find(one_line(form, "key_id"), services=True)
    await here.end(f"operator:{operator_of(request).key.prefix}", key)
    return RedirectResponse(f"{root_of(request)}/keys", 303)


async def _holder(request: Request) -> Holder:
    """Whose keys the current user acts on. Raises AccountNotFound to an operator who asks for an account of nobody."""
    actor, account_id = actor_of(request), request.path_params["account_id"]
    if actor.user_id is None:
        await known_account(reads_of(request).ledger, account_id)
        return Holder(actor.name, account_id)
    return Holder.person(actor.user_id, account_id, user_of(request).role or "member")


async def _carry_out(request: Request, holder: Holder, form: Form) -> Issued | None:
    """What a form asks for. Raises AccessRefused, WrongField, and HTTPException 400 for what no form has."""
    here, key_id = account_keys_of(request), one_line(form, "key_id")
    match form.get("decision"):
        case "make":
            return await here.make(holder, _wanted(request, form))
        case "rotate":
            return await here.rotate(holder, key_id, _GRACE)
        case "disable" | "enable" as word:
            await here.change(holder, key_id, Changes(disabled=word == "disable"))
        case "revoke":
            await here.revoke(holder, key_id)
        case _:
            raise HTTPException(400, "The form cannot be read.")
    return None


def _wanted(request: Request, form: Form) -> Wanted:
    """The key that a form asks for. Raises WrongField, and HTTPException 400 for what no form has."""
    name, ends = one_line(form, "name"), form.get("ends", "")
    scopes = [scope for scope in OWN_SCOPES if form.get(scope) == "yes"]
    if not 1 <= len(name) <= LONGEST_NAME:
        raise WrongField(f"The name of a key has 1 to {LONGEST_NAME} characters.")
    if not scopes:
        raise WrongField("Choose at least one thing that the key may do.")
    if ends not in _ENDS:
        raise HTTPException(400, "The form cannot be read.")
    days = _ENDS[ends]
    return Wanted(name, scopes, None if days is None else now_of(request) + timedelta(days=days))


async def _listed(request: Request, listed: Listed, holder: Holder | None = None) -> dict[str, Any]:
    """What a template shows of one page of a list. Raises Problem for a cursor of another list."""
    cursor = request.query_params.get("cursor") or None
    found = await find_keys(request, "page of keys", listed, Page(_ROWS, cursor))
    rows = [_row(request, key, holder) for key in found.keys]
    return {"rows": rows, "next_cursor": found.next_cursor, "first": cursor is None}


def _row(request: Request, key: ApiKey, holder: Holder | None) -> KeyRow:
    state = key.state(now_of(request))
    allows: list[str] = sorted(key.scopes) if key.account_id is None else [*key.own_scopes]
    rotates = state == "active" and holder is not None and holder.may_rotate(key)
    return KeyRow(key, state, _TONES[state], allows, rotates, state == "disabled" and key.role is not None)


async def _show(
    request: Request, holder: Holder, *, made: Issued | None = None, problem: Refused | None = None
) -> Response:
    here = account_keys_of(request)
    return await page(
        request,
        "keys.html",
        status=200 if problem is None else problem.status,
        account_id=holder.account_id,
        **await _listed(request, Listed(holder.account_id, holder.seen), holder),
        names=await names_in(request, holder.account_id),
        made=made,
        problem=problem,
        brand=here.brand,
        rate=RATE,
        longest=LONGEST_NAME,
        scopes={name: words for name, words in _WORDS.items() if name != "admin" or holder.role != "member"},
        ends=_ENDS,
    )
