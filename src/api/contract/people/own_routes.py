"""What keys of accounts may do at /v1, which is else for services: the table of their routes."""

from typing import Literal

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
