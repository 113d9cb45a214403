"""The examples of the document: one story of two accounts, in the order in which a test sends it."""

from collections.abc import Mapping
from typing import Any

_CHAT = {"provider": "openai", "model": "gpt-5-mini", "member": "ada", "input_tokens": 1200, "output_tokens": 800}
_TERMS = {"plan": "free", "plan_version": 1, "credits": 100, "every": {"months": 1}}
_QUERIES = {"limit_id": "queries", "amount": 1000, "each": ["member"], "unit": "query", "period": {"every": "month"}}
_RATE = {
    "provider": "openai",
    "model": "gpt-5*",
    "charges": [
        {"charge": "per_unit", "of": "input_tokens", "credits": "1.5", "per": 1000},
        {"charge": "per_unit", "of": "output_tokens", "credits": "6", "per": 1000},
    ],
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "open_account": {"account_id": "acme", "signup_credits": 500, "description": "Acme, Inc."},
    "update_account": {"labels": {"plan": "pro"}, "reason": "They bought the plan."},
    "grant": {
        "kind": "subscription",
        "amount": 10_000,
        "expires_at": "2099-01-31T12:00:00Z",
        "transaction_id": "order-1",
    },
    "deduct": {"amount": 30, "task_id": "task-1", "description": "A chat", "usage": _CHAT},
    "reverse_deduction": {"amount": 10, "reason": "The answer was cut off."},
    "hold": {"amount": 200, "expires_in_seconds": 3600, "task_id": "task-2"},
    "extend_hold": {"expires_in_seconds": 7200},
    "capture_hold": {"amount": 150, "final": False, "usage": _CHAT},
    "release_hold": {},
    "change_grant_expiry": {"expires_at": "2099-12-31T12:00:00Z", "reason": "A present."},
    "void_grant": {"amount": 100, "reason": "A mistake in the order."},
    "record_payment": {
        "payment_id": "pay-1",
        "provider": "bank",
        "status": "paid",
        "amount_minor": 1999,
        "currency": "EUR",
        "grant": {"kind": "permanent", "amount": 2000},
    },
    "refund_payment": {"refund_id": "refund-1", "amount_minor": 500},
    "record_dispute": {"dispute_id": "dispute-1", "state": "open"},
    "record_subscription": {
        "provider": "bank",
        "status": "active",
        "terms": _TERMS,
        "as_of": "2026-01-31T12:00:00Z",
    },
    "set_limits": {"source": "plan", "limits": [_QUERIES]},
    "set_allowance": {"value": "ada", "amount": 50},
    "meter": {"quantity": 3, "task_id": "task-3", "usage": {"metric": "query", "member": "ada"}},
    "transfer": {"from_account_id": "acme", "to_account_id": "beta", "amount": 100},
    "reverse_transfer": {"reason": "It was for another team."},
    "batch": {
        "atomic": True,
        "commands": [
            {"op": "deduct", "account_id": "acme", "amount": 5, "task_id": "task-4"},
            {"op": "hold", "account_id": "acme", "amount": 20, "idempotency_key": "task-5"},
        ],
    },
    "publish_price_book": {"rates": [_RATE]},
    "estimate": {"account_id": "acme", "usage": _CHAT},
    "create_portal_session": {"account_id": "acme", "page": "usage"},
    "freeze_account": {"reason": "A chargeback."},
    "unfreeze_account": {"reason": "It is settled."},
    "close_account": {"reason": "They asked for it."},
    "reopen_account": {"reason": "They came back."},
    "merge_account": {"successor": "beta", "reason": "One company now."},
}
"""The id of an operation -> a body of its request."""
