"""Every address of the service: those of the API and of the pages, documented or not."""

from typing import Any, NamedTuple

from fastapi import FastAPI

from api.app import create_app
from api.dashboard.app import dashboard
from api.dashboard.current_user import ROOT
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings


class Address(NamedTuple):
    """One address, with the template that its route has."""

    method: str
    path: str
    template: str


def addresses(account: str) -> list[Address]:
    """All of them, for one account."""
    ids = {"account_id": account, "operation": "deduct", "key": "k", "grant_id": "grt_2", "token": "t"}
    ids |= {"deduction_id": "ded_4", "hold_id": "hld_5", "payment_id": "pay-1", "digest": "d", "name": "app.css"}
    ids |= {
        "limit_id": "member-month",
        "transfer_id": "trf_9",
        "upload_id": "u",
        "plan_id": "pro",
        "package_id": "small",
        "webhook_id": "whk_1",
        "export_id": "exp_1",
        "checkout_id": "chk_1",
        "key_id": "00000000",
        "subscription_id": "sub-1",
        "month": "2026-10",
        "version": "1",
        "team_id": "team_00000000000000000000",
        "user_id": "usr_00000000000000000000",
        "invitation_id": "inv_00000000000000000000",
    }
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    app: FastAPI = front.app
    routes = [(route, "") for route in _all_routes(app)] + [(route, ROOT) for route in dashboard().routes]
    return [
        Address(method, template.format(**ids), template)
        for template, route in ((below + one.path.replace(":path}", "}"), one) for one, below in routes)
        for method in sorted(set(getattr(route, "methods", None) or ()) & {"GET", "POST", "PUT"})
    ]


def _all_routes(router: Any) -> list[Any]:
    found = []
    for route in router.routes:
        included = getattr(route, "original_router", None)
        found += [route] if included is None else _all_routes(included)
    return found
