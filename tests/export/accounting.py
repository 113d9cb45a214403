"""The outside tools as tests use them: whether they find an error in a journal, and what they say accounts hold."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from beancount import loader
from beancount.core import realization

from api.export.beancount import Beancount
from api.export.hledger import Hledger
from api.export.journals import Journals
from api.export.notation import Notation
from ledger.feed import Logged
from tests.projections.folding import Told

Balances = dict[tuple[str, str], int]
"""What is on an account itself, by its name and commodity; what is nothing is left out."""

needs_hledger = pytest.mark.skipif(
    shutil.which("hledger") is None, reason="there is no hledger on this machine: its journals are not checked"
)


def journal(log: Iterable[Told], notation: Notation, page: int = 7) -> str:
    """A log in a notation, as an export writes it, page by page."""
    file = io.BytesIO()
    events = [Logged(*told) for told in log]
    journals = Journals(file, notation, "a test")
    for start in range(0, len(events), page):
        journals.write(events[start : start + page])
    journals.finish()
    return file.getvalue().decode()


class Beancounted(NamedTuple):
    """What Beancount makes of a journal."""

    entries: Sequence[Any]
    errors: Sequence[Any]

    @property
    def balances(self) -> Balances:
        """What is on every account."""
        whole: Any = realization  # which has no types
        found = {
            (account.account, position.units.currency): int(position.units.number)
            for account in whole.iter_children(whole.realize(self.entries))
            for position in account.balance
        }
        return {key: amount for key, amount in found.items() if amount}


def beancount(text: str) -> Beancounted:
    """Have Beancount read a journal."""
    entries, errors, _ = loader.load_string(text)
    return Beancounted(entries, errors)


def hledger(text: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Have hledger do something with a journal."""
    return subprocess.run(
        ["hledger", "-f", "-", *command], input=text, capture_output=True, text=True, check=False, timeout=120
    )


def hledger_balances(text: str) -> Balances:
    """What hledger says is on every account."""
    done = hledger(text, "balance", "--flat", "--layout", "bare", "-O", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    amounts = {(row["account"], row["commodity"]): int(row["balance"]) for row in rows if row["account"] != "total"}
    return {key: amount for key, amount in amounts.items() if amount}


def tag_value(text: str) -> str:
    """A tag of hledger's as the text that was meant."""
    return str(json.loads(text)) if text.startswith('"') else text


def both(log: Sequence[Told]) -> tuple[str, str]:
    """A log for Beancount and for hledger."""
    return journal(log, Beancount()), journal(log, Hledger())
