"""Forms: what a browser posts, read with limits, and taken only with the token that the page with the form gave out."""

import hmac
import secrets
from hashlib import sha256
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.dashboard.current_user import COOKIE

FORM_COOKIE = "credit_ledger_form"
"""The secret behind the token of those who have no session yet: they are about to sign in."""
TOKEN = "csrf"  # noqa: S105  # the name of a field
MAX_FORM = 16 * 1024
"""Bytes."""
MAX_FIELDS = 32


def form_secret(request: Request) -> str:
    """What the token of a browser's forms is made of: the secret of its session, or one made for the purpose."""
    secret = request.cookies.get(COOKIE) or request.cookies.get(FORM_COOKIE) or getattr(request.state, "secret", None)
    if secret is None:
        secret = request.state.secret = secrets.token_urlsafe(24)
    return secret


def csrf_token(secret: str) -> str:
    """The token that belongs to a secret; the secret cannot be found from it."""
    return hmac.new(secret.encode(), b"credit-ledger form", sha256).hexdigest()


async def posted(request: Request) -> dict[str, str]:
    """The fields of a posted form, stripped, without its token. Raises HTTPException 400, 403, 413 or 415."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "Forms are sent as application/x-www-form-urlencoded.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413, f"A form may have {MAX_FORM} bytes.")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error
    token = fields.pop(TOKEN, "")
    if not hmac.compare_digest(token.encode(), csrf_token(form_secret(request)).encode()):
        raise HTTPException(
            403, "This form is from an earlier session. Go back, load the page again, and send it anew."
        )
    return {name: value.strip() for name, value in fields.items()}
