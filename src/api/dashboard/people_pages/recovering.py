"""A forgotten password, and the links about a new address."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.people_pages.signing_in import Fields, mailed, notice, spent, submitted
from api.dashboard.person_forms import (
    ADDRESS,
    NEW_PASSWORD,
    Form,
    address_in,
    password_in,
    people_of,
    revokes_keys,
    show,
    way_back,
)
from api.http.people.origins import origin_of

_SIGN_IN = ("sign-in", "Sign in")
_HOME = ("", "Go to your account")
ASK = Form("Choose a new password", "We mail you a link to a new password.", "Mail me a link", (ADDRESS,), (_SIGN_IN,))
RESET = Form("Choose a new password", "All your sessions end.", "Change the password", (NEW_PASSWORD,))
EMAIL = Form("Confirm your new address", "From now on you sign in with it.", "Confirm")
UNDO = Form(
    "Keep your address",
    "Your address stays, or becomes again, the one at which you got this mail. All your sessions end, and the API keys "
    "that were made since.",
    "Keep my address",
)

KEEP = Form("Keep your account", "You asked to be erased. Take it back, and nothing changes.", "Keep my account")


async def show_ask(request: Request) -> Response:
    """Show the form."""
    people_of(request)
    return await show(request, ASK)


async def ask_reset(request: Request) -> Response:
    """Mail a link for a new password."""

    async def ask(fields: Fields) -> Response:
        await people_of(request).recovery.ask_reset(address_in(fields), origin_of(request), way_back(request))
        return await mailed(request)

    return await submitted(request, ASK, ask)


async def show_reset(request: Request) -> Response:
    """Ask for a new password, if the link opens."""
    if not await people_of(request).sign_ins.is_usable(request.path_params["token"], "reset"):
        return await spent(request)
    return await show(request, await _reset_form(request))


async def reset(request: Request) -> Response:
    """Set the new password."""

    async def ask(fields: Fields) -> Response:
        ends, token = revokes_keys(fields), request.path_params["token"]
        await people_of(request).recovery.reset(token, password_in(fields), revoke_keys=ends)
        keys = "" if not form.keys else " Your API keys are revoked." if ends else " Your API keys go on."
        return await notice(request, "Your password is changed", f"Sign in with the new one.{keys}")

    form = await _reset_form(request)
    return await submitted(request, form, ask)


async def _reset_form(request: Request) -> Form:
    """With the keys of whoever has the link."""
    keys = await people_of(request).recovery.keys_behind(request.path_params["token"])
    return replace(RESET, keys=tuple(keys))


async def show_email(request: Request) -> Response:
    """Show a button, if the link opens."""
    if not await people_of(request).sign_ins.is_usable(request.path_params["token"], "email"):
        return await spent(request)
    return await show(request, EMAIL)


async def confirm_email(request: Request) -> Response:
    """Change the address."""

    async def ask(_: Fields) -> Response:
        await people_of(request).recovery.change_address(request.path_params["token"])
        says = "Sign in with the new one from now on."
        return await notice(request, "Your address is changed", says, onward=_HOME)

    return await submitted(request, EMAIL, ask)


async def show_undo(request: Request) -> Response:
    """Show a button, if the link opens."""
    if not await people_of(request).sign_ins.is_usable(request.path_params["token"], "undo"):
        return await spent(request)
    return await show(request, UNDO)


async def keep_email(request: Request) -> Response:
    """Keep the address, or take it back."""

    async def ask(_: Fields) -> Response:
        await people_of(request).recovery.keep_address(request.path_params["token"])
        says = "Choose a new password now: whoever asked for the other address may know this one."
        onward = ("reset", "Choose a new password")
        return await notice(request, "Your address is as it was", says, onward=onward)

    return await submitted(request, UNDO, ask)


async def show_keep(request: Request) -> Response:
    """Show a button, if the link opens."""
    if not await people_of(request).sign_ins.is_usable(request.path_params["token"], "keep"):
        return await spent(request)
    return await show(request, KEEP)


async def keep_account(request: Request) -> Response:
    """Take a deletion back."""

    async def ask(_: Fields) -> Response:
        await people_of(request).deletions.keep(request.path_params["token"])
        return await notice(request, "Your account stays", "Nothing has changed.", onward=_HOME)

    return await submitted(request, KEEP, ask)
