"""The actions of operators: a form with a reason, a preview of the effect, and the execution, once.

The idempotency key is generated with the form and posted with it, so a form that is sent twice acts once. Commands go
through the endpoint of the API and get the same receipts, fingerprints and actors.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.problems import STATUSES, Problem
from api.contract.scopes import EXPLANATIONS
from api.dashboard.current_user import Operator, account_path, operator_of, page_not_found, root_of
from api.dashboard.forms import read_form
from api.dashboard.limits.forms import FIELDS, NEW, FormError, typed_values, with_limit, without_limit
from api.dashboard.limits.wording import rule_set
from api.dashboard.pages.action_forms import ACTIONS, Action, parse_form
from api.dashboard.pages.event_details import EventDetails, balances_between, details_of
from api.dashboard.pages.profile_form import filled
from api.dashboard.rendering import formatter_of, page
from api.http import metrics
from api.http.commands.command_endpoint import CommandEndpoint, endpoint_of
from api.http.queries.reads import Reads, reads_of
from api.http.requests.replies import as_problem
from api.http.requests.request import check_key
from ledger.commit.submission import Outcome, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.account import Account
from ledger.domain.coming import find
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import AccountNotFound, Refusal
from ledger.domain.events import LimitsSet
from ledger.domain.texts import MAX_TEXT
from ledger.moves import move
from ledger.postgres.errors import LOST
from ledger.readable_texts import profile_texts
from projections.models.history.projection import HISTORY
from projections.models.rollups.projection import ROLLUPS
from projections.models.views import NotBuilt, NotYetVisible

_EXPECTED = (Problem, Refusal, Overloaded, Unavailable, *LOST)
_OPPOSITES = {("freeze", "frozen"): "unfreeze", ("unfreeze", "active"): "freeze"}
"""The form to show instead, if the account is in the wanted standing already."""
_ADVICE = {
    "account_frozen": "A frozen account accepts no deductions. Nothing was taken. Unfreeze the account first.",
    "account_closed": "A closed account accepts no such action. Nothing was recorded. Reopen the account first.",
    "grant_expired": "This grant has expired. Nothing was recorded. Choose to reinstate what has expired.",
    "overloaded": "Too many commands are waiting. Nothing was recorded. Send the form again in a moment.",
    "unavailable": "It is not known whether the action was recorded. Send the form again: it is recorded at most once.",
    "storage_full": "The storage of the database is full. Nothing was recorded. Free space, then send the form again.",
}
"""Advice for people, for problems whose detail is written for programs."""


class FormProblem(NamedTuple):
    """Why a form is shown again: a title, general sentences, and a sentence for each wrong field."""

    status: int
    title: str | None
    details: list[str]
    errors: dict[str, str]
    key_used: bool = False
    """Whether the idempotency key of the form belongs to another command, so that the form cannot be sent again."""


class Form(NamedTuple):
    """A form of one request: the action, the account, the operator and the typed values."""

    action: Action
    root: str
    account_id: str
    ids: Mapping[str, str]
    operator: Operator
    given: Mapping[str, str]

    @property
    def path(self) -> str:
        """The address of the form."""
        for name, noun in (("grant_id", "grants"), ("limit_id", "limits")):
            if name in self.ids:
                return account_path(self.root, self.account_id, noun, self.ids[name], self.action.name)
        return account_path(self.root, self.account_id, self.action.name)

    @property
    def page(self) -> str:
        """The address of the page that shows the effect."""
        return account_path(self.root, self.account_id, *([self.action.page] if self.action.page else []))


class OtherAccount(NamedTuple):
    """What a move does to the other account."""

    account_id: str
    events: list[EventDetails]

    @property
    def balances(self) -> list[tuple[str, int, int]]:
        """Each part of its balance, before and after all of its events."""
        return balances_between(self.events[0], self.events[-1])


def _done(outcome: Outcome) -> Recorded:
    """An outcome that is no refusal. Raises Refusal."""
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def show_form(request: Request) -> Response:
    """Show a form: empty, or with the values that the address says or that the thing to change has."""
    given = {"key": f"dashboard-{secrets.token_urlsafe(18)}", "tz": formatter_of(request).zone.key}
    form = _form(request, given)
    account = await _account(request, form.account_id)
    if (form.action.name, account.standing) in _OPPOSITES:
        return RedirectResponse(
            account_path(form.root, form.account_id, _OPPOSITES[form.action.name, account.standing]), 303
        )
    if form.action.name == "update":
        texts = await profile_texts(reads_of(request).ledger.log, account, account.version)
        form = form._replace(given=given | filled(texts, account.profile.labels))
    if form.action.page == "limits":
        form = form._replace(given=given | _typed_before(request, form.action, account))
    return await _form_page(request, form, account, None)


def _typed_before(request: Request, action: Action, account: Account) -> dict[str, str]:
    """The values with which a form of limits begins."""
    names = {field.name for field in action.fields}
    given = {name: value[:MAX_TEXT] for name, value in request.query_params.items() if name in names}
    if action.name != "limit":
        return given
    return {"zone": formatter_of(request).zone.key, **NEW, **typed_values(given.get("limit_id", ""), account), **given}


async def submit_form(request: Request) -> Response:
    """Handle a posted form: show the preview, show the form again to change it, or execute the command."""
    form = _form(request, await read_form(request))
    if form.given.get("step") == "change":
        return await _form_page(request, form, await _account(request, form.account_id), None)
    try:
        submission = await _submission(request, form)
        if form.given.get("step") == "confirm":
            return await _execute_form(request, form, submission)
        return await _preview(request, form, submission)
    except _EXPECTED as error:
        problem = as_problem(error, endpoint_of(request).next_request_id())
        return await _form_page(
            request, form, await _account_if_any(request, form.account_id), _form_problem(form.action, problem)
        )


def _form(request: Request, given: Mapping[str, str]) -> Form:
    action = ACTIONS[request.url.path.rpartition("/")[2]]
    account_id: str = request.path_params["account_id"]
    if max(map(len, request.path_params.values())) > MAX_ID:
        page_not_found()
    return Form(action, root_of(request), account_id, dict(request.path_params), operator_of(request), given)


async def _account(request: Request, account_id: str) -> Account:
    found = await reads_of(request).ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    return found.account


async def _account_if_any(request: Request, account_id: str) -> Account | None:
    """The account, or None if it cannot be read: the form with the typed values is shown in any case."""
    try:
        return await _account(request, account_id)
    except (AccountNotFound, *LOST):
        return None


async def _form_page(request: Request, form: Form, account: Account | None, problem: FormProblem | None) -> Response:
    grant_id = form.ids.get("grant_id")
    return await page(
        request,
        "action.html",
        status=problem.status if problem else 200,
        account_id=form.account_id,
        form=form,
        balance=account.balance if account else None,
        lot=next((lot for lot in account.lots if lot.grant_id == grant_id), None) if account else None,
        coming=find(account.coming, grant_id) if account and grant_id else None,
        problem=problem,
    )


async def _submission(request: Request, form: Form) -> Submission:
    """The command of a form. Raises Problem and Refusal."""
    key = check_key(form.given.get("key"), "key")
    fields, errors = parse_form(form.action, form.given)
    if errors:
        raise Problem("validation_failed", "", sentences=errors)
    endpoint = endpoint_of(request)
    if form.action.name == "transfer":
        fields["from_account_id"] = form.account_id
    if form.action.command == "limits":
        fields = _all_limits(form, fields, await _account(request, form.account_id))
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


def _all_limits(form: Form, fields: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The body that sets or removes one limit. Raises Problem."""
    if form.action.name == "remove":
        return without_limit(form.ids["limit_id"], account)
    try:
        return with_limit(fields, account)
    except FormError as error:
        raise Problem("validation_failed", "", sentences={error.field: str(error)}) from error


async def _preview(request: Request, form: Form, submission: Submission) -> Response:
    """Show the effect of the command without recording it. A form that was executed already redirects to its result."""
    ledger = reads_of(request).ledger
    second: Recorded | None = None
    if form.action.moves:
        moved = await move(ledger, submission, dry_run=True)
        if isinstance(moved, Refusal):
            raise moved
        outcome, second = moved
    else:
        outcome = _done((await ledger.dry_run([submission], atomic=False))[0])
    if outcome.replayed:
        return await _show_account(request, form, outcome)
    *before, event = [details_of(one) for one in await ledger.explain_dry_run(outcome)]
    values: dict[str, Any] = {
        "form": form,
        "event": event,
        "before": before,
        "balances": balances_between(before[0] if before and form.action.moves else event, event),
        "explains": form.operator.may(EXPLANATIONS),
        "other": None,
        "rule": [],
    }
    if form.action.name == "remove":
        values["rule"] = ["It is removed, with its counters."]
    elif form.action.name == "limit" and isinstance(set_now := outcome.events[-1], LimitsSet):
        values["rule"] = rule_set(set_now, formatter_of(request))
    if second is not None and second.events:
        told = [details_of(one) for one in await ledger.explain_dry_run(second)]
        values["other"] = OtherAccount(second.account_id, told)
    return await page(request, "action_preview.html", account_id=form.account_id, **values)


async def _execute_form(request: Request, form: Form, submission: Submission) -> Response:
    outcome = await _executed(endpoint_of(request), reads_of(request), form.action.name, submission)
    return await _show_account(request, form, outcome)


async def _executed(endpoint: CommandEndpoint, reads: Reads, name: str, submission: Submission) -> Recorded:
    """Execute and count the command as the API does. Raises Refusal, Overloaded and Unavailable."""
    outcome: Outcome
    operation = ACTIONS[name].operation.name
    if ACTIONS[name].moves:
        moved = await move(reads.ledger, submission)
        outcome = moved if isinstance(moved, Refusal) else moved.first
    else:
        outcome = await reads.ledger.execute(submission)
    if isinstance(outcome, Refusal):
        endpoint.count_refusals([outcome])
        metrics.count_command(operation, STATUSES[outcome.code][0])
        raise outcome
    metrics.count_command(operation, 200 if outcome.replayed else 201)
    return outcome


async def _show_account(request: Request, form: Form, recorded: Recorded) -> Response:
    """Redirect to the account, whose page shows a notice of the event. Wait first until its page includes the event."""
    with suppress(NotYetVisible, NotBuilt, *LOST):
        async with reads_of(request).views.snapshot(HISTORY, ROLLUPS, at_least=recorded.position):
            pass
    return RedirectResponse(f"{form.page}?done={recorded.version}", 303)


def _form_problem(action: Action, problem: Problem) -> FormProblem:
    title = STATUSES[problem.code][1]
    match problem.code:
        case "validation_failed":
            errors, rest = _field_errors(action, problem)
            return FormProblem(problem.status, None if errors else "The form has an error", rest, errors)
        case "idempotency_key_reused":
            detail = (
                "This form was sent before with other values, and that action was recorded. Nothing was recorded now."
            )
            return FormProblem(problem.status, "This form was used already", [detail], {}, key_used=True)
        case "insufficient_credits":
            required, available = problem.facts["required"], problem.facts["available"]
            detail = f"You asked for {required:,} credits, but only {available:,} are available. Nothing was taken."
            return FormProblem(problem.status, title, [detail], {})
        case code:
            return FormProblem(problem.status, title, [_ADVICE.get(code, problem.detail)], {})


def _form_name(action: Action, field: str) -> str:
    """The name of the form's field. The limit of a form is the last of its body, such as `limits.3.period.zone`."""
    if action.command != "limits" or not field.startswith("limits."):
        return field
    name = field.split(".", 2)[-1]
    return FIELDS.get(name, name.partition(".")[0])


def _field_errors(action: Action, problem: Problem) -> tuple[dict[str, str], list[str]]:
    """The errors as sentences: by field for the fields of the form, and as a list for the others."""
    names = {field.name for field in action.fields} | {"reason"}
    errors: dict[str, str] = dict(problem.facts.get("sentences", {}))
    rest = []
    for one in problem.facts.get("errors", ()):
        name = "reason" if one["field"] == action.reason else _form_name(action, one["field"])
        if name in names:
            errors[name] = f"This {one['message']}."
        else:
            rest.append(f"{name} {one['message']}.")
    return errors, rest
