"""The outside tools as tests use them: whether they find an error in a journal, and what they say accounts hold."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from beancount import loader
from beancount.core import realization

from audit.export.journals.beancount import Beancount
from audit.export.journals.hledger import Hledger
from audit.export.journals.notation import Notation
from audit.export.journals.writing import Journals
from ledger.store.feed import Logged
from tests.projections.folding import Told

Balances = dict[tuple[str, str], int]
"""What is on an account itself, by its name and commodity; what is nothing is left out."""


def journal(log: Iterable[Told], notation: Notation, page: int = 7) -> str:
    """A log in a notation, as an export writes it, page by page."""
    file = io.BytesIO()
    events = [Logged(*told) for told in log]
    journals = Journals(file, notation, "a test")
    for start in range(0, len(events), page):
        journals.write(events[start : start + page])
    journals.finish()
    return file.getvalue().decode()


class Read(NamedTuple):
    """What a tool makes of a journal."""

    problems: str
    """The errors that it finds; empty when it finds none."""
    balances: Balances


READERS: list[Any] = [
    pytest.param(Beancount, id="beancount"),
    pytest.param(
        Hledger,
        id="hledger",
        marks=pytest.mark.skipif(
            shutil.which("hledger") is None, reason="no hledger here: its journals are not checked"
        ),
    ),
]
"""The notations whose tools are on this machine."""


def read_by_tool(text: str, notation: type[Notation]) -> Read:
    """Have the tool of a notation read a journal."""
    return _read_by_beancount(text) if notation is Beancount else _read_by_hledger(text)


def problems(text: str, notation: type[Notation]) -> str:
    """The errors alone."""
    if notation is Beancount:
        return "\n".join(error.message for error in loader.load_string(text)[1])
    return _hledger(text, "check", "--strict").stderr


def said(text: str, notation: type[Notation], name: str) -> list[str]:
    """The values that a tool has for a fact, as they were meant."""
    if notation is Beancount:
        return [entry.meta[name] for entry in loader.load_string(text)[0] if name in entry.meta]
    return list(map(_meant, _hledger(text, "tags", "--values", name).stdout.splitlines()))


def _read_by_beancount(text: str) -> Read:
    entries, errors, _ = loader.load_string(text)
    whole: Any = realization  # which has no types
    balances = {
        (account.account, position.units.currency): int(position.units.number)
        for account in whole.iter_children(whole.realize(entries))
        for position in account.balance
    }
    problems = "\n".join(error.message for error in errors)
    return Read(problems, {key: amount for key, amount in balances.items() if amount})


def _read_by_hledger(text: str) -> Read:
    checked = _hledger(text, "check", "--strict")
    done = _hledger(text, "balance", "--flat", "--layout", "bare", "-O", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    amounts = {(row["account"], row["commodity"]): int(row["balance"]) for row in rows if row["account"] != "total"}
    return Read(checked.stderr, {key: amount for key, amount in amounts.items() if amount})


def _meant(value: str) -> str:
    """The value of a tag as the text that was meant."""
    return str(json.loads(value)) if value.startswith('"') else value


def _hledger(text: str, *command: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["hledger", "-f", "-", *command], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode == 0) == (not done.stderr)
    return done
