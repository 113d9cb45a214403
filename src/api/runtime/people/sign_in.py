"""People who sign in here, in a process of the service: whether they do, and what that needs of its other parts."""

from functools import partial
from typing import Any

from psycopg import AsyncConnection

from api.runtime.listening.listen_address import is_loopback, links_need_public_url
from api.runtime.people.erasing import erase_account
from api.runtime.people_settings import Registration
from api.runtime.settings import Settings, variable
from ledger.commit.submission import Submission
from ledger.domain.commands import OpenAccount
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from outbox.mails import Mail, forget_recipients, place
from people.errors import AccessRefused
from people.sign_in.letters import Letter
from people.sign_in.passwords import Passwords
from people.sign_in.people import People
from people.sign_in.sign_ins import Surroundings

_ROOT = "/dashboard/"


def registration_of(settings: Settings) -> Registration:
    """Who may have a password here. Where nobody said it: everybody on this machine, with the embedded database."""
    if settings.registration is not None:
        return settings.registration
    return "open" if settings.database_url is None and is_loopback(settings.host) else "off"


def people_here(settings: Settings, ledger: Ledger) -> People | None:
    """The people of this service; None when nobody signs in here."""
    registration = registration_of(settings)
    if registration == "off":
        return None

    async def tell(connection: AsyncConnection[Any], letter: Letter) -> None:
        mail = Mail(letter.cause, letter.kind, letter.recipient, letter.subject, letter.body, letter.useful)
        await place(connection, mail if letter.wanted else mail.unwanted(), ledger.clock())

    async def open_account(user_id: str) -> None:
        key = f"open:{user_id}"
        command = OpenAccount(user_id, settings.signup_credits)
        await ledger.execute(Submission(command, Metadata("people", "open", key, key), fingerprint([key])))

    def page(path: str) -> str:
        return f"{_base(settings)}{_ROOT}{path}"

    parts = Passwords(), tell, open_account, page, registration, partial(erase_account, ledger), forget_recipients
    return People.around(Surroundings(ledger.log, ledger.clock, *parts))


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


def who_signs_in(settings: Settings) -> str:
    """One line for the start."""
    match registration_of(settings):
        case "open":
            return "People may register and sign in at /dashboard/sign-in"
        case "invited":
            return "People who have a password may sign in at /dashboard/sign-in; nobody may register"
        case "off":
            return f"People come from the product: nobody has a password here ({variable('registration')} is off)"
