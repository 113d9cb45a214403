"""The table of scopes as Markdown, which `credit-ledger keys scopes` prints and docs/reliability.md has."""

from collections.abc import Iterable

from api.contract.people.own_routes import OWN_OF_PEOPLE
from api.contract.scopes import EXPLANATIONS, MEANINGS, PAGES, PEOPLE, ROUTES, Scopes
from people.api_keys import OWN_SCOPES, Scope
from people.teams.roles import Role

HOLDERS: dict[str, tuple[Role | None, bool]] = {
    "account holder": (None, False),
    "signed-in owner": ("owner", True),
    "signed-in admin": ("admin", True),
    "signed-in member": ("member", True),
}
"""The kinds of holders: whom the product sends without a role, and who signed in here, with a role in the account."""


def matrix() -> str:
    """A row for each route and page, a column for each kind of key and session."""
    lines = [*_head("route", "no key", MEANINGS)]
    lines += [_row(name, [not scopes, *_marks(scopes)]) for name, scopes in ROUTES.items()]
    lines += ["", *_head("route of people", "no session", ("session of a person", *map(own_key, OWN_SCOPES)))]
    lines += [_row(name, [not needs, True, *_own_marks(name)]) for name, needs in PEOPLE.items()]
    lines += ["", *_head("page below `/dashboard`", "no session", (*HOLDERS, *MEANINGS))]
    for name, access in (*PAGES.items(), ("explanations within pages", EXPLANATIONS)):
        if not access.person:
            holders = [access.lets_in(role, signed_in=signed_in) for role, signed_in in HOLDERS.values()]
            lines.append(_row(name, [not access.scopes, *holders, *_marks(access.scopes)]))
    lines += ["", "| page below `/dashboard`, of a person | somebody who signed in here |", "|---|:-:|"]
    lines += [f"| `{name}` | yes |" for name, access in PAGES.items() if access.person]
    return "\n".join(lines) + "\n"


def own_key(scope: Scope) -> str:
    """The column of the keys of accounts with a scope."""
    return f"own key: {scope}"


def _own_marks(name: str) -> list[bool]:
    return [not PEOPLE[name] or OWN_OF_PEOPLE.get(name) == scope for scope in OWN_SCOPES]


def _marks(scopes: Scopes) -> list[bool]:
    return [not scopes or scope in scopes for scope in MEANINGS]


def _head(what: str, nobody: str, columns: Iterable[str]) -> list[str]:
    names = [what, nobody, *(name if " " in name else f"`{name}`" for name in columns)]
    return [f"| {' | '.join(names)} |", f"|---|{':-:|' * (len(names) - 1)}"]


def _row(name: str, marks: Iterable[bool]) -> str:
    shown = name if name.startswith("explanations") else f"`{name}`"
    return f"| {shown} | {' | '.join('yes' if mark else '' for mark in marks)} |"
