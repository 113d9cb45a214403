"""The provider at which people of the product sign in, in a process of the service."""

from contextlib import suppress
from functools import partial
from importlib import import_module

from api.runtime.people.hosts import page_in, telling
from api.runtime.settings import Settings
from api.runtime.telemetry.telemetry import Telemetry
from ledger.commit.submission import Submission
from ledger.domain.commands import OpenAccount
from ledger.domain.errors import AccountExists
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from people.oidc.words import Around, ClaimIs, Client, SignsInAtProvider
from people.teams.invitations import is_invited


def provider_sign_in(settings: Settings, ledger: Ledger, telemetry: Telemetry) -> SignsInAtProvider | None:
    """How people sign in at the provider; None without one. Its libraries are imported when there is one."""
    if settings.oidc_issuer is None:
        return None

    async def open_account(account_id: str) -> None:
        if await ledger.account_at(account_id) is not None:
            return
        key = f"open:{account_id}"
        command = OpenAccount(account_id, settings.signup_credits)
        with suppress(AccountExists):  # the product was quicker
            await ledger.execute(Submission(command, Metadata("people", "open", key, key), fingerprint([key])))

    invited = partial(is_invited, ledger.log, ledger.clock)
    around = Around(ledger.log, ledger.clock, telling(ledger), open_account, page_in(settings), invited)
    sign_in = import_module("people.oidc.signing_in").ProviderSignIn
    made: SignsInAtProvider = telemetry.of(sign_in)(around, client_of(settings))
    return made


def client_of(settings: Settings) -> Client:
    """This service as the provider knows it."""
    assert settings.oidc_issuer is not None
    assert settings.oidc_client_id is not None, "the settings need it with an issuer"
    secret = settings.oidc_client_secret
    return Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        None if secret is None else secret.get_secret_value(),
        settings.oidc_scope,
        settings.oidc_account_claim,
        settings.oidc_link_by_email,
        None if settings.oidc_operator is None else ClaimIs.of(settings.oidc_operator),
        None if settings.oidc_admin is None else ClaimIs.of(settings.oidc_admin),
    )
