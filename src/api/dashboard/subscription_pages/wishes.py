"""Wishes about a subscription: a page says what would happen, and a form on it asks the provider for it, once.

The holder of an account may change its subscription here, which is the one thing that they can change: see
docs/adr/0081-changes-of-subscriptions.md. The table of scopes lets nobody else in but operators, the same-origin check
and the token of the form keep other pages out, and the idempotency key of the form makes it one wish when it is sent
twice.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, assert_never

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.change_bodies import CancelBody, ReactivateBody, UpgradeBody
from api.contract.validation import validated
from api.dashboard.current_user import ROOT, Operator, account_path, root_of, user_of
from api.dashboard.forms import read_form
from api.dashboard.rendering import page
from api.dashboard.subscription_pages.refused_wishes import refused_wish
from api.http.billing.catalog import entries_of
from api.http.billing.changes import changing_of
from api.http.queries.reads import reads_of
from api.http.requests.own_address import absolute
from api.http.requests.request import check_key
from billing.changes.asked import Asked
from billing.changes.changing import Answered, Asker
from billing.changes.receipts import Operation
from billing.changes.running import Running
from billing.changes.targets import PlanWish
from billing.errors import BillingRefused, PlanNotFound
from billing.plans import Plan

_LOOKS, _PAUSE = 20, 0.1
"""How often, and after how many seconds, a page looks whether what the provider has answered is applied."""


class Form(NamedTuple):
    """The form of a wish: what is wished for, of which account, and the values that it posts."""

    wish: Operation
    account_id: str
    given: Mapping[str, str]

    @property
    def plan(self) -> PlanWish:
        """The plan that is wished for. Raises Problem."""
        body = validated(UpgradeBody, {name: self.given[name] for name in ("plan", "price") if self.given.get(name)})
        return PlanWish(body.plan, body.price)

    @property
    def subscription(self) -> str | None:
        """The subscription that it is about; None: the one that counts. Raises Problem."""
        named = {"subscription_id": self.given["subscription"]} if self.given.get("subscription") else {}
        return validated(ReactivateBody, named).subscription_id


async def show_upgrade(request: Request) -> Response:
    """Show what an upgrade costs and gives now."""
    return await _shown(request, "upgrade")


async def show_downgrade(request: Request) -> Response:
    """Show from when on there is another plan."""
    return await _shown(request, "downgrade")


async def show_cancel(request: Request) -> Response:
    """Ask once, and say until when the subscription lasts."""
    return await _shown(request, "cancel")


async def show_reactivate(request: Request) -> Response:
    """Show that the subscription renews again."""
    return await _shown(request, "reactivate")


async def upgrade(request: Request) -> Response:
    """Ask for an upgrade."""
    return await _asked(request, "upgrade")


async def downgrade(request: Request) -> Response:
    """Ask for a downgrade."""
    return await _asked(request, "downgrade")


async def cancel(request: Request) -> Response:
    """Ask for the end of a subscription at the end of its period."""
    return await _asked(request, "cancel")


async def reactivate(request: Request) -> Response:
    """Take back a cancellation or a downgrade."""
    return await _asked(request, "reactivate")


async def portal(request: Request) -> Response:
    """Link to the provider's page of invoices and payment methods. A redirect of a form to another site is blocked."""
    form = Form("reactivate", request.path_params["account_id"], await read_form(request))
    return await _or_refused(request, "", _portal_page(request, form))


async def _portal_page(request: Request, form: Form) -> Response:
    account_id = form.account_id
    back = absolute(request, account_path(ROOT, account_id, "billing"))
    url = absolute(request, await changing_of(request).portal(account_id, back, form.subscription))
    return await page(request, "subscription_link.html", account_id=account_id, url=url, what="portal", asked=None)


async def _shown(request: Request, wish: Operation) -> Response:
    return await _or_refused(request, request.query_params.get("plan", ""), _foreseen_page(request, wish))


async def _asked(request: Request, wish: Operation) -> Response:
    form = Form(wish, request.path_params["account_id"], await read_form(request))
    return await _or_refused(request, form.given.get("plan", ""), _ask_and_show(request, form))


async def _or_refused(request: Request, plan: str, shown: Awaitable[Response]) -> Response:
    """A page, or the page that says why not, with the way out."""
    try:
        return await shown
    except BillingRefused as error:
        refused, account_id = refused_wish(error, plan), request.path_params["account_id"]
        return await page(
            request, "subscription_refused.html", status=refused.status, account_id=account_id, refused=refused
        )


async def _foreseen_page(request: Request, wish: Operation) -> Response:
    given = {name: request.query_params.get(name, "") for name in ("plan", "price", "subscription")}
    form = Form(wish, request.path_params["account_id"], {**given, "key": f"dashboard-{secrets.token_urlsafe(18)}"})
    asked = await _foreseen(request, form)
    plan = await _listed(request, form) if asked.new is not None else None
    return await page(request, "subscription_wish.html", account_id=form.account_id, form=form, asked=asked, plan=plan)


async def _ask_and_show(request: Request, form: Form) -> Response:
    if form.wish in ("upgrade", "downgrade"):
        await _listed(request, form)
    before = await changing_of(request).running(form.account_id)
    done = await _ask(request, form)
    url = done.asked.url
    if url is not None and url.startswith("/"):
        return RedirectResponse(f"{root_of(request).removesuffix(ROOT)}{url}", 303)
    if url is not None:
        return await page(
            request, "subscription_link.html", account_id=form.account_id, url=url, what="checkout", asked=done.asked
        )
    if not done.asked.held and not done.asked.recorded:
        await _until_known(request, form.account_id, before)
    billing = account_path(root_of(request), form.account_id, "billing")
    return RedirectResponse(f"{billing}?asked={form.wish}", 303)


async def _until_known(request: Request, account_id: str, before: Sequence[Running]) -> None:
    """Wait until the ledger knows more of the subscriptions, so that the next page shows it; two seconds at most."""
    for _ in range(_LOOKS):
        if await changing_of(request).running(account_id) != before:
            return
        await asyncio.sleep(_PAUSE)


async def _foreseen(request: Request, form: Form) -> Asked:
    changing = changing_of(request)
    match form.wish:
        case "upgrade":
            return await changing.upgrade_foreseen(form.account_id, form.plan)
        case "downgrade":
            return await changing.downgrade_foreseen(form.account_id, form.plan)
        case "cancel":
            return await changing.cancel_foreseen(form.account_id, "period_end", form.subscription)
        case "reactivate":
            return await changing.reactivate_foreseen(form.account_id, form.subscription)
        case _:
            assert_never(form.wish)


async def _ask(request: Request, form: Form) -> Answered:
    changing, asker = changing_of(request), _asker(request, form)
    match form.wish:
        case "upgrade":
            return await changing.upgrade(form.account_id, form.plan, asker)
        case "downgrade":
            return await changing.downgrade(form.account_id, form.plan, asker)
        case "cancel":
            return await changing.cancel(form.account_id, "period_end", form.subscription, asker)
        case "reactivate":
            return await changing.reactivate(form.account_id, form.subscription, asker)
        case _:
            assert_never(form.wish)


def _asker(request: Request, form: Form) -> Asker:
    user, given = user_of(request), form.given.get("reason") or None
    reason = validated(CancelBody, {} if given is None else {"reason": given}).reason
    actor = user.key.actor if isinstance(user, Operator) else f"holder:{user.account_id}"
    return Asker(actor, check_key(form.given.get("key"), "key"), reason)


async def _listed(request: Request, form: Form) -> Plan:
    """The plan that is wished for, if people are shown it; operators may choose any. Raises PlanNotFound."""
    plans = await entries_of(reads_of(request), "plan")
    found = next((entry for entry in plans if entry.id == form.plan.plan), None)
    if found is None or not (found.body.listed or user_of(request).is_operator):
        raise PlanNotFound(form.plan.plan)
    assert isinstance(found.body, Plan)
    return found.body
