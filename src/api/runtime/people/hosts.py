"""What signing in needs of the rest of the service: who carries letters, and where their links lead."""

from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection

from api.runtime.listening.listen_address import links_need_public_url
from api.runtime.settings import Settings, variable
from ledger.service import Ledger
from outbox.mails import Mail, place
from people.errors import AccessRefused
from people.sign_in.letters import Letter, Tell

_ROOT = "/dashboard/"


def telling(ledger: Ledger) -> Tell:
    """Puts letters into the outbox."""

    async def tell(connection: AsyncConnection[Any], letter: Letter) -> None:
        parts = letter.subject, letter.body, letter.useful, letter.wanted, letter.end
        await place(connection, Mail(letter.cause, letter.kind, letter.recipient, *parts), ledger.clock())

    return tell


def page_in(settings: Settings) -> Callable[[str], str]:
    """The addresses that mailed links lead to: our pages, or those of the front end of the product."""
    if settings.people_url is None:
        return own_page_in(settings)
    front_end = settings.people_url.rstrip("/")
    return lambda path: f"{front_end}/{path}"


def own_page_in(settings: Settings) -> Callable[[str], str]:
    """The addresses of our own pages, which programs that read mail may ask too."""
    return lambda path: f"{_base(settings)}{_ROOT}{path}"


def _base(settings: Settings) -> str:
    """The address that mailed links begin with. It never comes from a request: whoever asks for a mail to somebody else
    would choose where its link leads. Raises AccessRefused: public_url_required."""
    if links_need_public_url(settings):
        needed = f"so links need its public address: set {variable('public_url')}."
        detail = f"The service listens beyond this machine, {needed}"
        raise AccessRefused("public_url_required", detail, retry_after=60)
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host.strip("[]") else settings.host
    scheme = "https" if settings.tls_certificate is not None else "http"
    return f"{scheme}://{host}:{settings.port}"
