"""The address at which browsers reach the service, for links that callers hand on."""

from typing import Protocol

from starlette.requests import Request

from api.contract.problems import Problem


class AddressOptions(Protocol):
    """The settings of it."""

    @property
    def public_url(self) -> str | None:
        """CREDIT_LEDGER_PUBLIC_URL."""

    @property
    def links_need_public_url(self) -> bool:
        """Whether no other address would be safe."""


def base_of(request: Request) -> str:
    """The address at which browsers reach the service: CREDIT_LEDGER_PUBLIC_URL, or else that of the request.

    Raises Problem if only the setting would be safe.
    """
    options: AddressOptions = request.app.state.options
    if options.links_need_public_url:
        raise Problem(
            "public_url_required",
            "The service listens beyond this machine, so links need its public address: set CREDIT_LEDGER_PUBLIC_URL.",
            retry_after=60,
        )
    return options.public_url or str(request.base_url).rstrip("/")


def absolute(request: Request, url: str) -> str:
    """A whole address: one that begins with a slash is a page of ours. Raises Problem."""
    return f"{base_of(request)}{url}" if url.startswith("/") else url
