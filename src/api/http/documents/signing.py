"""What keeps a document from being signed. The reason is for operators, who find it in /readyz too, not for readers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from api.contract.problems import Problem
from audit.statements.making import CannotMake, TooLong
from ledger.proof.evidence import CheckpointMismatch
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import KeyMissing
from ledger.proof.tree import HoleInLog
from ledger.proof.walk import Breach

_CANNOT_SIGN = (Breach, BadNote, CannotMake, CheckpointMismatch, FolderBusy, HoleInLog, KeyMissing, OSError)
_log = logging.getLogger("credit_ledger.documents")


@contextmanager
def signing() -> Iterator[None]:
    """Turn what keeps a document from being signed into a Problem, and tell the operator why."""
    try:
        yield
    except TooLong as problem:
        detail = f"The statement has too many events: {problem}. `credit-ledger statement` takes more of them."
        raise Problem("statement_too_long", detail) from problem
    except _CANNOT_SIGN as problem:
        _log.error("a document cannot be signed: %s", problem)
        detail = "The document cannot be signed now: its proof is missing. An operator finds the reason in /readyz."
        raise Problem("document_unavailable", detail, retry_after=10) from problem
