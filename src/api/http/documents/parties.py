"""Who is named on documents: the seller of the settings, and the holder of an account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from audit.documents.document import Party
from ledger.domain.profile import Profile
from ledger.readable_texts import stated_texts
from ledger.store import EventLog

_MOST_LINES, _LONGEST = 8, 200
"""Lines of an address, and characters of one."""


class SellerSettings(Protocol):
    """What the settings say about the seller."""

    @property
    def seller(self) -> str | None:
        """CREDIT_LEDGER_SELLER: the name, and in further lines the address."""

    @property
    def seller_tax_id(self) -> str | None:
        """CREDIT_LEDGER_SELLER_TAX_ID."""

    @property
    def logo(self) -> str | None:
        """The file of CREDIT_LEDGER_SELLER_LOGO in base64."""

    @property
    def invoice_note(self) -> str | None:
        """CREDIT_LEDGER_INVOICE_NOTE."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What the settings say about documents: the seller, and notes below the amounts."""

    seller: Party | None
    notes: tuple[str, ...] = ()

    @property
    def party(self) -> Party:
        """The seller as documents name it."""
        return self.seller or Party("The operator of this service")


def letterhead_of(settings: SellerSettings) -> Letterhead:
    """What some settings say about documents."""
    name, *lines = [line.strip() for line in (settings.seller or "").splitlines() if line.strip()] or [""]
    seller = Party(name, tuple(lines), settings.seller_tax_id, settings.logo) if name else None
    return Letterhead(seller, tuple(line for line in (settings.invoice_note or "").splitlines() if line.strip()))


async def holder_of(log: EventLog, account_id: str, version: int, profile: Profile | None = None) -> Party:
    """The holder of an account, as it described itself up to an event: its metadata may have the name on bills.

    `profile` is that of the account now, if it is known.
    """
    then = await profile_at(log, account_id, version, profile)
    return party_of(account_id, *await stated_texts(log, account_id, then))


async def profile_at(log: EventLog, account_id: str, version: int, now: Profile | None) -> Profile:
    """The profile of an account after an event. Most often it is that of `now`, and nothing is loaded."""
    if now is not None and max(now.description_version, now.metadata_version) <= version:
        return now
    async with log.reader() as reader:
        account = await reader.load_at(account_id, version)
    assert account is not None, "it has events"
    return account.profile


def party_of(account_id: str, description: str | None, metadata: Mapping[str, Any] | None) -> Party:
    """The holder of an account with a description and metadata."""
    bill = (metadata or {}).get("billing")
    said: dict[str, Any] = bill if isinstance(bill, dict) else {}
    name = _text(said.get("name")) or _text(description)
    tax_id, address = _text(said.get("tax_id")), _lines(said.get("address"))
    return Party(name or account_id, (*address, *([f"Account {account_id}"] if name else [])), tax_id)


def _text(value: object) -> str | None:
    """The first line of a text; None of anything else."""
    lines = _lines(value)
    return lines[0] if lines else None


def _lines(value: object) -> Sequence[str]:
    """The lines of a text, or of a list of texts."""
    texts = value if isinstance(value, list) else [value]
    lines = [line.strip() for text in texts if isinstance(text, str) for line in text.splitlines()]
    return tuple(line[:_LONGEST] for line in lines if line)[:_MOST_LINES]
