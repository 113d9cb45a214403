"""The catalogue, for operators: what is sold now, and what each version of it has changed."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.rendering import page
from api.http.billing.catalog import entries_of, versions_of
from api.http.queries.reads import reads_of
from billing.catalog_changes import EFFECTS, Entry, FieldChange, field_changes, leaf_text
from billing.errors import Kind

MOST_VERSIONS = 50
"""The versions that a page shows. The API has all of them."""


class VersionChanges(NamedTuple):
    """A version, and what it changed: groups of fields, each with the words for whom. None: it is the first."""

    entry: Entry
    groups: Sequence[tuple[str, Sequence[FieldChange]]] | None


async def catalog(request: Request) -> Response:
    """Show all plans and packages in their newest versions."""
    reads = reads_of(request)
    plans, packages = await entries_of(reads, "plan"), await entries_of(reads, "package")
    return await page(request, "catalog.html", plans=plans, packages=packages)


async def plan_versions(request: Request) -> Response:
    """Show the versions of a plan, and what each one changed."""
    return await _versions(request, "plan", request.path_params["plan_id"])


async def package_versions(request: Request) -> Response:
    """Show the versions of a package, and what each one changed."""
    return await _versions(request, "package", request.path_params["package_id"])


async def _versions(request: Request, kind: Kind, entry_id: str) -> Response:
    newest, versions = await versions_of(reads_of(request), kind, entry_id)
    return await page(
        request,
        "catalog_versions.html",
        entry=newest,
        versions=changes_of(versions)[:MOST_VERSIONS],
        earlier=max(len(versions) - MOST_VERSIONS, 0),
        text=leaf_text,
    )


def changes_of(versions: Sequence[Entry]) -> list[VersionChanges]:
    """What each version changed; the newest comes first."""
    found = [VersionChanges(after, _groups(before, after)) for after, before in pairwise(versions)]
    return [*found, VersionChanges(versions[-1], None)]


def _groups(before: Entry, after: Entry) -> list[tuple[str, list[FieldChange]]]:
    fields = field_changes(before.body, after.body)
    groups = [(words, [field for field in fields if field.effect == effect]) for effect, words in EFFECTS.items()]
    return [(words, fields) for words, fields in groups if fields]
