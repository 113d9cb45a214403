"""The page of the keys of an account, for its people and for operators, and the page of all keys, for operators.

A secret is on the page that answers to the form that made it, and on no other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import account_path, operator_of, root_of, user_of
from api.dashboard.forms import one_line, read_form
from api.dashboard.people_pages.teams.acting import Refused, actor_of, refused
from api.dashboard.person_forms import WrongField
from api.dashboard.rendering import page
from api.http.people.account_keys import account_keys_of
from api.http.queries.query import known_account, now_of
from api.http.queries.reads import reads_of
from people.api_keys import OWN_SCOPES, ApiKey, Scope, State
from people.errors import AccessRefused
from people.keys.issuing import LONGEST_NAME, RATE, Changes, Holder, Issued, Wanted

Form = Mapping[str, str]
_GRACE = timedelta(days=1)
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
    """Show all keys to an operator, those of services too."""
    found = await account_keys_of(request).listed(None, services=True)
    return await page(request, "all_keys.html", rows=[_row(request, key) for key in found])


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


def _row(request: Request, key: ApiKey) -> KeyRow:
    state = key.state(now_of(request))
    allows: list[str] = sorted(key.scopes) if key.account_id is None else [*key.own_scopes]
    return KeyRow(key, state, _TONES[state], allows)


async def _show(
    request: Request, holder: Holder, *, made: Issued | None = None, problem: Refused | None = None
) -> Response:
    here = account_keys_of(request)
    return await page(
        request,
        "keys.html",
        status=200 if problem is None else problem.status,
        account_id=holder.account_id,
        rows=[_row(request, key) for key in await here.listed(holder.account_id, holder.seen)],
        made=made,
        problem=problem,
        brand=here.brand,
        rate=RATE,
        longest=LONGEST_NAME,
        scopes={name: words for name, words in _WORDS.items() if name != "admin" or holder.role != "member"},
        ends=_ENDS,
    )
