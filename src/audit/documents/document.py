"""A document: what a PDF prints, as data. It is signed and attached, and the PDF is made from it again to check it.

The attachment has exactly one spelling, canonical JSON: {"document": {...}, "signature": ...}. The events are proven by
their hashes, the Merkle tree and the checkpoint. The claims are what no event says, such as the address of the seller:
the ledger signs them. It also claims that no refund or dispute of the payment is missing.

What a form prints never changes, because old PDFs are made again to check them: another print is another form.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple, get_args

from audit.statements.envelope import Envelope, Opened
from audit.statements.form import Proven, proven_from_json, proven_to_json
from ledger.store import to_json

Form = Literal[1, 2]
"""1: each page has its number. 2: a document of one page has none (with numbers the printer takes twice as long), long
ids break, and a package is not called a plan.
"""
NEWEST: Form = 2
"""The form of new documents."""
_FORMS: dict[str, Form] = {f"credit-ledger document {form}": form for form in get_args(Form)}
LARGEST = 64 * 1024 * 1024
"""The size of the largest attachment, in bytes."""
Kind = Literal["receipt", "invoice", "statement"]
Fonts = Literal["embedded", "others"]
"""`embedded`: those of the program that prints, which are the same on every machine."""


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the holder of the account, as the document names them."""

    name: str
    lines: tuple[str, ...] = ()
    tax_id: str | None = None
    logo: str | None = None
    """An SVG or PNG file in base64."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the ledger says and no event proves."""

    seller: Party
    holder: Party
    printer: str
    """The program that makes the PDF, with its version: another version may make other bytes."""
    number: str | None = None
    """The number of an invoice."""
    plan: str | None = None
    """The name of the plan or package that was paid for."""
    notes: tuple[str, ...] = ()
    fonts: Fonts = "embedded"


class Linked(NamedTuple):
    """An event with its proof, and the hash of the event before it."""

    proven: Proven
    previous: bytes


@dataclass(frozen=True, slots=True)
class PaymentEvents:
    """The events of one payment: what was paid, bought, refunded and disputed; and the checkpoint that has them."""

    provider: str
    payment_id: str
    events: tuple[Linked, ...]
    checkpoint: str
    notices: tuple[str, ...]
    verifying_key: str


class EnclosedStatement(NamedTuple):
    """The file of a signed statement, which is the whole evidence of a monthly statement."""

    file: bytes


Evidence = PaymentEvents | EnclosedStatement


@dataclass(frozen=True, slots=True)
class Document:
    """A document of an account."""

    kind: Kind
    account_id: str
    claims: Claims
    evidence: Evidence
    form: Form = NEWEST


def body_of(document: Document) -> bytes:
    """The bytes that are signed."""
    return to_json(
        {
            "format": f"credit-ledger document {document.form}",
            "kind": document.kind,
            "account_id": document.account_id,
            "claims": asdict(document.claims),
            "evidence": _evidence_to_json(document.evidence),
        }
    )


def note_text(origin: str, body: bytes) -> str:
    """The text that the ledger signs. It cannot be mistaken for that of a statement or a checkpoint."""
    return f"{origin}/document\n{sha256(body).hexdigest()}\n"


def to_attachment(body: bytes, signature: str) -> bytes:
    """A document as an attachment. `signature` is the signed note over `note_text`."""
    return b'{"document":' + body + b',"signature":' + to_json(signature) + b"}\n"


def from_attachment(text: bytes) -> Opened[Document]:
    """Read a document. Raises Breach unless the text is, byte for byte, what `to_attachment` writes."""
    return _ENVELOPE.opened(text, "document", "its proof")


def _document(members: dict[str, Any]) -> Document:
    if members["kind"] not in get_args(Kind):
        raise ValueError(f"{members['kind']!r} is no kind of document")
    return Document(
        members["kind"],
        _text(members["account_id"]),
        _claims(members["claims"]),
        _evidence(members["evidence"]),
        _FORMS[members["format"]],
    )


def _claims(members: dict[str, Any]) -> Claims:
    if members["fonts"] not in get_args(Fonts):
        raise ValueError(f"{members['fonts']!r} are no fonts")
    return Claims(
        _party(members["seller"]),
        _party(members["holder"]),
        _text(members["printer"]),
        _maybe_text(members["number"]),
        _maybe_text(members["plan"]),
        tuple(map(_text, members["notes"])),
        members["fonts"],
    )


def _party(members: dict[str, Any]) -> Party:
    lines = tuple(map(_text, members["lines"]))
    return Party(_text(members["name"]), lines, _maybe_text(members["tax_id"]), _maybe_text(members["logo"]))


def _evidence_to_json(evidence: Evidence) -> dict[str, Any]:
    if isinstance(evidence, EnclosedStatement):
        return {"statement": b64encode(evidence.file).decode()}
    return {
        "provider": evidence.provider,
        "payment_id": evidence.payment_id,
        "events": [proven_to_json(one.proven) | {"previous": one.previous.hex()} for one in evidence.events],
        "checkpoint": evidence.checkpoint,
        "notices": evidence.notices,
        "verifying_key": evidence.verifying_key,
    }


def _evidence(members: Mapping[str, Any]) -> Evidence:
    if "statement" in members:
        return EnclosedStatement(b64decode(members["statement"], validate=True))
    return PaymentEvents(
        _text(members["provider"]),
        _text(members["payment_id"]),
        tuple(map(_linked, members["events"])),
        _text(members["checkpoint"]),
        tuple(map(_text, members["notices"])),
        _text(members["verifying_key"]),
    )


def _linked(members: dict[str, Any]) -> Linked:
    previous = bytes.fromhex(members.pop("previous"))
    return Linked(proven_from_json(members), previous)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is not a text")
    return value


def _maybe_text(value: Any) -> str | None:
    return None if value is None else _text(value)


_ENVELOPE = Envelope("document", tuple(_FORMS), to_attachment, body_of, _document)
