"""What the forms of the settings do."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import cast
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.problems import STATUSES, Problem
from api.dashboard.current_user import home_path, page_not_found, root_of, user_of
from api.dashboard.forms import read_form
from api.dashboard.people_pages.settings import Wrong, done, person_on, show_settings
from api.dashboard.person_forms import (
    WrongField,
    address_in,
    field_of,
    name_in,
    password_in,
    people_of,
    revokes_keys,
)
from api.http.own_data.copy import send_copy
from api.http.people.leaving import ask_deletion
from api.http.people.origins import origin_of
from ledger.domain.periods import UnknownZone, zone
from people.errors import AccessRefused
from people.sign_in.profile import AVATAR, LANGUAGES, MAIL_KINDS, MAX_AVATAR, ProfileChanges

Fields = dict[str, str]


async def change_profile(request: Request) -> Response:
    """Change the name, the address of the picture, the time zone and the language of numbers."""

    async def change(fields: Fields) -> None:
        changes = ProfileChanges(name_in(fields), _avatar_in(fields), _zone_in(fields), _language_in(fields))
        await people_of(request).profiles.change((await person_on(request)).user.user_id, changes)

    return await _submitted(request, "profile", change)


async def change_mails(request: Request) -> Response:
    """Change which mails are wanted: a box that is not ticked is not sent by the browser."""

    async def change(fields: Fields) -> None:
        off = [kind for kind in MAIL_KINDS if kind not in fields]
        changes = ProfileChanges(mails_off=cast(list[str], off))
        await people_of(request).profiles.change((await person_on(request)).user.user_id, changes)

    return await _submitted(request, "mails", change)


async def change_password(request: Request) -> Response:
    """Set another password."""

    async def change(fields: Fields) -> None:
        new = password_in(fields, "new_password")
        person = await person_on(request)
        await people_of(request).recovery.change_password(
            person, _present(fields), new, origin_of(request), revoke_keys=revokes_keys(fields)
        )

    return await _submitted(request, "password", change)


async def ask_address(request: Request) -> Response:
    """Mail a link to another address."""

    async def ask(fields: Fields) -> None:
        email, person = address_in(fields), await person_on(request)
        await people_of(request).recovery.ask_address(person, _present(fields), email, origin_of(request))

    return await _submitted(request, "email", ask)


async def end_sessions(request: Request) -> Response:
    """End one session, or all but this one."""

    async def end(fields: Fields) -> None:
        person, number = await person_on(request), fields.get("session_id", "")
        if number == "others":
            await people_of(request).sign_ins.end_others(person)
        elif number.isascii() and number.isdecimal() and len(number) < 19:
            await people_of(request).sign_ins.end(person, int(number))

    return await _submitted(request, "sessions", end)


async def ask_export(request: Request) -> Response:
    """Ask for a copy of everything, and fetch it."""
    await read_form(request)
    person = await person_on(request)
    try:
        found = await people_of(request).profiles.ask_export(person.user.user_id)
    except AccessRefused as error:
        return await _refused(request, "export", error)
    return RedirectResponse(f"{root_of(request)}/settings/export/{found.export_id}", 303)


async def fetch_export(request: Request) -> Response:
    """Send a copy that was asked for."""
    user_id, export_id = (await person_on(request)).user.user_id, request.path_params["export_id"]
    if await people_of(request).profiles.export(user_id, export_id) is None:
        page_not_found()
    return await send_copy(request, user_id)


async def delete(request: Request) -> Response:
    """Ask to be erased."""

    async def ask(fields: Fields) -> None:
        await ask_deletion(request, await person_on(request), _present(fields))

    return await _submitted(request, "deletion", ask)


async def keep(request: Request) -> Response:
    """Take it back."""

    async def take_back(_: Fields) -> None:
        await people_of(request).deletions.take_back((await person_on(request)).user.user_id)

    return await _submitted(request, "keep", take_back)


async def hide_first_steps(request: Request) -> Response:
    """Hide the list of first steps from the overview of this person, and go back to it."""
    await read_form(request)
    await people_of(request).profiles.hide_first_steps((await person_on(request)).user.user_id)
    return RedirectResponse(home_path(root_of(request), user_of(request).account_id), 303)


async def _submitted(request: Request, part: str, ask: Callable[[Fields], Awaitable[None]]) -> Response:
    """What comes of a form: the page that says so, or the page with what was wrong."""
    fields = await read_form(request)
    try:
        await ask(fields)
    except (AccessRefused, Problem) as error:
        if error.code == "unauthenticated":
            raise
        return await _refused(request, part, error, fields)
    except WrongField as error:
        wrong = Wrong(part, error.field, str(error))
        return await show_settings(request, status=422, wrong=wrong, given=_shown(fields))
    return done(request, part)


async def _refused(
    request: Request, part: str, error: AccessRefused | Problem, fields: Fields | None = None
) -> Response:
    status, _ = STATUSES[error.code]
    wrong = Wrong(part, "new_password" if error.code == "password_too_weak" else field_of(error), error.detail)
    response = await show_settings(request, status=status, wrong=wrong, given=_shown(fields or {}))
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def _shown(fields: Fields) -> Fields:
    """What a form is filled with again: no passwords."""
    return {name: value for name, value in fields.items() if "password" not in name}


def _present(fields: Fields) -> str | None:
    """The password of now, where the form asks for one: whoever has none has just signed in. Raises WrongField."""
    return password_in(fields) if "password" in fields else None


def _avatar_in(fields: Fields) -> str:
    address = fields.get("avatar_url", "")
    if len(address) > MAX_AVATAR or not re.fullmatch(AVATAR, address):
        raise WrongField("The address of a picture begins with https:// and a name, and has a path.", "avatar_url")
    return address


def _zone_in(fields: Fields) -> str:
    typed = fields.get("zone", "").strip()
    name = _zones().get(typed.lower().replace(" ", "_"), typed)
    try:
        return name and zone(name).key
    except UnknownZone as error:
        raise WrongField("There is no such time zone. Write one such as Europe/Berlin, or nothing.", "zone") from error


@cache
def _zones() -> Mapping[str, str]:
    """The names of time zones by how somebody may type them: a phone writes what it likes in capitals."""
    return {name.lower(): name for name in available_timezones()}


def _language_in(fields: Fields) -> str:
    tag = fields.get("language", "")
    if tag and tag not in LANGUAGES:
        raise WrongField("Choose one of the languages.", "language")
    return tag
