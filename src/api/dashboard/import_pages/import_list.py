"""The page with the newest imports, and the form with which a file is uploaded."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import operator_of, root_of
from api.dashboard.multipart import UploadForm, read_upload
from api.dashboard.rendering import page
from api.imports.runs import ImportRuns
from api.imports.uploads import KEPT_DAYS, MAX_UPLOAD, PART, Upload

RECENT = 20


def runs_of(request: Request) -> ImportRuns:
    """The imports of this process."""
    runs: ImportRuns = request.app.state.import_runs
    return runs


async def imports(request: Request) -> Response:
    """Show the newest imports, and the form."""
    return await _list(request, None)


async def upload(request: Request) -> Response:
    """Keep the file of a form, and go to its page."""
    form = await read_upload(request, MAX_UPLOAD)
    if not form.file_name:
        return await _list(request, "Choose a file first.")
    uploads = runs_of(request).uploads
    upload_id = await uploads.begin(form.file_name, operator_of(request).key.actor)
    if upload_id is None:
        return await _list(request, "Too many files wait here. Import or discard some of them first.")
    size = await _keep(request, upload_id, form)
    if size == 0:
        await uploads.discard(upload_id)
        return await _list(request, "The file is empty.")
    await uploads.arrived(upload_id, size)
    return RedirectResponse(f"{root_of(request)}/imports/{upload_id}", 303)


async def _keep(request: Request, upload_id: str, form: UploadForm) -> int:
    """Keep the content of the file, and return its size. A file that does not arrive as a whole is discarded."""
    uploads, buffer, size, number = runs_of(request).uploads, b"", 0, 0
    try:
        async for piece in form.pieces:
            buffer += piece
            size += len(piece)
            while len(buffer) >= PART:
                await uploads.add_part(upload_id, number, buffer[:PART])
                buffer, number = buffer[PART:], number + 1
        if buffer:
            await uploads.add_part(upload_id, number, buffer)
    except BaseException:
        await uploads.discard(upload_id)
        raise
    return size


async def _list(request: Request, problem: str | None) -> Response:
    recent = await runs_of(request).uploads.recent(RECENT)
    return await page(
        request,
        "imports.html",
        status=200 if problem is None else 422,
        problem=problem,
        recent=recent,
        states={one.upload_id: state_of(one) for one in recent},
        limit=MAX_UPLOAD // 1024 // 1024,
        days=KEPT_DAYS,
    )


def state_of(upload: Upload) -> tuple[str, str]:
    """The state of an import in words, and its tone."""
    if upload.abandoned:
        return "interrupted", "warn"
    if upload.state == "stopped":
        refused = (upload.report or {}).get("refused")
        return ("some rows refused", "warn") if refused and not upload.problem else ("stopped", "warn")
    return {
        "uploaded": ("not checked yet", ""),
        "checking": ("being checked", ""),
        "checked": ("waits for a decision", ""),
        "recording": ("being recorded", ""),
        "done": ("recorded", "good"),
    }.get(upload.state, ("arriving", ""))
