"""The routes of the catalogue: read plans and packages, and put new versions of them there.

A version is no event of any account, so a PUT takes no idempotency key: put twice, the second one changes nothing.
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api.contract.answers.billing.catalog import (
    PackageAnswer,
    PackagesAnswer,
    PlanAnswer,
    PlansAnswer,
    package_answer,
    package_fields,
    plan_answer,
    plan_fields,
)
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import Parameters, problems, problems_of
from api.http.queries.reads import Reads, reads_of
from api.http.requests.callers import caller_of
from api.http.requests.request import MAX_BODY, headers_of, read_body, read_json
from billing import catalog
from billing.catalog_changes import Change, Entry, Wanted
from billing.errors import Kind
from billing.plans import ENTRY_ID, Package, Plan
from ledger.domain.commands import MAX_ID

router = APIRouter(route_class=AnswerRoute, tags=["billing"])
SoldT = TypeVar("SoldT", Plan, Package)

EntryId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ENTRY_ID)]
_READING = problems(401, 403, 422, 429, 500, 503)
_WRITING = problems(400, 401, 403, 413, 415, 429, 500, 503) | problems_of(
    "product_belongs_to_another", "validation_failed", "catalog_limit_exceeded"
)


class _Listed(Parameters):
    listed: bool | None = Field(None, description="only those that are shown to people, or only the others")


class _Version(Parameters):
    version: int | None = Field(None, ge=1, le=2**31 - 1, description="default: the newest")


class _Nothing(Parameters):
    pass


@router.get("/v1/plans", responses=_READING, summary="All plans, each in its newest version")
async def plans(request: Request, query: Annotated[_Listed, Query()]) -> JsonAnswer[PlansAnswer]:
    """Those of the lowest rank come first, of two with the same rank the one with fewer credits."""
    return JsonAnswer(
        {"plans": [plan_fields(entry) for entry in await entries_of(reads_of(request), "plan", listed=query.listed)]}
    )


@router.get("/v1/packages", responses=_READING, summary="All packages, each in its newest version")
async def packages(request: Request, query: Annotated[_Listed, Query()]) -> JsonAnswer[PackagesAnswer]:
    """Those of the fewest credits come first."""
    return JsonAnswer(
        {
            "packages": [
                package_fields(entry) for entry in await entries_of(reads_of(request), "package", listed=query.listed)
            ]
        }
    )


@router.get(
    "/v1/plans/{plan_id}", responses=_READING | problems_of("plan_not_found"), summary="One plan, and its versions"
)
async def plan(request: Request, plan_id: EntryId, query: Annotated[_Version, Query()]) -> JsonAnswer[PlanAnswer]:
    """The newest version, or the one that is asked for. Versions never change."""
    return JsonAnswer(plan_answer(*await versions_of(reads_of(request), "plan", plan_id, query.version)))


@router.get(
    "/v1/packages/{package_id}",
    responses=_READING | problems_of("package_not_found"),
    summary="One package, and its versions",
)
async def package(
    request: Request, package_id: EntryId, query: Annotated[_Version, Query()]
) -> JsonAnswer[PackageAnswer]:
    """The newest version, or the one that is asked for. Versions never change."""
    return JsonAnswer(package_answer(*await versions_of(reads_of(request), "package", package_id, query.version)))


def _body(name: str) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.put(
    "/v1/plans/{plan_id}",
    status_code=201,
    responses=_WRITING | {200: {"model": PlanAnswer, "description": "The plan is like this already"}},
    summary="Put a new version of a plan",
    openapi_extra=_body("Plan"),
)
async def put_plan(request: Request, plan_id: EntryId, query: Annotated[_Nothing, Query()]) -> JsonAnswer[PlanAnswer]:
    """Subscribers keep the version that they have, unless `applies_to` is `all`.

    A product of a provider that means other terms already is refused.
    """
    change = await _put(request, plan_id, Plan)
    answer = plan_answer(*await versions_of(reads_of(request), "plan", plan_id, change.version))
    return JsonAnswer(answer, 200 if change.is_same else 201, _request_id(request))


@router.put(
    "/v1/packages/{package_id}",
    status_code=201,
    responses=_WRITING | {200: {"model": PackageAnswer, "description": "The package is like this already"}},
    summary="Put a new version of a package",
    openapi_extra=_body("Package"),
)
async def put_package(
    request: Request, package_id: EntryId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[PackageAnswer]:
    """Whoever pays for a product gets the credits of the version with which the product came.

    A product of a provider that means another number of credits already is refused, unless `applies_to` is `all`.
    """
    change = await _put(request, package_id, Package)
    answer = package_answer(*await versions_of(reads_of(request), "package", package_id, change.version))
    return JsonAnswer(answer, 200 if change.is_same else 201, _request_id(request))


async def entries_of(reads: Reads, kind: Kind, *, listed: bool | None = None) -> list[Entry]:
    """The newest version of each entry; with `listed`, only of those that are, or are not, shown to people.

    Plans of the lowest rank come first; then what has the fewest credits.
    """
    async with reads.ledger.log.connection() as connection:
        found = await catalog.newest(connection, kind)
    return sorted([entry for entry in found if listed is None or entry.body.listed == listed], key=_place)


def _place(entry: Entry) -> tuple[int, int, str]:
    rank = entry.body.rank if isinstance(entry.body, Plan) else 0
    return rank, entry.body.credits, entry.id


async def versions_of(
    reads: Reads, kind: Kind, entry_id: str, version: int | None = None
) -> tuple[Entry, Sequence[Entry]]:
    """One version of an entry (None: the newest), and all versions. Raises PlanNotFound and PackageNotFound."""
    async with reads.ledger.log.connection() as connection:
        found = await catalog.find(connection, kind, entry_id, version)
        return found, await catalog.versions(connection, kind, entry_id)


async def _put(request: Request, entry_id: str, kind: type[SoldT]) -> Change:
    """Put the body of a request into the catalogue. Raises Problem, ProductBelongsToAnother and CatalogFull."""
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    body = validated(kind, read_json(raw))
    async with reads_of(request).ledger.log.connection() as connection:
        [change] = await catalog.put(connection, [Wanted(entry_id, body)], caller_of(request.scope).actor)
    return change


def _request_id(request: Request) -> dict[str, str]:
    return {"x-request-id": endpoint_of(request).next_request_id()}
