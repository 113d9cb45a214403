"""The table of scopes as Markdown, which `credit-ledger keys scopes` prints and docs/reliability.md has."""

from collections.abc import Iterable

from api.contract.scopes import EXPLANATIONS, MEANINGS, PAGES, PEOPLE, ROUTES, Scopes
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
    lines += ["", "| route of people | no session | session of a person |", "|---|:-:|:-:|"]
    lines += [f"| `{name}` | {'' if needs else 'yes'} | yes |" for name, needs in PEOPLE.items()]
    lines += ["", *_head("page below `/dashboard`", "no session", (*HOLDERS, *MEANINGS))]
    for name, access in (*PAGES.items(), ("explanations within pages", EXPLANATIONS)):
        if not access.person:
            holders = [access.lets_in(role, signed_in=signed_in) for role, signed_in in HOLDERS.values()]
            lines.append(_row(name, [not access.scopes, *holders, *_marks(access.scopes)]))
    lines += ["", "| page below `/dashboard`, of a person | somebody who signed in here |", "|---|:-:|"]
    lines += [f"| `{name}` | yes |" for name, access in PAGES.items() if access.person]
    return "\n".join(lines) + "\n"


def _marks(scopes: Scopes) -> list[bool]:
    return [not scopes or scope in scopes for scope in MEANINGS]


def _head(what: str, nobody: str, columns: Iterable[str]) -> list[str]:
    names = [what, nobody, *(name if " " in name else f"`{name}`" for name in columns)]
    return [f"| {' | '.join(names)} |", f"|---|{':-:|' * (len(names) - 1)}"]


def _row(name: str, marks: Iterable[bool]) -> str:
    shown = name if name.startswith("explanations") else f"`{name}`"
    return f"| {shown} | {' | '.join('yes' if mark else '' for mark in marks)} |"
