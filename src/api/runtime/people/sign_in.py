"""People who sign in here, in a process of the service: whether they do, and what that needs of its other parts."""

from functools import partial

from api.runtime.listening.listen_address import is_loopback
from api.runtime.people.erasing import erase_account
from api.runtime.people.hosts import page_in, telling
from api.runtime.people_settings import Registration
from api.runtime.settings import Settings, variable
from ledger.commit.submission import Submission
from ledger.domain.commands import OpenAccount
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from outbox.mails import forget_recipients
from people.sign_in.passwords import Passwords
from people.sign_in.people import People
from people.sign_in.sign_ins import Surroundings
from people.teams.invitations import is_invited


def registration_of(settings: Settings) -> Registration:
    """Who may have a password here. Where nobody said it: everybody on this machine, with the embedded database."""
    if settings.registration is not None:
        return settings.registration
    return "open" if settings.database_url is None and is_loopback(settings.host) else "off"


def all_people(settings: Settings, ledger: Ledger) -> People:
    """The people of this service, whether or not they sign in here."""
    open_account = partial(open_account_of, settings, ledger)
    erase, registration = partial(erase_account, ledger), registration_of(settings)
    parts = Passwords(), telling(ledger), open_account, page_in(settings), registration, erase, forget_recipients
    invited = partial(is_invited, ledger.log, ledger.clock)
    return People.around(Surroundings(ledger.log, ledger.clock, *parts, invited))


async def open_account_of(settings: Settings, ledger: Ledger, user_id: str) -> None:
    """Open the account of a user, with the credits of a new one; once, however often it is called.

    Raises Overloaded and Unavailable.
    """
    key = f"open:{user_id}"
    command = OpenAccount(user_id, settings.signup_credits)
    await ledger.execute(Submission(command, Metadata("people", "open", key, key), fingerprint([key])))


def who_signs_in(settings: Settings) -> str:
    """One line for the start."""
    at_provider = "" if settings.oidc_issuer is None else f"; people of the product sign in at {settings.oidc_issuer}"
    return _who_has_a_password(settings) + at_provider


def _who_has_a_password(settings: Settings) -> str:
    match registration_of(settings):
        case "open":
            return "People may register and sign in at /dashboard/sign-in"
        case "invited":
            return "People may sign in at /dashboard/sign-in; who is invited into a team may register"
        case "off":
            return f"People come from the product: nobody has a password here ({variable('registration')} is off)"
