"""Verifies exports and statements without a server, a database or settings."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from audit.export.bundle import CHECKPOINTS, EVENTS, KEY
from audit.export.json_lines import BadLine, lines_of
from audit.statements.form import BEGIN, Statement, from_file
from audit.statements.verifying import VerifiedStatement, check_statement
from audit.verify.folders import folder_in
from audit.verify.report import CannotVerify, Report
from ledger.progress import Progress
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.notes import BadNote, VerifyingKey
from ledger.proof.trusted_checkpoints import TrustedCheckpoints, own_keys, read_trusted_checkpoints
from ledger.proof.walk import Breach, Place, Walk, check_receipts, shown
from ledger.store import Record, balance_to_json

PAGE = 2_000


def verify_path(path: Path, checkpoints: Path | None, keys: Sequence[VerifyingKey], progress: Progress) -> Report:
    """Verify a bundle, a log in JSON Lines, or a statement. Raises CannotVerify and OSError."""
    if path.is_dir():
        return _verify_bundle(path, checkpoints, keys, progress)
    with path.open("rb") as file:
        beginning = file.read(len(BEGIN))
    if path.suffix == ".html":
        raise CannotVerify(f"{path} is a page for people; verify the JSON file of the statement")
    if beginning == BEGIN or path.suffix == ".json":
        return _verify_statement(path, keys)
    return _verify_log(path, checkpoints, keys, progress)


def _verify_bundle(path: Path, checkpoints: Path | None, keys: Sequence[VerifyingKey], progress: Progress) -> Report:
    events = path / EVENTS
    if not events.is_file():
        raise CannotVerify(f"{path} is not an export: it has no {EVENTS}")
    report = Report(f"the export {path.name}")
    try:
        enclosed = _enclosed_key(path / KEY)
        trusted = keys or enclosed
        report.keys_from = "given" if keys else "file"
        trusted_checkpoints = _read_checkpoints(folder_in(checkpoints or path / CHECKPOINTS), trusted, report)
        if enclosed and enclosed[0] not in trusted_checkpoints.trust.known:
            raise Breach("checkpoint", Place(file=KEY), "it is not a key of this ledger")
        _walk(events, trusted_checkpoints, progress, report)
    except Breach as breach:
        report.breach = breach
    return report


def _verify_log(path: Path, checkpoints: Path | None, keys: Sequence[VerifyingKey], progress: Progress) -> Report:
    report = Report(f"the log {path.name}", "given" if keys else "file")
    try:
        _walk(path, _read_checkpoints(folder_in(checkpoints), keys, report) if checkpoints else None, progress, report)
    except Breach as breach:
        report.breach = breach
    return report


def _verify_statement(path: Path, keys: Sequence[VerifyingKey]) -> Report:
    report = Report(f"the statement {path.name}", "given" if keys else "file")
    text = path.read_bytes()
    try:
        verified = check_statement(text, keys or _named_in(text))
    except Breach as breach:
        report.breach = breach
        return report
    report.events, report.accounts, report.checkpoints = len(verified.statement.events), 1, 1
    report.signed, report.keys = verified.checkpoint.size, [verified.signed_by.text]
    report.facts, report.lines = _facts(verified), _lines(verified)
    return report


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
        return [VerifyingKey.parse(from_file(text).statement.verifying_key)]
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
    text = path.read_bytes()
    try:
        key = VerifyingKey.parse(text.decode().removesuffix("\n"))
    except (BadNote, UnicodeDecodeError) as problem:
        raise Breach("checkpoint", Place(file=path.name), str(problem)) from problem
    if text != f"{key.text}\n".encode():
        raise Breach("checkpoint", Place(file=path.name), "it has more than the key")
    return [key]


def _read_checkpoints(folder: CheckpointFolder, keys: Sequence[VerifyingKey], report: Report) -> TrustedCheckpoints:
    trusted = keys or own_keys(folder)
    if not trusted:
        raise CannotVerify(f"{folder.path} has no key, and --key names none")
    trusted_checkpoints = read_trusted_checkpoints(folder, trusted)
    report.add_checkpoints(trusted_checkpoints)
    return trusted_checkpoints


def _walk(path: Path, trusted_checkpoints: TrustedCheckpoints | None, progress: Progress, report: Report) -> None:
    """Verify the log in a file, event by event. Raises Breach."""
    walk = Walk(trusted_checkpoints.checkpoints if trusted_checkpoints else ())
    with path.open("rb") as file:
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
    if trusted_checkpoints is not None and not trusted_checkpoints.checkpoints and walk.position:
        report.unchecked = "there is no checkpoint for the log: its events are chained and not signed"


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
