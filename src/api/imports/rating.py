"""Rating: turns a row of a usage file into commands for the ledger.

The commands of a row depend on the row and the options only, never on earlier imports. That makes an import safe to
repeat: the same row always gives the same commands with the same idempotency keys. The bodies of the HTTP contract
check the commands, so a row has the same limits as a request.
"""

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from pydantic import ValidationError

from api.contract.bodies import Body, GrantBody, OpenBody
from api.contract.operations import OPERATIONS, Defaults
from api.contract.problems import from_pydantic
from api.imports.formula import Formula, Template, literal_template
from api.imports.usage_file import Row, RowProblem, shown
from ledger.commit.submission import Submission
from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.commands import check_account_id
from ledger.domain.errors import InvalidField
from ledger.store import Metadata, fingerprint

ACTOR = "import"
USAGE_NAMES = ("provider", "model", "project", "member", "metric")
USAGE_COUNTS = ("input_tokens", "output_tokens")
LONGEST_JOB = 100
"""The most characters, counted after percent-encoding. A key may have 255."""

_KEPT = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_DEDUCT = OPERATIONS["deduct"]


class OptionProblem(Exception):
    """An option cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The credits with which an import opens an account that does not exist. Raises OptionProblem."""

    signup: int = 0
    subscription: int = 0
    permanent: int = 0

    def __post_init__(self) -> None:
        if self.signup + self.subscription + self.permanent > MAX_AMOUNT:
            raise OptionProblem(f"the credits of the --open options may have a sum of at most {MAX_AMOUNT}")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an import: formulas, templates and a column, as the operator wrote them."""

    job: str
    account: str
    amount: str
    time: str | None
    task: str | None
    usage: Mapping[str, str]
    opening: Opening | None


class Rated(NamedTuple):
    """A row that costs credits, with its valid deduction."""

    row: Row
    account_id: str
    amount: int
    body: Body


class Rating:
    """Applies the options to the rows of a file with the given columns. Raises FormulaError or OptionProblem."""

    def __init__(self, options: Options, columns: Sequence[str], defaults: Defaults) -> None:
        self._defaults = defaults
        self._width = len(columns)
        self._key = _key_of(options.job)
        self._account = Template("--account", options.account, columns)
        self._amount = Formula("--amount", options.amount, columns)
        task = literal_template(options.job) + "-{row}" if options.task is None else options.task
        self._task = Template("--task", task, columns)
        self._time = None if options.time is None else _Time(options.time, columns)
        self._usage = {name: _usage(name, text, columns) for name, text in options.usage.items()}
        self._opening = options.opening or Opening()
        self._origin = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def rate(self, row: Row) -> Rated | None:
        """The deduction of a row; None if the row costs nothing. Raises RowProblem."""
        if len(row.cells) != self._width:
            count = len(row.cells)
            values = "1 value" if count == 1 else f"{count} values"
            raise RowProblem(f"{values}, and the first line names {self._width} columns")
        amount = self._amount.integer(row)
        account_id = self._account.text(row)
        fields = {"task_id": self._task.text(row), "usage": self._usage_of(row)}
        if self._time is not None:
            fields["metadata"] = {"occurred_at": self._time.text(row)}
        # A row that costs nothing gives no command, but its other fields are checked too.
        body = _valid(account_id, {"amount": amount or 1, **fields})
        return Rated(row, account_id, amount, body) if amount else None

    def deduction(self, rated: Rated) -> Callable[[], Submission]:
        """A function that makes the command of a row, for each time that it is sent."""
        return self._command("deduct", rated.account_id, rated.body, f"{self._key}{rated.row.number}")

    def opening(self, account_id: str) -> Callable[[], list[Submission]]:
        """A function that makes the commands that open an account. The ledger carries out all of them or none.

        The metadata of the opening names all credits. So the receipt of an account that another caller opened, or that
        was opened with other options, differs: all commands are refused, and an existing account gets no grant.
        """
        kinds: list[tuple[Kind, int]] = [
            ("subscription", self._opening.subscription),
            ("permanent", self._opening.permanent),
        ]
        given: dict[str, str | int] = {"opened_by": ACTOR, **{kind: amount for kind, amount in kinds if amount}}
        body = OpenBody(account_id=account_id, signup_credits=self._opening.signup, metadata=given)
        makers = [self._command("open", account_id, body, account_id)]
        for kind, amount in kinds:
            if amount:
                grant = GrantBody.model_validate({"kind": kind, "amount": amount})
                makers.append(self._command("grant", account_id, grant, f"{ACTOR}-opening:{kind}"))
        return lambda: [make() for make in makers]

    def _usage_of(self, row: Row) -> dict[str, str | int] | None:
        """The usage of a row, without empty texts."""
        usage = {name: value(row) for name, value in self._usage.items()}
        return {name: value for name, value in usage.items() if value != ""} or None

    def _command(self, name: str, account_id: str, body: Body, key: str) -> Callable[[], Submission]:
        """A function that makes a new submission for each sending, with the same request id."""
        operation = OPERATIONS[name]
        command = operation.build(account_id, {}, body, self._defaults)
        metadata = Metadata(ACTOR, name, key, f"{self._origin}-{next(self._numbers):x}")
        mark = fingerprint(operation.values({}, body))
        return lambda: Submission(command, metadata, mark)


class _Time:
    """The column with the time of the usage. Its text is stored unchanged: no time zone is added, no digit is lost."""

    def __init__(self, column: str, columns: Sequence[str]) -> None:
        if column not in columns:
            raise OptionProblem(f"--time: there is no column {column!r}; there are {shown(columns)}")
        self._column, self._index = column, columns.index(column)

    def text(self, row: Row) -> str:
        """The time in a row, as the file has it. Raises RowProblem."""
        cell = row.cells[self._index]
        try:
            datetime.fromisoformat(cell)
        except ValueError:
            problem = f"column {self._column!r} is {cell[:60]!r}, not a time such as 2026-01-31T12:00:00Z"
            raise RowProblem(problem) from None
        return cell


def _usage(name: str, text: str, columns: Sequence[str]) -> Callable[[Row], str | int]:
    option = f"--usage {name}"
    if name in USAGE_COUNTS:
        return Formula(option, text, columns).integer
    if name in USAGE_NAMES:
        return Template(option, text, columns).text
    raise OptionProblem(f"--usage: there is no field {name!r}; there are {', '.join(USAGE_NAMES + USAGE_COUNTS)}")


def _key_of(job: str) -> str:
    """The beginning of the idempotency keys of a job, in ASCII. Raises OptionProblem."""
    if job.isprintable() and 0 < len(quoted := quote(job, safe=_KEPT)) <= LONGEST_JOB:
        return f"{ACTOR}:{quoted}:"
    raise OptionProblem(
        f"{job[:60]!r} cannot be the name of a job: a name has 1 to {LONGEST_JOB} printable characters, "
        "and each outside of ASCII counts as several; give a name with --job"
    )


def _valid(account_id: str, fields: dict[str, object]) -> Body:
    try:
        check_account_id(account_id)
        return _DEDUCT.body.model_validate(fields)
    except InvalidField as error:
        raise RowProblem(f"{error.message.rstrip('.')}; it is {account_id[:60]!r}") from None
    except ValidationError as error:
        problem = from_pydantic(error.errors(include_url=False))
        wrong = [f"{part['field']} {part['message']}{_value_of(part)}" for part in problem.facts["errors"]]
        raise RowProblem("; ".join(wrong)) from None


def _value_of(error: dict[str, object]) -> str:
    return f"; it is {error['value']!r}" if "value" in error else ""
