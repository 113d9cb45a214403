"""What keys of accounts may do at /v1, which is else for services, and at /api, which is else for people who signed in.

A key uses the routes of the two tables, and no others.
"""

from typing import Literal

from people.api_keys import Scope

_ACCOUNT = "/v1/accounts/{account_id}"

OWN: dict[str, Literal["read", "write"]] = {
    f"POST {_ACCOUNT}/deductions": "write",
    f"POST {_ACCOUNT}/holds": "write",
    f"POST {_ACCOUNT}/holds/{{hold_id}}/captures": "write",
    f"POST {_ACCOUNT}/holds/{{hold_id}}/extensions": "write",
    f"POST {_ACCOUNT}/holds/{{hold_id}}/release": "write",
    f"POST {_ACCOUNT}/usage": "write",
    "POST /v1/batch": "write",
    f"GET {_ACCOUNT}/balance": "read",
    f"GET {_ACCOUNT}/limits": "read",
    f"GET {_ACCOUNT}/subscription": "read",
    f"GET {_ACCOUNT}/summary": "read",
    f"GET {_ACCOUNT}/history": "read",
    f"GET {_ACCOUNT}/history.csv": "read",
    f"GET {_ACCOUNT}/grants": "read",
    f"GET {_ACCOUNT}/holds": "read",
    f"GET {_ACCOUNT}/payments": "read",
    f"GET {_ACCOUNT}/rollups/daily": "read",
    f"GET {_ACCOUNT}/usage": "read",
    f"GET {_ACCOUNT}/receipts/{{operation}}/{{key}}": "read",
}
"""What a key of an account may do on that account, and with which of its scopes. It may use no other route."""

OWN_OF_MEMBERS = frozenset(name for name, scope in OWN.items() if scope == "write") | {f"GET {_ACCOUNT}/balance"}
"""What the key of somebody may do who is no more than a member of a team: the other routes show what others do."""

_TEAM = "/api/teams/{team_id}"

OWN_OF_PEOPLE: dict[str, Scope] = {
    "GET /api/usage/current": "read",
    "GET /api/usage/history": "read",
    "GET /api/usage/analytics": "read",
    "GET /api/limits": "read",
    "GET /api/subscription": "read",
    f"GET {_TEAM}/limits": "read",
    f"GET {_TEAM}/members": "admin",
    f"GET {_TEAM}/usage": "admin",
    f"PUT {_TEAM}/limits": "admin",
    f"PUT {_TEAM}/limits/{{limit_id}}/allowances/{{user_id}}": "admin",
    "GET /api/keys": "admin",
    "DELETE /api/keys/{key_id}": "admin",
}
"""What a key that a person made may do at /api, on its account and in their role, and with which of its scopes.

All else there needs their session: who they are, how they sign in, who is in a team, and each key that could do more
than this one, or outlive it.
"""
