"""What an operator does: a form with a reason, a look ahead at what it would do, and then the doing, once.

The key that makes it happen once is made with the form and travels with it. Commands go through the endpoint of the
API, so their receipts, fingerprints and actors are what they would be there.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.problems import STATUSES, Problem
from api.dashboard.action_forms import ACTIONS, Action, read
from api.dashboard.current_user import Operator, account_path, acting_operator, root_of
from api.dashboard.event_rows import told_of
from api.dashboard.forms import posted
from api.dashboard.rendering import page, reader_of
from api.http import metrics
from api.http.command_endpoint import as_problem, endpoint_of
from api.http.reads import Reads, reads_of
from api.http.requests import check_key
from ledger.commit.submission import Overloaded, Recorded, Submission, Unavailable
from ledger.domain.account import Account
from ledger.domain.errors import AccountNotFound, Refusal
from ledger.postgres.errors import LOST
from projections.models.history.projection import HISTORY
from projections.models.rollups.projection import ROLLUPS
from projections.models.views import NotBuilt, NotYetVisible

_EXPECTED = (Problem, Refusal, Overloaded, Unavailable, *LOST)
_ALREADY = {("freeze", "frozen"): "unfreeze", ("unfreeze", "active"): "freeze"}
"""What is offered in place of what is so already."""
_ADVICE = {
    "account_frozen": "It takes no deductions until it is unfrozen. Nothing was taken.",
    "overloaded": "Too many commands are waiting. Nothing was done; send the form again in a moment.",
    "unavailable": "It is not known whether this was done. Send the form again: it is done only once.",
    "storage_full": "Nothing can be recorded until somebody makes room. Send the form again then.",
}
"""What to do, where the answer for programs does not say it to people."""


class Wrong(NamedTuple):
    """Why a form comes back: in general, and field by field."""

    status: int
    title: str | None
    details: list[str]
    errors: dict[str, str]
    used_up: bool = False
    """Whether its key is, so that nothing can come of it any more."""


class Form(NamedTuple):
    """One form on its way: who acts, on what, and what was typed."""

    action: Action
    root: str
    account_id: str
    ids: Mapping[str, str]
    operator: Operator
    given: Mapping[str, str]

    @property
    def path(self) -> str:
        """Where it is."""
        if "grant_id" in self.ids:
            return account_path(self.root, self.account_id, "grants", self.ids["grant_id"], self.action.name)
        return account_path(self.root, self.account_id, self.action.name)


async def ask(request: Request) -> Response:
    """An empty form."""
    given = {"key": f"dashboard-{secrets.token_urlsafe(18)}", "tz": reader_of(request).zone.key}
    form = _form(request, await acting_operator(request), given)
    account = await _account(request, form.account_id)
    if (form.action.name, account.standing) in _ALREADY:
        return RedirectResponse(
            account_path(form.root, form.account_id, _ALREADY[form.action.name, account.standing]), 303
        )
    return await _asked(request, form, account, None)


async def answer(request: Request) -> Response:
    """A form that was sent: to look ahead, to go back and change something, or to do it."""
    operator = await acting_operator(request)
    form = _form(request, operator, await posted(request))
    if form.given.get("step") == "change":
        return await _asked(request, form, await _account(request, form.account_id), None)
    try:
        submission = _submission(request, form)
        if form.given.get("step") == "confirm":
            return await _done(request, form, submission)
        return await _ahead(request, form, submission)
    except _EXPECTED as error:
        problem = as_problem(error, endpoint_of(request).next_request_id())
        return await _asked(
            request, form, await _account_if_any(request, form.account_id), _wrong(form.action, problem)
        )


def _form(request: Request, operator: Operator, given: Mapping[str, str]) -> Form:
    action = ACTIONS[request.url.path.rpartition("/")[2]]
    account_id: str = request.path_params["account_id"]
    return Form(action, root_of(request), account_id, dict(request.path_params), operator, given)


async def _account(request: Request, account_id: str) -> Account:
    found = await reads_of(request).ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    return found.account


async def _account_if_any(request: Request, account_id: str) -> Account | None:
    """What was typed is shown again whether the account can be read or not."""
    try:
        return await _account(request, account_id)
    except (AccountNotFound, *LOST):
        return None


async def _asked(request: Request, form: Form, account: Account | None, wrong: Wrong | None) -> Response:
    grant_id = form.ids.get("grant_id")
    return await page(
        request,
        "action.html",
        status=wrong.status if wrong else 200,
        account_id=form.account_id,
        form=form,
        balance=account.balance if account else None,
        lot=next((lot for lot in account.lots if lot.grant_id == grant_id), None) if account else None,
        wrong=wrong,
    )


def _submission(request: Request, form: Form) -> Submission:
    """Raises Problem and Refusal."""
    key = check_key(form.given.get("key"), "key")
    fields, errors = read(form.action, form.given)
    if errors:
        raise Problem("validation_failed", "", sentences=errors)
    endpoint = endpoint_of(request)
    return endpoint.submission_for(
        form.action.operation,
        form.account_id,
        form.ids,
        fields,
        key,
        None,
        form.operator.key,
        endpoint.next_request_id(),
    )


async def _ahead(request: Request, form: Form, submission: Submission) -> Response:
    """What it would do. A form that was carried out already has no such page: what it did is told."""
    ledger = reads_of(request).ledger
    outcome = (await ledger.dry_run([submission], atomic=False))[0]
    if isinstance(outcome, Refusal):
        raise outcome
    if outcome.replayed:
        return await _told(request, form, outcome)
    told = [told_of(one) for one in await ledger.explain_dry_run(outcome)]
    values: dict[str, Any] = {"form": form, "told": told[-1], "before": told[:-1]}
    return await page(request, "action_ahead.html", account_id=form.account_id, **values)


async def _done(request: Request, form: Form, submission: Submission) -> Response:
    outcome = await _executed(reads_of(request), form.action.name, submission)
    return await _told(request, form, outcome)


async def _executed(reads: Reads, name: str, submission: Submission) -> Recorded:
    """Counted as the API counts. Raises Refusal, Overloaded and Unavailable."""
    outcome = await reads.ledger.execute(submission)
    if isinstance(outcome, Refusal):
        metrics.count_refusal(outcome.code)
        metrics.count_command(name, STATUSES[outcome.code][0])
        raise outcome
    metrics.count_command(name, 200 if outcome.replayed else 201)
    return outcome


async def _told(request: Request, form: Form, recorded: Recorded) -> Response:
    """To the account, which tells what was done from the event itself. Its page is to show it, if it soon can."""
    with suppress(NotYetVisible, NotBuilt, *LOST):
        async with reads_of(request).views.snapshot(HISTORY, ROLLUPS, at_least=recorded.position):
            pass
    return RedirectResponse(f"{account_path(form.root, form.account_id)}?done={recorded.version}", 303)


def _wrong(action: Action, problem: Problem) -> Wrong:
    title = STATUSES[problem.code][1]
    match problem.code:
        case "validation_failed":
            errors, rest = _field_errors(action, problem)
            return Wrong(problem.status, None if errors else "This form cannot be taken", rest, errors)
        case "idempotency_key_reused":
            said = "This form was sent before with other values, and that was done. Nothing was done now."
            return Wrong(problem.status, "This form is used up", [said], {}, used_up=True)
        case "insufficient_credits":
            asked, there = problem.facts["required"], problem.facts["available"]
            said = f"{asked:,} were asked for and {there:,} are available. Nothing was taken: take no more than that."
            return Wrong(problem.status, title, [said], {})
        case code:
            return Wrong(problem.status, title, [_ADVICE.get(code, problem.detail)], {})


def _field_errors(action: Action, problem: Problem) -> tuple[dict[str, str], list[str]]:
    """What is wrong in sentences: of fields that the form has, and of others."""
    asked = {field.name for field in action.fields} | {"reason"}
    errors: dict[str, str] = dict(problem.facts.get("sentences", {}))
    rest = []
    for one in problem.facts.get("errors", ()):
        name = "reason" if one["field"] == action.reason else one["field"]
        if name in asked:
            errors[name] = f"This {one['message']}."
        else:
            rest.append(f"{name} {one['message']}.")
    return errors, rest
