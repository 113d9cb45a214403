"""The names of routes in traces: the template of the path of each request, and what of the path may be told.

A trace is kept elsewhere, by others and for other times than the ledger, and nothing is erased in it. So a path is told
without its parameters, which may be secret links, keys or names of people.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from starlette.routing import BaseRoute, Mount

from api.http.requests.encoded_slashes import SLASH, quoted

_PARAMETER = re.compile(r"\{([^}:]+)(:path)?\}")
_HIDDEN = "REDACTED"
_ACCOUNT = "account_id"
_SOME, _ANY = -1, "{"
"""For a number of slashes that is not fixed, and for a last word that is a parameter."""


class RouteName(NamedTuple):
    """The template of a path, None for an address that does not exist; the path as it may be told; its account."""

    template: str | None
    told: str
    account_id: str | None


class _Template(NamedTuple):
    """The path of a route, and what matches the paths of its requests."""

    text: str
    pattern: re.Pattern[str]


NOWHERE = RouteName(None, f"/{_HIDDEN}", None)
"""An address that does not exist: it may be a secret with a typo."""


class RouteNames:
    """Finds the name of the route of a request. With `accounts`, paths are told with the ids of accounts."""

    def __init__(self, routes: Iterable[BaseRoute], *, accounts: bool) -> None:
        self._accounts = accounts
        self._templates: dict[tuple[int, str], list[_Template]] = {}
        """Those that can match, by the number of slashes and the last word of a path: there are hundreds in all."""
        found = [_Template(path.replace(":path}", "}"), _pattern_of(path)) for path in _templates_of(routes)]
        # A word goes before a parameter: /keys/verifications is not the key `verifications`.
        for one in sorted(dict.fromkeys(found), key=lambda one: one.text.count("{")):
            self._templates.setdefault(_key_of(one), []).append(one)

    def find(self, path: str) -> RouteName:
        """The name of the route at a path, in which a slash within an id is told apart (with_encoded_slashes)."""
        slashes, last = path.count("/"), path.rpartition("/")[2]
        for key in (slashes, last), (slashes, _ANY), (_SOME, last), (_SOME, _ANY):
            for one in self._templates.get(key, ()):
                if (match := one.pattern.fullmatch(path)) is not None:
                    return self._name(one.text, match)
        return NOWHERE

    def _name(self, template: str, match: re.Match[str]) -> RouteName:
        account_id = match.groupdict().get(_ACCOUNT) if self._accounts else None
        if account_id is None:
            return RouteName(template, _PARAMETER.sub(_HIDDEN, template), None)
        shown = quoted(account_id)
        told = _PARAMETER.sub(lambda one: shown if one[1] == _ACCOUNT else _HIDDEN, template)
        return RouteName(template, told, account_id.replace(SLASH, "/"))


def _templates_of(routes: Iterable[BaseRoute], above: str = "") -> Iterator[str]:
    """The templates of routes, which may be in several routers and in mounted applications."""
    for route in routes:
        path = above + getattr(route, "path", "")
        inner = getattr(getattr(route, "original_router", route), "routes", None)
        if inner:
            yield from _templates_of(inner, path)
        else:
            yield f"{path}/{{path:path}}" if isinstance(route, Mount) else path


def _key_of(template: _Template) -> tuple[int, str]:
    last = template.text.rpartition("/")[2]
    slashes = _SOME if ".+" in template.pattern.pattern else template.text.count("/")
    return slashes, _ANY if "{" in last else last


def _pattern_of(template: str) -> re.Pattern[str]:
    """What matches the paths of a template. Of a parameter that is there twice, the first one has the name."""
    parts: list[str] = []
    at, seen = 0, set()
    for parameter in _PARAMETER.finditer(template):
        name, wide = parameter.groups()
        what = ".+" if wide else "[^/]+"
        parts += [re.escape(template[at : parameter.start()]), what if name in seen else f"(?P<{name}>{what})"]
        at = parameter.end()
        seen.add(name)
    return re.compile("".join(parts) + re.escape(template[at:]))
