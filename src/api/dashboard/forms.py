"""Forms: read what a browser posts, with limits, and refuse a form without the token of the page that showed it."""

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.contract.bodies import CONTROL
from api.contract.problems import Problem, invalid
from api.dashboard.cookies import form_cookie, session_cookie
from api.http.requests.request_body import receive_body
from people.sign_in.words import MAX_EMAIL

TOKEN = "csrf"  # noqa: S105  # the name of a field
MAX_FORM = 16 * 1024
"""Bytes."""
MAX_FIELDS = 32
LONGEST_SEARCH = MAX_EMAIL
"""Characters of a text that somebody looks for."""


def form_secret(request: Request) -> str:
    """The secret that the form token of a browser is derived from: that of its session, or else a new one."""
    secret = session_cookie(request) or form_cookie(request) or getattr(request.state, "secret", None)
    if secret is None:
        secret = request.state.secret = secrets.token_urlsafe(24)
    return secret


def csrf_token(secret: str) -> str:
    """Derive the form token from a secret. The token does not reveal the secret."""
    return hmac.new(secret.encode(), b"credit-ledger form", sha256).hexdigest()


def searched(request: Request) -> str:
    """The text that somebody looks for. Raises Problem for one that is too long or has control characters."""
    text = request.query_params.get("q", "").strip()
    if len(text) > LONGEST_SEARCH or CONTROL.search(text):
        raise invalid("q", f"must be a text of at most {LONGEST_SEARCH} characters on one line")
    return text


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a posted form, stripped and without the token.

    Raises HTTPException 400, 403, 413 or 415, ClientLeft, and Problem: body_timeout, overloaded.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "The content type of a form must be application/x-www-form-urlencoded.")
    body = await form_body(request)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error
    if any("\0" in text for pair in pairs for text in pair):
        raise HTTPException(400, "The form has the character U+0000, which nothing can hold.")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HTTPException(400, "The form has a field twice.")
    token = fields.pop(TOKEN, "")
    if not hmac.compare_digest(token.encode(), csrf_token(form_secret(request)).encode()):
        raise HTTPException(
            403, "This form belongs to an earlier session. Go back, reload the page, and send the form again."
        )
    return {name: value.strip() for name, value in fields.items()}


def one_line(form: Mapping[str, str], name: str) -> str:
    """A field that has one line, or nothing. Raises HTTPException 400 for control characters."""
    text = form.get(name, "")
    if CONTROL.search(text):
        raise HTTPException(400, f"The field {name} of the form has a control character.")
    return text


async def form_body(request: Request) -> bytes:
    """The body of a form as it was sent. Raises HTTPException 413, ClientLeft and Problem."""
    try:
        return await receive_body(request.receive, MAX_FORM)
    except Problem as problem:
        if problem.code != "body_too_large":
            raise
        raise HTTPException(413, f"A form may have at most {MAX_FORM} bytes.") from None
