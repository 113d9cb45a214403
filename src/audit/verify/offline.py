"""Verifies exports and statements without a server, a database or settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audit.documents.attachment import BEGIN as PDF
from audit.export.bundle import CHECKPOINTS, EVENTS, KEY
from audit.export.json_lines import BadLine, lines_of
from audit.statements.form import BEGIN, LARGEST, Statement, from_file
from audit.statements.verifying import VerifiedStatement, check_statement
from audit.verify.expected import NOTHING, Expected
from audit.verify.folders import folder_in
from audit.verify.pdf import verify_pdf
from audit.verify.report import NO_CHECKPOINT, CannotVerify, Report
from ledger.progress import Progress
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.files import open_file, read_file
from ledger.proof.notes import LARGEST_KEY, BadNote, VerifyingKey
from ledger.proof.trusted_checkpoints import TrustedCheckpoints, own_keys, read_trusted_checkpoints, trust
from ledger.proof.walk import Breach, Place, Walk, check_receipts, shown
from ledger.store import Record, balance_to_json

PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Trusting:
    """What the reader trusts, and expects of the log."""

    checkpoints: Path | None = None
    """A folder of checkpoints; None for the one in the bundle."""
    keys: Sequence[VerifyingKey] = ()
    """Empty for the key in the file or the folder."""
    expected: Expected = NOTHING
    fonts: Sequence[Path] = ()
    """Folders with the fonts that a document needs, if it needs others than those of the printer."""


def verify_path(path: Path, trusting: Trusting, progress: Progress) -> Report:
    """Verify a bundle, a log in JSON Lines, a statement, or a PDF. Raises CannotVerify and OSError."""
    report = Report("", "given" if trusting.keys else "file")
    try:
        _verify(path, trusting, progress, report)
        trusting.expected.check(report)
    except Breach as breach:
        report.breach = breach
    return report


def _verify(path: Path, trusting: Trusting, progress: Progress, report: Report) -> None:
    if path.is_dir():
        _verify_bundle(path, trusting, progress, report)
        return
    beginning = _beginning(path)
    if path.suffix == ".html":
        raise CannotVerify(f"{path} is a page for people; verify the JSON file of the statement")
    if beginning.startswith(PDF) or path.suffix == ".pdf":
        verify_pdf(path, trusting.keys, trusting.expected, trusting.fonts, report)
    elif beginning == BEGIN or path.suffix == ".json":
        _verify_statement(path, trusting, report)
    else:
        _verify_log(path, trusting, progress, report)


def _beginning(path: Path) -> bytes:
    """The first bytes of a file. Raises CannotVerify unless it is a regular file."""
    try:
        with open_file(path) as file:
            return file.read(len(BEGIN))
    except BadNote as problem:
        raise CannotVerify(str(problem)) from problem


def _verify_bundle(path: Path, trusting: Trusting, progress: Progress, report: Report) -> None:
    events = path / EVENTS
    if not events.is_file():
        raise CannotVerify(f"{path} is not an export: it has no {EVENTS}")
    report.what = f"the export {path.name}"
    enclosed = _enclosed_key(path / KEY)
    folder = folder_in(trusting.checkpoints or path / CHECKPOINTS)
    found = _read_checkpoints(folder, trusting, trusting.keys or enclosed, report)
    if enclosed and enclosed[0] not in found.trust.known:
        raise Breach("checkpoint", Place(file=KEY), "it is not a key of this ledger")
    _walk(events, found, progress, report)


def _verify_log(path: Path, trusting: Trusting, progress: Progress, report: Report) -> None:
    report.what = f"the log {path.name}"
    found: TrustedCheckpoints | None = None
    if trusting.checkpoints is not None:
        found = _read_checkpoints(folder_in(trusting.checkpoints), trusting, trusting.keys, report)
    elif trusting.expected.since is not None:
        if not trusting.keys:
            raise CannotVerify("--since needs the key that signed the checkpoint: name it with --key")
        found = trusting.expected.with_kept(TrustedCheckpoints(trust(trusting.keys, ()), (), 0))
        report.add_checkpoints(found)
    _walk(path, found, progress, report)


def _verify_statement(path: Path, trusting: Trusting, report: Report) -> None:
    report.what = f"the statement {path.name}"
    if trusting.expected.since is not None:
        raise CannotVerify(
            "a statement does not have all events before its checkpoint: --since is for a log or a bundle"
        )
    try:
        text = read_file(path, LARGEST)
    except BadNote as problem:
        raise Breach("statement", Place(file=path.name), str(problem)) from problem
    verified = check_statement(text, trusting.keys or _named_in(text))
    report.events, report.accounts, report.checkpoints = len(verified.statement.events), 1, 1
    report.signed, report.keys = verified.checkpoint.size, [verified.signed_by.text]
    report.facts, report.lines = _facts(verified), _lines(verified)


def _lines(verified: VerifiedStatement) -> list[str]:
    statement = verified.statement
    begin, end = statement.period
    period = f"from {begin.isoformat() if begin else 'the beginning'} to {end.isoformat() if end else 'the checkpoint'}"
    opening, closing = statement.opening.total, statement.closing.total
    return [
        f"account {shown(statement.account_id)} of {shown(verified.checkpoint.origin)}, {period}",
        f"opening balance {opening:,}, closing balance {closing:,}",
    ]


def _named_in(text: bytes) -> list[VerifyingKey]:
    """The key that the statement names. Raises Breach."""
    try:
        return [VerifyingKey.parse(from_file(text).content.verifying_key)]
    except BadNote as problem:
        raise Breach("statement", Place(file="verifying_key"), str(problem)) from problem


def _facts(verified: VerifiedStatement) -> dict[str, object]:
    statement: Statement = verified.statement
    begin, end = statement.period
    return {
        "account_id": statement.account_id,
        "from": begin.isoformat() if begin else None,
        "to": end.isoformat() if end else None,
        "opening": balance_to_json(statement.opening),
        "closing": balance_to_json(statement.closing),
        "ledger": verified.checkpoint.origin,
    }


def _enclosed_key(path: Path) -> list[VerifyingKey]:
    """The key in the file of a bundle; empty if there is no such file. Raises Breach."""
    if not path.exists():
        return []
    try:
        text = read_file(path, LARGEST_KEY)
        key = VerifyingKey.parse(text.decode().removesuffix("\n"))
    except (BadNote, UnicodeDecodeError) as problem:
        raise Breach("checkpoint", Place(file=path.name), str(problem)) from problem
    if text != f"{key.text}\n".encode():
        raise Breach("checkpoint", Place(file=path.name), "it has more than the key")
    return [key]


def _read_checkpoints(
    folder: CheckpointFolder, trusting: Trusting, keys: Sequence[VerifyingKey], report: Report
) -> TrustedCheckpoints:
    trusted = keys or own_keys(folder)
    if not trusted:
        raise CannotVerify(f"{folder.path} has no key, and --key names none")
    found = trusting.expected.with_kept(read_trusted_checkpoints(folder, trusted))
    report.add_checkpoints(found)
    return found


def _walk(path: Path, found: TrustedCheckpoints | None, progress: Progress, report: Report) -> None:
    """Verify the log in a file, event by event. Raises Breach."""
    walk = Walk(found.checkpoints if found else ())
    with open_file(path) as file:
        progress.begin("verifying", path.stat().st_size, "bytes")
        try:
            for page, end in _pages(file, path.name):
                walk.take(page)
                progress.reach(end)
            walk.finish()
        finally:
            report.add_walk(walk)
        pairs = walk.repeated()
        records = _at(file, {position for pair in pairs for position in pair}) if pairs else {}
        for first, second in pairs:
            check_receipts(records[first], records[second])
    report.unchecked = None if walk.signed else NO_CHECKPOINT


def _pages(file: BinaryIO, name: str) -> Iterator[tuple[list[Record], int]]:
    """The events of a file in pages, and the end of each page in bytes. Raises Breach after the last good page."""
    page: list[Record] = []
    number = end = 0
    try:
        for line in lines_of(file):
            number, record, end = line
            page.append(record)
            if len(page) == PAGE:
                yield page, end
                page = []
    except BadLine as problem:
        yield page, end
        raise Breach("line", Place(number + 1, file=f"{name}, line {number + 1}"), problem.why) from problem
    yield page, end


def _at(file: BinaryIO, positions: set[int]) -> dict[int, Record]:
    return {record.position: record for _, record, _ in lines_of(file) if record.position in positions}
