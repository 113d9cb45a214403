"""Who may do what: the one table of scopes, for the routes of the API and for the pages of the dashboard.

Routes, batch items, pages, the OpenAPI document and the matrix in docs/reliability.md take their scopes from here. A
route or page that is not in the table cannot be made. The key with the scope `admin` has every scope.
"""

from typing import NamedTuple

from people.teams.roles import Role, at_least

SPEND, MANAGE, READ, AUDIT, PORTAL = "ledger:write", "ledger:manage", "ledger:read", "audit:read", "portal:write"
VERIFY, READ_PEOPLE, KEYS = "keys:verify", "people:read", "people:write"

MEANINGS = {
    READ: "balances, history, usage, lists, totals, and the pages of operators",
    SPEND: "deduct, hold, capture, extend, release, reverse and meter",
    MANAGE: "open, update, freeze, unfreeze, close, reopen and merge accounts; grant, void and transfer credits; "
    "change the expiry of grants; "
    "record and refund payments, and their disputes; change subscriptions; set limits",
    AUDIT: "events with their metadata and reasons, explanations, and the audit log of people, teams and keys",
    PORTAL: "links for account holders, to the dashboard and to the page of their provider; and checkouts",
    VERIFY: "verify the keys of accounts, and spend with them",
    READ_PEOPLE: "users, teams, their members and invitations, and what each member used",
    KEYS: "make, change and delete users and teams, put people into teams; make, change, rotate and revoke the keys of "
    "accounts",
}
"""Each scope and what it allows, apart from `admin`, which allows everything."""

Scopes = tuple[str, ...]
"""Scopes of which a caller needs one. Without any, the address is open to everybody."""

OPEN: Scopes = ()
RECEIPTS: Scopes = (READ, SPEND, MANAGE)
COMMANDS: Scopes = (SPEND, MANAGE)
ADMIN: Scopes = ("admin",)
"""For keys with the scope `admin` alone."""

_ACCOUNT = "/v1/accounts/{account_id}"
_TEAM_OF_ANY = "/v1/teams/{team_id}"
_READS_PEOPLE: Scopes = (READ_PEOPLE, KEYS)

ROUTES: dict[str, Scopes] = {
    "POST /v1/accounts": (MANAGE,),
    f"POST {_ACCOUNT}": (MANAGE,),
    f"POST {_ACCOUNT}/grants": (MANAGE,),
    f"POST {_ACCOUNT}/deductions": (SPEND,),
    f"POST {_ACCOUNT}/deductions/{{deduction_id}}/reversals": (SPEND,),
    f"POST {_ACCOUNT}/holds": (SPEND,),
    f"POST {_ACCOUNT}/holds/{{hold_id}}/captures": (SPEND,),
    f"POST {_ACCOUNT}/holds/{{hold_id}}/extensions": (SPEND,),
    f"POST {_ACCOUNT}/holds/{{hold_id}}/release": (SPEND,),
    f"POST {_ACCOUNT}/grants/{{grant_id}}/void": (MANAGE,),
    f"POST {_ACCOUNT}/grants/{{grant_id}}/expiry": (MANAGE,),
    f"POST {_ACCOUNT}/payments": (MANAGE,),
    f"POST {_ACCOUNT}/payments/{{payment_id}}/refunds": (MANAGE,),
    f"POST {_ACCOUNT}/payments/{{payment_id}}/disputes": (MANAGE,),
    f"POST {_ACCOUNT}/subscriptions/{{subscription_id}}": (MANAGE,),
    f"POST {_ACCOUNT}/subscription/upgrade": (MANAGE,),  # they move money
    f"POST {_ACCOUNT}/subscription/downgrade": (MANAGE,),
    f"POST {_ACCOUNT}/subscription/cancel": (MANAGE,),
    f"POST {_ACCOUNT}/subscription/reactivate": (MANAGE,),
    f"POST {_ACCOUNT}/portal": (PORTAL,),
    f"POST {_ACCOUNT}/freeze": (MANAGE,),
    f"POST {_ACCOUNT}/unfreeze": (MANAGE,),
    f"POST {_ACCOUNT}/close": (MANAGE,),
    f"POST {_ACCOUNT}/reopen": (MANAGE,),
    f"POST {_ACCOUNT}/limits": (MANAGE,),
    f"POST {_ACCOUNT}/limits/{{limit_id}}/allowances": (MANAGE,),
    f"POST {_ACCOUNT}/usage": (SPEND,),
    "POST /v1/transfers": (MANAGE,),
    f"POST {_ACCOUNT}/merge": (MANAGE,),
    f"POST {_ACCOUNT}/transfers/{{transfer_id}}/reversals": (MANAGE,),
    "POST /v1/batch": COMMANDS,  # and each item needs the scope of its operation
    "POST /v1/portal_sessions": (PORTAL,),
    "GET /v1/accounts": (READ,),
    f"GET {_ACCOUNT}": (READ,),
    f"GET {_ACCOUNT}/balance": (READ,),
    f"GET {_ACCOUNT}/limits": (READ,),
    f"GET {_ACCOUNT}/subscription": (READ,),
    f"GET {_ACCOUNT}/summary": (READ,),
    f"GET {_ACCOUNT}/history": (READ,),
    f"GET {_ACCOUNT}/history.csv": (READ,),
    f"GET {_ACCOUNT}/grants": (READ,),
    f"GET {_ACCOUNT}/grants/{{grant_id}}": (READ,),
    f"GET {_ACCOUNT}/deductions/{{deduction_id}}": (READ,),
    f"GET {_ACCOUNT}/transfers/{{transfer_id}}": (READ,),
    f"GET {_ACCOUNT}/holds": (READ,),
    f"GET {_ACCOUNT}/holds/{{hold_id}}": (READ,),
    f"GET {_ACCOUNT}/payments": (READ,),
    f"GET {_ACCOUNT}/payments/{{payment_id}}/receipt.pdf": (READ,),
    f"GET {_ACCOUNT}/payments/{{payment_id}}/invoice": (READ,),
    f"GET {_ACCOUNT}/payments/{{payment_id}}": (READ,),
    f"GET {_ACCOUNT}/statements/{{month}}.pdf": (READ,),
    f"GET {_ACCOUNT}/rollups/daily": (READ,),
    f"GET {_ACCOUNT}/usage": (READ,),
    f"GET {_ACCOUNT}/receipts/{{operation}}/{{key}}": RECEIPTS,
    f"GET {_ACCOUNT}/events": (AUDIT,),
    f"GET {_ACCOUNT}/explain": (AUDIT,),
    f"GET {_ACCOUNT}/events/stream": (READ,),  # notices: the type of each event, and the balance after it
    "GET /v1/events": (AUDIT,),
    "GET /v1/events/stream": (READ,),
    "GET /v1/statistics": (READ,),
    "GET /v1/revenue": (READ,),
    "GET /v1/revenue/deferred": (READ,),
    "GET /v1/uncollected": (READ,),
    "GET /v1/disputes": (READ,),
    "GET /v1/subscriptions": (READ,),
    "GET /v1/plans": (READ,),
    "GET /v1/plans/{plan_id}": (READ,),
    "PUT /v1/plans/{plan_id}": ADMIN,
    "GET /v1/packages": (READ,),
    "GET /v1/packages/{package_id}": (READ,),
    "PUT /v1/packages/{package_id}": ADMIN,
    "GET /v1/price_books": (READ,),
    "GET /v1/price_books/{version}": (READ,),
    "POST /v1/price_books": ADMIN,
    "POST /v1/estimates": (READ, SPEND),
    "POST /v1/checkouts": (PORTAL, MANAGE),  # only a payment grants; what is not listed needs MANAGE
    "GET /v1/checkouts/{checkout_id}": (PORTAL, MANAGE, READ),
    "POST /v1/webhooks/{name}": OPEN,  # a signature in place of a key
    "GET /v1/audit": (AUDIT,),
    "GET /v1/audit.csv": (AUDIT,),
    "GET /v1/webhooks": ADMIN,
    "GET /v1/webhooks/{name}": ADMIN,
    "POST /v1/webhooks/{webhook_id}/retry": ADMIN,
    "POST /v1/webhooks/{webhook_id}/match": ADMIN,
    "POST /v1/webhooks/{webhook_id}/dismiss": ADMIN,
    "GET /v1/keys": (KEYS,),
    "POST /v1/keys": (KEYS,),
    "PATCH /v1/keys/{key_id}": (KEYS,),
    "DELETE /v1/keys/{key_id}": (KEYS,),
    "POST /v1/keys/{key_id}/rotation": (KEYS,),
    "POST /v1/keys/verifications": (VERIFY,),
    "POST /v1/keys/revocations": OPEN,  # whoever has a key may end it
    "GET /v1/users": _READS_PEOPLE,
    "POST /v1/users": (KEYS,),
    "GET /v1/users/{user_id}": _READS_PEOPLE,
    "PATCH /v1/users/{user_id}": (KEYS,),
    "DELETE /v1/users/{user_id}": (KEYS,),
    "POST /v1/users/{user_id}/keep": (KEYS,),
    "GET /v1/teams": _READS_PEOPLE,
    "POST /v1/teams": (KEYS,),
    f"GET {_TEAM_OF_ANY}": _READS_PEOPLE,
    f"PATCH {_TEAM_OF_ANY}": (KEYS,),
    f"DELETE {_TEAM_OF_ANY}": (KEYS,),
    f"POST {_TEAM_OF_ANY}/owner": (KEYS,),
    f"GET {_TEAM_OF_ANY}/usage": _READS_PEOPLE,
    f"GET {_TEAM_OF_ANY}/members": _READS_PEOPLE,
    f"POST {_TEAM_OF_ANY}/members": (KEYS,),
    f"PATCH {_TEAM_OF_ANY}/members/{{user_id}}": (KEYS,),
    f"DELETE {_TEAM_OF_ANY}/members/{{user_id}}": (KEYS,),
    f"GET {_TEAM_OF_ANY}/invitations": _READS_PEOPLE,
    f"POST {_TEAM_OF_ANY}/invitations": (KEYS,),
    f"POST {_TEAM_OF_ANY}/invitations/{{invitation_id}}/resend": (KEYS,),
    f"DELETE {_TEAM_OF_ANY}/invitations/{{invitation_id}}": (KEYS,),
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
}
"""Every route of the OpenAPI document."""

PEOPLE: dict[str, bool] = {
    "POST /api/auth/register": False,
    "POST /api/auth/verification": False,
    "POST /api/auth/verification/resend": False,
    "POST /api/auth/login": False,
    "POST /api/auth/logout": True,
    "POST /api/auth/link": False,
    "POST /api/auth/link/confirm": False,
    "POST /api/auth/reset": False,
    "POST /api/auth/reset/confirm": False,
    "POST /api/auth/email/confirm": False,
    "POST /api/auth/email/undo": False,
    "POST /api/user/email": True,
    "POST /api/user/password": True,
    "GET /api/user/sessions": True,
    "DELETE /api/user/sessions": True,
    "DELETE /api/user/sessions/{session_id}": True,
    "GET /api/user/profile": True,
    "PATCH /api/user/profile": True,
    "DELETE /api/user/profile": True,
    "POST /api/user/profile/keep": True,
    "POST /api/user/export": True,
    "GET /api/user/export/{export_id}": True,
    "GET /api/usage/current": True,
    "GET /api/usage/history": True,
    "GET /api/usage/analytics": True,
    "GET /api/limits": True,
    "GET /api/subscription": True,
    "POST /api/subscription/upgrade": True,
    "POST /api/subscription/cancel": True,
    "POST /api/subscription/reactivate": True,
    "GET /api/audit": True,
    "GET /api/keys": True,
    "POST /api/keys": True,
    "PATCH /api/keys/{key_id}": True,
    "DELETE /api/keys/{key_id}": True,
    "POST /api/keys/{key_id}/rotation": True,
    "GET /api/teams": True,
    "POST /api/teams": True,
    "PATCH /api/teams/{team_id}": True,
    "DELETE /api/teams/{team_id}": True,
    "GET /api/teams/{team_id}/members": True,
    "POST /api/teams/{team_id}/members": True,
    "PATCH /api/teams/{team_id}/members/{user_id}": True,
    "DELETE /api/teams/{team_id}/members/{user_id}": True,
    "POST /api/teams/{team_id}/owner": True,
    "GET /api/teams/{team_id}/invitations": True,
    "POST /api/teams/{team_id}/invitations/{invitation_id}/resend": True,
    "DELETE /api/teams/{team_id}/invitations/{invitation_id}": True,
    "GET /api/teams/{team_id}/usage": True,
    "GET /api/teams/{team_id}/limits": True,
    "PUT /api/teams/{team_id}/limits": True,
    "PUT /api/teams/{team_id}/limits/{limit_id}/allowances/{user_id}": True,
    "GET /api/invitations/{token}": False,
    "POST /api/invitations/{token}/acceptance": True,
}
"""Every route below /api, which takes no API key, and whether it needs the session of a person who signed in here."""


class Access(NamedTuple):
    """Who may open a page: an operator whose key has one of `scopes`, and with `holder` the holder of the account.

    Without scopes, and not for people alone, the page is open to everybody. An operator's session needs the scope
    `ledger:read` at all times.
    """

    scopes: Scopes
    holder: bool = False
    least: Role = "member"
    """The least role that a holder needs, if they have one: without one, they may see what an owner sees."""
    signed_in: bool = False
    """Whether, of holders, it is only for those who signed in here."""
    person: bool = False
    """For people who signed in here, whatever their account, and for nobody else."""

    def lets_in(self, role: Role | None, *, signed_in: bool) -> bool:
        """Whether it is for a holder with a role, if they have one."""
        if self.person:
            return signed_in
        return self.holder and at_least(role or "owner", self.least) and (signed_in or not self.signed_in)


ANYONE = Access(OPEN, holder=True)
_OWN = Access((READ,), holder=True)
_OPERATOR = Access((READ,))
_OWN_MONEY = Access((READ,), holder=True, least="admin")
_OWN_SUBSCRIPTION = Access((MANAGE,), holder=True, least="admin")
"""The pages on which the holder of an account changes something: docs/adr/0081-changes-of-subscriptions.md."""
PERSONAL = Access((), person=True)
_BUYING = Access((PORTAL, MANAGE), holder=True, least="admin")
"""What is bought on a page: the scopes are those of `POST /v1/checkouts`."""
_TEAM = Access((READ,), holder=True, signed_in=True)
_IN_TEAM = Access((MANAGE,), holder=True, signed_in=True)
"""What is done on the page of a team: who may do which of it, is decided when it is done."""
_MANAGES_TEAM = Access((READ,), holder=True, least="admin", signed_in=True)
_SETS_TEAM_LIMITS = Access((MANAGE,), holder=True, least="admin", signed_in=True)
_OWN_KEYS = Access((KEYS,), holder=True, signed_in=True)
"""A member of a team acts on the keys that they made."""
_PAGE = "/accounts/{account_id}"

_FORMS_OF_PEOPLE = (
    *("/register", "/verify/{token}", "/sign-in/link", "/link/{token}", "/reset", "/reset/{token}"),
    *("/email/{token}", "/undo/{token}", "/keep/{token}", "/join/{token}", "/mails/{token}"),
    "/invitation/{token}",
)
"""What people open before they are signed in, or out of a mail: a form, and what it posts."""

PAGES: dict[str, Access] = {
    "GET /": _OWN,
    "GET /static/{digest}/{name}": ANYONE,
    "GET /portal/{token}": ANYONE,
    "POST /portal/{token}": ANYONE,
    "GET /come-in/{token}": ANYONE,
    "GET /sign-in": ANYONE,
    "POST /sign-in": ANYONE,
    "POST /sign-out": ANYONE,
    "POST /sign-in/password": ANYONE,
    "GET /settings": PERSONAL,
    "POST /settings/profile": PERSONAL,
    "POST /settings/mails": PERSONAL,
    "POST /settings/password": PERSONAL,
    "POST /settings/email": PERSONAL,
    "POST /settings/sessions": PERSONAL,
    "POST /settings/export": PERSONAL,
    "GET /settings/export/{export_id}": PERSONAL,
    "POST /settings/deletion": PERSONAL,
    "POST /settings/keep": PERSONAL,
    "POST /settings/first_steps": PERSONAL,
    "GET /oidc/start": ANYONE,
    "GET /oidc/callback": ANYONE,
    **{f"{method} {path}": ANYONE for path in _FORMS_OF_PEOPLE for method in ("GET", "POST")},
    "GET /my/accounts": PERSONAL,
    "POST /my/accounts": PERSONAL,
    "POST /my/teams": PERSONAL,
    f"GET {_PAGE}": _OWN,
    f"GET {_PAGE}/usage": _OWN,
    f"GET {_PAGE}/usage.csv": _OWN,
    f"GET {_PAGE}/limits": _OWN,
    f"GET {_PAGE}/team": _TEAM,
    f"POST {_PAGE}/team": _IN_TEAM,
    f"GET {_PAGE}/team/usage": _MANAGES_TEAM,
    f"GET {_PAGE}/team/limits": _MANAGES_TEAM,
    f"POST {_PAGE}/team/limits": _SETS_TEAM_LIMITS,
    f"GET {_PAGE}/billing": _OWN_MONEY,
    f"GET {_PAGE}/payments/{{payment_id}}/receipt.pdf": _OWN_MONEY,
    f"GET {_PAGE}/payments/{{payment_id}}/invoice": _OWN_MONEY,
    f"GET {_PAGE}/statement.pdf": _OWN_MONEY,
    f"GET {_PAGE}/prices": _OWN,
    f"GET {_PAGE}/plans": _OWN_MONEY,
    f"POST {_PAGE}/plans": _BUYING,
    f"GET {_PAGE}/checkout/{{checkout_id}}": _OWN_MONEY,
    f"POST {_PAGE}/checkout/{{checkout_id}}": _BUYING,
    f"GET {_PAGE}/updates": _OWN,
    f"GET {_PAGE}/subscription/upgrade": _OWN_SUBSCRIPTION,
    f"POST {_PAGE}/subscription/upgrade": _OWN_SUBSCRIPTION,
    f"GET {_PAGE}/subscription/downgrade": _OWN_SUBSCRIPTION,
    f"POST {_PAGE}/subscription/downgrade": _OWN_SUBSCRIPTION,
    f"GET {_PAGE}/subscription/cancel": _OWN_SUBSCRIPTION,
    f"POST {_PAGE}/subscription/cancel": _OWN_SUBSCRIPTION,
    f"GET {_PAGE}/subscription/reactivate": _OWN_SUBSCRIPTION,
    f"POST {_PAGE}/subscription/reactivate": _OWN_SUBSCRIPTION,
    f"POST {_PAGE}/subscription/portal": _OWN_SUBSCRIPTION,
    f"GET {_PAGE}/audit": Access((AUDIT,), holder=True, least="admin"),
    f"GET {_PAGE}/audit.csv": Access((AUDIT,), holder=True, least="admin"),
    f"GET {_PAGE}/keys": _OWN_KEYS,
    f"POST {_PAGE}/keys": _OWN_KEYS,
    f"GET {_PAGE}/events": Access((AUDIT,)),
    f"GET {_PAGE}/grant": Access((MANAGE,)),
    f"POST {_PAGE}/grant": Access((MANAGE,)),
    f"GET {_PAGE}/deduct": Access((SPEND,)),
    f"POST {_PAGE}/deduct": Access((SPEND,)),
    f"GET {_PAGE}/grants": Access((MANAGE,)),
    f"GET {_PAGE}/grants/{{grant_id}}/void": Access((MANAGE,)),
    f"POST {_PAGE}/grants/{{grant_id}}/void": Access((MANAGE,)),
    f"GET {_PAGE}/update": Access((MANAGE,)),
    f"POST {_PAGE}/update": Access((MANAGE,)),
    f"GET {_PAGE}/grants/{{grant_id}}/change_expiry": Access((MANAGE,)),
    f"POST {_PAGE}/grants/{{grant_id}}/change_expiry": Access((MANAGE,)),
    f"GET {_PAGE}/freeze": Access((MANAGE,)),
    f"POST {_PAGE}/freeze": Access((MANAGE,)),
    f"GET {_PAGE}/unfreeze": Access((MANAGE,)),
    f"POST {_PAGE}/unfreeze": Access((MANAGE,)),
    f"GET {_PAGE}/reopen": Access((MANAGE,)),
    f"POST {_PAGE}/reopen": Access((MANAGE,)),
    f"GET {_PAGE}/transfer": Access((MANAGE,)),
    f"POST {_PAGE}/transfer": Access((MANAGE,)),
    f"GET {_PAGE}/merge": Access((MANAGE,)),
    f"POST {_PAGE}/merge": Access((MANAGE,)),
    f"GET {_PAGE}/limit": Access((MANAGE,)),
    f"POST {_PAGE}/limit": Access((MANAGE,)),
    f"GET {_PAGE}/limits/{{limit_id}}/allowance": Access((MANAGE,)),
    f"POST {_PAGE}/limits/{{limit_id}}/allowance": Access((MANAGE,)),
    f"GET {_PAGE}/limits/{{limit_id}}/remove": Access((MANAGE,)),
    f"POST {_PAGE}/limits/{{limit_id}}/remove": Access((MANAGE,)),
    "GET /accounts": _OPERATOR,
    "GET /statistics": _OPERATOR,
    "GET /uncollected": _OPERATOR,
    "GET /revenue": _OPERATOR,
    "GET /revenue/deferred": _OPERATOR,
    "GET /revenue/deferred.csv": _OPERATOR,
    "GET /disputes": _OPERATOR,
    "GET /service": _OPERATOR,
    "GET /catalog": _OPERATOR,
    "GET /catalog/plans/{plan_id}": _OPERATOR,
    "GET /catalog/packages/{package_id}": _OPERATOR,
    "GET /prices": _OPERATOR,
    "GET /prices/what_if": _OPERATOR,
    "POST /prices/what_if": _OPERATOR,  # it computes, and changes nothing
    "GET /prices/{version}": _OPERATOR,
    "GET /transfers": Access((MANAGE,)),
    "POST /transfers": Access((MANAGE,)),
    "GET /webhooks": Access(ADMIN),
    "POST /webhooks": Access(ADMIN),
    "GET /people": Access(ADMIN),
    "GET /keys": Access(ADMIN),
    "POST /keys": Access(ADMIN),
    "GET /imports": Access((SPEND,)),
    "POST /imports": Access((SPEND,)),
    "GET /imports/{upload_id}": Access((SPEND,)),
    "POST /imports/{upload_id}": Access((SPEND,)),
    "GET /imports/{upload_id}/bad_rows.csv": Access((SPEND,)),
}
"""Every page, by its address below /dashboard."""

EXPLANATIONS = Access((AUDIT,), holder=True)
"""The explanation of an event as a part of a page: on the page of usage, and before an action is confirmed."""


def route_name(method: str, path: str) -> str:
    """The name of a route in the table, from its path in the framework."""
    return f"{method} {path.replace(':path}', '}')}"
