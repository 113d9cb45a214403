"""The page of one uploaded file: what its columns mean, the preview, the progress and the result.

A file is checked in the background, and nothing is recorded before an operator has seen the preview and says so.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.operations import Defaults
from api.contract.scopes import MANAGE, Access
from api.dashboard.current_user import operator_of, root_of
from api.dashboard.forms import read_form
from api.dashboard.import_pages.import_list import runs_of, state_of
from api.dashboard.import_pages.wording import in_words
from api.dashboard.rendering import page
from api.imports.files.dialect import DELIMITERS, ENCODINGS
from api.imports.files.row import FileProblem
from api.imports.files.usage_file import UsageFile, open_file
from api.imports.formulas.errors import FormulaError
from api.imports.profiles import PROFILES
from api.imports.rating import OptionProblem, Rating
from api.imports.typed_wishes import DIALECT, FIELDS, OPENINGS, USAGE, suggested, wishes_of
from api.imports.uploads import Upload
from api.imports.wishes import Recognised, dialect_of, example_of, names_in, options_for, recognise

_OPENS = Access((MANAGE,))
"""Who may open accounts, and so give credits, with an import."""
_SAMPLE = 5
"""The rows that are shown beside the form."""
_PARTS = 2
"""The parts of the file in which they are looked for."""


class Beginning(NamedTuple):
    """The beginning of a file: what it is, and its first rows; or why it cannot be read."""

    found: Recognised | None
    rows: list[list[str]]
    problem: str | None


async def import_file(request: Request) -> Response:
    """Show a file."""
    return await _show(request, await _upload(request))


async def submit_import_file(request: Request) -> Response:
    """Do what a button of the page says."""
    form = await read_form(request)
    upload, runs = await _upload(request), runs_of(request)
    match form.pop("step", ""):
        case "check":
            return await _check(request, upload, form)
        case "record":
            _check_openings(request, upload)
            await runs.record(upload, operator_of(request).key.actor)
        case "change":
            return await _form(request, upload, upload.form, None)
        case "stop":
            await runs.uploads.stop(upload.upload_id)
        case "discard":
            await runs.uploads.discard(upload.upload_id)
            return RedirectResponse(f"{root_of(request)}/imports", 303)
        case _:
            raise HTTPException(400, "The form cannot be read.")
    return _back(request, upload)


async def bad_rows(request: Request) -> Response:
    """The rows that cannot be used, as a file in the dialect of theirs."""
    upload = await _upload(request)
    content = await runs_of(request).uploads.bad_rows(upload.upload_id)
    if content is None:
        raise HTTPException(404)
    headers = {"content-disposition": 'attachment; filename="bad_rows.csv"', "cache-control": "no-store"}
    return Response(content, media_type="text/csv", headers=headers)


async def _upload(request: Request) -> Upload:
    upload_id = request.path_params["upload_id"]
    found = (
        await runs_of(request).uploads.find(upload_id) if re.fullmatch(r"[\w-]{1,40}", upload_id, re.ASCII) else None
    )
    if found is None:
        raise HTTPException(404)
    return found


def _check_openings(request: Request, upload: Upload) -> None:
    """Refuse to record what another operator prepared who may open accounts, unless this one may too."""
    if any(map(upload.form.get, OPENINGS)) and not operator_of(request).may(_OPENS):
        raise HTTPException(403, f"This import opens accounts. Your key needs the scope {MANAGE} to record it.")


def _back(request: Request, upload: Upload) -> Response:
    return RedirectResponse(f"{root_of(request)}/imports/{upload.upload_id}", 303)


async def _check(request: Request, upload: Upload, typed: Mapping[str, str]) -> Response:
    """Check the file as the form says; a form that no file could be imported with is shown again."""
    form = {name: typed[name] for name in FIELDS if typed.get(name)}
    if not operator_of(request).may(_OPENS):
        form = {name: text for name, text in form.items() if name not in OPENINGS}
    try:
        wishes = wishes_of(form, upload.name)
        async with _beginning_of(request, upload) as path:
            options = options_for(wishes, recognise(path, wishes.dialect))
            with open_file(path) as opened:
                Rating(options, UsageFile(opened, options.dialect), Defaults())
    except (OptionProblem, FormulaError, FileProblem) as error:
        return await _form(request, upload, form, str(error))
    await runs_of(request).check(upload, form)
    return _back(request, upload)


@asynccontextmanager
async def _beginning_of(request: Request, upload: Upload) -> AsyncIterator[Path]:
    """The beginning of a file, as a file until the block ends."""
    with TemporaryDirectory(prefix="credit-ledger-import-") as folder:
        path = Path(folder) / "usage.csv"
        with path.open("wb") as file:
            await runs_of(request).uploads.copy(upload.upload_id, file, parts=_PARTS)
        yield path


async def _beginning(request: Request, upload: Upload, form: Mapping[str, str]) -> Beginning:
    """What the beginning of a file is, in the dialect that a form says."""
    try:
        dialect = dialect_of(*(form.get(name) or None for name in DIALECT))
        async with _beginning_of(request, upload) as path:
            found = recognise(path, dialect)
            with open_file(path) as opened:
                rows = [row.cells for row in islice(UsageFile(opened, dialect).rows(), _SAMPLE)]
            return Beginning(found, rows, None)
    except (FileProblem, OptionProblem) as problem:
        return Beginning(None, [], str(problem))


async def _form(request: Request, upload: Upload, form: Mapping[str, str], problem: str | None) -> Response:
    """Show the form that says what the columns mean."""
    beginning = await _beginning(request, upload, form)
    first = {} if form or beginning.found is None else suggested(beginning.found, upload.name)
    why = problem or beginning.problem
    profile, columns = (beginning.found.profile, beginning.found.columns) if beginning.found else (None, [])
    return await page(
        request,
        "import_form.html",
        status=422 if problem and request.method == "POST" else 200,
        upload=upload,
        form={**dict.fromkeys(FIELDS, ""), **first, **form},
        problem=why,
        in_words=in_words,
        beginning=beginning,
        profile=profile,
        example=example_of(profile, columns) if profile else "",
        names=names_in(profile, columns) if profile else [],
        profiles=PROFILES.values(),
        encodings=[(name, name) for name in ENCODINGS],
        delimiters=[(name, name) for name in DELIMITERS],
        usage=USAGE,
        usage_given=any(map(form.get, USAGE)),
        opens=operator_of(request).may(_OPENS),
    )


async def _show(request: Request, upload: Upload) -> Response:
    if upload.state == "uploaded" or (upload.state == "checking" and upload.abandoned):
        interrupted = "The check was interrupted. Send the form again." if upload.abandoned else None
        return await _form(request, upload, upload.form, upload.problem or interrupted)
    share = upload.done / upload.total if upload.total else 0
    values: dict[str, Any] = {
        "upload": upload,
        "state": state_of(upload),
        "share": min(share, 1.0),
        "in_words": in_words,
    }
    return await page(request, "import_file.html", **values)
