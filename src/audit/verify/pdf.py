"""Verifies a PDF by its attachment: the events are proven, and the PDF is made from them again and compared."""

from collections.abc import Sequence
from pathlib import Path

from audit.documents.attachment import LARGEST_PDF, attachment_of
from audit.documents.pages import pdf_of
from audit.documents.printing import CannotPrint, printer
from audit.documents.verifying import VerifiedDocument, check_document, named_key
from audit.statements.page import period_in_words
from audit.verify.expected import Expected
from audit.verify.report import CannotVerify, Report
from ledger.domain.events import PaymentRecorded
from ledger.explain.money import in_units
from ledger.proof.files import read_file
from ledger.proof.notes import BadNote, VerifyingKey
from ledger.proof.walk import Breach, Place, shown

_HOLDS = "its proof holds, but its pages cannot be compared"


def verify_pdf(
    path: Path, keys: Sequence[VerifyingKey], expected: Expected, fonts: Sequence[Path], report: Report
) -> None:
    """Verify the PDF of a receipt, an invoice or a statement. Raises Breach, CannotVerify and OSError."""
    report.what = f"the document {path.name}"
    if expected.since is not None:
        raise CannotVerify(
            "a document does not have all events before its checkpoint: --since is for a log or a bundle"
        )
    try:
        pdf = read_file(path, LARGEST_PDF)
    except BadNote as problem:
        raise Breach("document", Place(file=path.name), str(problem)) from problem
    attachment = attachment_of(pdf)
    verified = check_document(attachment, keys or _named_in(attachment))
    report.events, report.accounts, report.checkpoints = len(verified.events), 1, 1
    report.signed, report.keys = verified.checkpoint.size, [verified.signed_by.text]
    report.facts, report.lines = _facts(verified), [_line(verified)]
    report.unchecked = _compare(pdf, verified, attachment, fonts)
    if report.unchecked is None:
        report.lines.append("its pages are, byte for byte, what these events print")


def _compare(pdf: bytes, verified: VerifiedDocument, attachment: bytes, fonts: Sequence[Path]) -> str | None:
    """Make the PDF again. None when it is the same; else why it cannot be compared here. Raises Breach."""
    claims = verified.document.claims
    if claims.printer != printer():
        return (
            f"its proof holds, but its pages cannot be compared: {shown(claims.printer)} made them, here is {printer()}"
        )
    try:
        again = pdf_of(verified, attachment, fonts)
    except CannotPrint as problem:
        return f"{_HOLDS}: {problem}"
    if again == pdf:
        return None
    if claims.fonts == "others":
        return f"{_HOLDS}: they need fonts of the machine that made them; name a copy: --fonts FOLDER"
    raise Breach("document", Place(), "its pages are not those that its proof prints: they were changed")


def _named_in(attachment: bytes) -> list[VerifyingKey]:
    """The key that the document names. Raises Breach."""
    try:
        return [VerifyingKey.parse(named_key(attachment))]
    except BadNote as problem:
        raise Breach("document", Place(file="verifying_key"), str(problem)) from problem


def _line(verified: VerifiedDocument) -> str:
    document, number = verified.document, verified.document.claims.number
    whose = f"account {shown(document.account_id)} of {shown(verified.checkpoint.origin)}"
    numbered = f" {shown(number)}" if number else ""
    payment = _payment(verified)
    if payment is None:
        period = verified.statement and period_in_words(verified.statement.period)
        return f"{document.kind} of {period}, {whose}"
    money = f"{in_units(payment.amount_minor, payment.currency):,f} {shown(payment.currency)}"
    return f"{document.kind}{numbered} of {money}, payment {shown(payment.payment_id)}, {whose}"


def _payment(verified: VerifiedDocument) -> PaymentRecorded | None:
    if verified.statement is not None:
        return None
    return next(event for event in verified.events if isinstance(event, PaymentRecorded))


def _facts(verified: VerifiedDocument) -> dict[str, object]:
    document, payment = verified.document, _payment(verified)
    facts: dict[str, object] = {
        "document": document.kind,
        "number": document.claims.number,
        "account_id": document.account_id,
        "ledger": verified.checkpoint.origin,
    }
    if payment is None:
        return facts
    return facts | {
        "provider": payment.provider,
        "payment_id": payment.payment_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
    }
