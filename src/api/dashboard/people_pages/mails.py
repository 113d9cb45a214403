"""The link in a mail that ends mails of its kind.

It works without signing in, because whoever reads the mail may not have a session; and its button is pressed by
programs that read mail, which have no token of a form (RFC 8058).
"""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.forms import form_body
from api.dashboard.people_pages.settings import MAILS
from api.dashboard.people_pages.signing_in import notice, spent
from api.dashboard.person_forms import Form, people_of, show
from people.errors import AccessRefused


async def show_mails(request: Request) -> Response:
    """Show a button, because mail scanners open links too."""
    try:
        kind = await people_of(request).mails.kind_of(request.path_params["token"])
    except AccessRefused:
        return await spent(request)
    says = f"You get no more mails {MAILS[kind]}. Your settings turn them on again."
    return await show(request, Form("Switch mails off", says, "Switch them off"))


async def end_mails(request: Request) -> Response:
    """End the mails. The link is the permission: it does nothing else."""
    people = people_of(request)
    await form_body(request)
    try:
        kind = await people.mails.end(request.path_params["token"])
    except AccessRefused:
        return await spent(request)
    return await notice(request, "The mails are switched off", f"You get no more mails {MAILS[kind]}.")
