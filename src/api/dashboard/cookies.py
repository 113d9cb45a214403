"""The cookies of the dashboard: their names, to which addresses browsers send them, and which one has the session.

Where the public address begins with https, names begin with a prefix that browsers guard: only this host can set such a
cookie, over https. docs/adr/0054-guarded-cookies.md says which prefix, and why a session keeps its first one.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.options import options_of

SESSION = "credit_ledger_session"
FORM = "credit_ledger_form"
"""The cookie with the secret of the form token before the sign-in, when there is no session yet."""
PROVIDER = "credit_ledger_provider"
"""The cookie with the secret of a sign-in at the provider, from its beginning to its end."""
ZONE = "credit_ledger_zone"
"""The script of a page sets this cookie: only a script can read the time zone of the browser."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How browsers guard a cookie: by the prefix of its name. The values of sessions begin with `mark`."""

    prefix: str
    mark: str

    def marks(self, value: str) -> bool:
        """Whether the session of this cookie began under this guard."""
        mark, dot, _ = value.rpartition(".")
        return mark + dot == self.mark


HOST = Guard("__Host-", "host.")
"""Set by this very host, for all of its paths."""
SECURE = Guard("__Secure-", "secure.")
"""Set over https. The cookie keeps its path, because another program has the rest of the host."""
PLAIN = Guard("", "")
GUARDS = (HOST, SECURE, PLAIN)


def guard_of(request: Request) -> Guard:
    """The guard of new cookies: it depends on the public address alone."""
    public = urlsplit(options_of(request).public_url or "")
    if public.scheme != "https":
        return PLAIN
    return SECURE if public.path.strip("/") else HOST


def cookies_of(request: Request) -> dict[str, str]:
    """The cookies of a request by their names, with their values as they were sent.

    No cookie of ours is quoted. The framework resolves quotation, in a time that grows with the square of its length:
    seconds for one head.
    """
    found = {}
    for part in "; ".join(request.headers.getlist("cookie")).split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def session_cookie(request: Request) -> str | None:
    """The value of the session cookie, or None. A value under a weaker name than its session began with is ignored."""
    sent = cookies_of(request)
    for guard in GUARDS:
        value = sent.get(guard.prefix + SESSION)
        if value and guard.marks(value):
            return value
    return None


def form_cookie(request: Request) -> str | None:
    """The value of the form cookie, or None."""
    return named_cookie(request, FORM)


def named_cookie(request: Request, name: str) -> str | None:
    """The value of a cookie under the guard of new ones, or None."""
    return cookies_of(request).get(guard_of(request).prefix + name)


def set_named_cookie(request: Request, response: Response, name: str, value: str, max_age: int) -> None:
    """Set a cookie for some seconds."""
    _set(request, response, guard_of(request), name, value, max_age=max_age)


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Make the browser delete a cookie."""
    set_named_cookie(request, response, name, "", 0)


def set_form_cookie(request: Request, response: Response, value: str) -> None:
    """Set the form cookie, for as long as the browser runs."""
    _set(request, response, guard_of(request), FORM, value)


def set_session_cookie(request: Request, response: Response, value: str, max_age: int) -> None:
    """Set the session cookie for some seconds, and delete those with other names."""
    guard = guard_of(request)
    _delete(request, response, other_than=guard)
    _set(request, response, guard, SESSION, value, max_age=max_age)


def delete_session_cookie(request: Request, response: Response) -> None:
    """Make the browser delete the session cookie, whatever its name is."""
    _delete(request, response, other_than=None)


def _delete(request: Request, response: Response, other_than: Guard | None) -> None:
    sent = cookies_of(request)
    for guard in GUARDS:
        if guard is not other_than and guard.prefix + SESSION in sent:
            _set(request, response, guard, SESSION, "", max_age=0)


def _set(request: Request, response: Response, guard: Guard, name: str, value: str, **given: Any) -> None:
    """Scripts cannot read the cookie, and forms of other sites are posted without it."""
    response.set_cookie(
        guard.prefix + name,
        value,
        path="/" if guard is HOST else request.scope["root_path"],
        httponly=True,
        samesite="lax",
        secure=guard is not PLAIN or request.url.scheme == "https",
        **given,
    )
