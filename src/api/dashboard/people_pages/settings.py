"""The settings of a person who signed in here: who they are, their mails, password, address and sessions, a copy of
everything, and their deletion. Each form is submitted to an address of its own, and shown again with what was wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from babel import Locale
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import AccountHolder, root_of, user_of
from api.dashboard.person_forms import people_of, provider_of
from api.dashboard.rendering import page
from api.http.people.key_lists import account_keys_of
from api.http.queries.query import now_of
from people.sign_in.passwords import SHORTEST
from people.sign_in.profile import LANGUAGES, MAIL_KINDS, MAX_AVATAR, MAX_ZONE, MailKind
from people.sign_in.recovery import is_fresh
from people.sign_in.sign_ins import Person
from people.sign_in.ways_back import WayBack
from people.sign_in.words import MAX_EMAIL, MAX_NAME

MAILS: Mapping[MailKind, str] = {
    "keys": "when an API key that you made is about to end",
    "teams": "when somebody joins or leaves a team that you own",
}
"""What each kind of mail that may be switched off tells."""
DONE = {
    "profile": "Your profile is changed.",
    "mails": "Your choice of mails is kept.",
    "password": "Your password is changed, and your other sessions are ended.",
    "email": "A mail is on its way to the new address. Open the link in it.",
    "sessions": "The session is ended.",
    "deletion": "You will be erased, unless you take it back. A mail says how.",
    "keep": "Your account stays.",
}
"""What is said after each form."""
AGAIN = WayBack(settings=True)
"""Where somebody goes on who signs in again to confirm something here."""
LIMITS = {"name": MAX_NAME, "avatar_url": MAX_AVATAR, "zone": MAX_ZONE, "email": MAX_EMAIL, "password": SHORTEST}


_BROWSERS: Mapping[str, str] = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
"""What browsers write of themselves. Later ones write the words of earlier ones too: the first that is found counts."""
_SYSTEMS: Mapping[str, str] = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


class Wrong(NamedTuple):
    """What was wrong: in which form of the page, in which field of it, and a sentence. Without a field, all of it."""

    part: str = ""
    field: str = ""
    sentence: str = ""


async def settings(request: Request) -> Response:
    """Show the settings."""
    return await show_settings(request)


async def person_on(request: Request) -> Person:
    """The person whose session a page has. Raises HTTPException 404 where nobody signs in, and AccessRefused."""
    user = user_of(request)
    assert isinstance(user, AccountHolder), "the table of scopes lets nobody else in here"
    return await people_of(request).sign_ins.person(user.secret, "page")


async def show_settings(
    request: Request,
    *,
    status: int = 200,
    wrong: Wrong | None = None,
    given: Mapping[str, str] | None = None,
) -> Response:
    """The page, with what was `wrong`, and what was `given` instead of what is kept."""
    person, people = await person_on(request), people_of(request)
    profile = await people.profiles.of(person.user.user_id)
    return await page(
        request,
        "settings.html",
        status=status,
        profile=profile,
        initials=initials(profile.name or profile.email),
        given=given or {},
        wrong=wrong or Wrong(),
        done=DONE.get(request.query_params.get("done", "")) if status == 200 else None,
        sessions=await people.sign_ins.sessions_of(person),
        mails=[(kind, MAILS[kind], kind not in profile.mails_off) for kind in MAIL_KINDS],
        languages=languages(),
        limits=LIMITS,
        keys=await people.recovery.keys_made(person.user.user_id),
        brand=account_keys_of(request).brand,
        confirms=profile.has_password or is_fresh(person, now_of(request)),
        provider=provider.title if (provider := provider_of(request)) is not None else None,
        again=AGAIN.query,
        program_of=program_of,
    )


def done(request: Request, part: str, **parameters: Any) -> Response:
    """Go back to the page, which says what was done."""
    return RedirectResponse(f"{root_of(request)}/settings?done={part}", 303, **parameters)


def initials(name: str) -> str:
    """What stands for a picture: a picture at a stranger's address would tell that stranger who looks at our pages."""
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


def program_of(client: str | None) -> str:
    """A program in words, such as `Firefox on Windows`, by what it says of itself; its own text for another one."""
    if not client:
        return "an unknown program"
    browser = next((name for mark, name in _BROWSERS.items() if mark in client), None)
    system = next((name for mark, name in _SYSTEMS.items() if mark in client), None)
    return client if browser is None else browser if system is None else f"{browser} on {system}"


def languages() -> list[tuple[str, str]]:
    """The languages whose way to write numbers can be chosen, with their names in English."""
    named = ((tag, Locale.parse(tag, sep="-").get_display_name("en") or tag) for tag in LANGUAGES)
    return sorted(named, key=lambda each: each[1])
