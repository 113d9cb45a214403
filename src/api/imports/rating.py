"""Rating: turns a row of a usage file into commands for the ledger.

The commands of a row depend on the row and the options only, never on earlier imports. That makes an import safe to
repeat: the same row always gives the same commands with the same idempotency keys. The bodies of the HTTP contract
check the commands, so a row has the same limits as a request.
"""

import itertools
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from hashlib import blake2b, sha256
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from pydantic import ValidationError

from api.contract.bodies import Body, GrantBody, OpenBody
from api.contract.operations import OPERATIONS, Defaults
from api.contract.problems import from_pydantic
from api.imports.files.cell_numbers import number_reader
from api.imports.files.cell_times import FormatProblem, time_reader
from api.imports.files.dialect import DialectOptions
from api.imports.files.row import Row, RowProblem
from api.imports.files.usage_file import UsageFile, shown
from api.imports.formulas.formula import Formula, Template, literal_template
from api.imports.formulas.price_file import PriceFile
from api.imports.formulas.vocabulary import Vocabulary
from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.commands import MAX_ID, OnShortfall, check_account_id
from ledger.domain.errors import InvalidField, KeyReused, OccurredAtOutOfBounds
from ledger.domain.events import CreditsDeducted
from ledger.store import Metadata, fingerprint

ACTOR = "import"
USAGE_NAMES = ("provider", "model", "project", "member", "metric", "key", "agent")
USAGE_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms")
USAGE_FLAGS = ("success",)
SEPARATOR = "|"
"""What is between the values that the key of a profile joins."""
LONGEST_JOB = 100
"""The most characters, counted after percent-encoding. A key may have 255."""

LONGEST_KEY = 255
DIGEST = 16
"""The bytes of the digest of a row."""

_KEPT = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_DEDUCT = OPERATIONS["deduct"]
_ISO = re.compile(r"\d{4}-\d\d-\d\d[0-9T:., +\-Z]*", re.ASCII)


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
    """The options of an import: formulas, templates and columns, as the operator wrote them."""

    job: str
    account: str
    amount: str
    time: str | None = None
    task: str | None = None
    usage: Mapping[str, str] = field(default_factory=dict)
    opening: Opening | None = None
    key: str | None = None
    """The template of what makes a row itself, in this file and in every other; None: the job and the row's number."""
    time_format: str | None = None
    time_zone: tzinfo | None = None
    dialect: DialectOptions = field(default_factory=DialectOptions)
    prices: PriceFile | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """Formulas by the names that the profile of the file gives them."""
    on_shortfall: OnShortfall = "reject"
    """What becomes of a row that costs more than is available."""
    key_columns: Sequence[str] = ()
    """The columns whose values the key joins, if a profile has made it."""


class Rated(NamedTuple):
    """A row that costs credits, with its valid deduction."""

    row: Row
    account_id: str
    amount: int
    body: Body
    key: str
    """The idempotency key of the deduction."""
    occurred_at: datetime | None
    """When the usage occurred, if the file says it."""


class Terms(NamedTuple):
    """On which terms a row is deducted. They are no part of the file, so an earlier run may have had others."""

    timed: bool
    """With the time of the usage. Without it, only the metadata has the time: the ledger takes it within bounds."""
    on_shortfall: OnShortfall


NotCharged = Literal["free", "empty"]
"""A row whose amount is 0, or has no value to be made of."""


class Rating:
    """Applies the options to the rows of a file. Raises FormulaError or OptionProblem."""

    def __init__(self, options: Options, file: UsageFile, defaults: Defaults, actor: str = ACTOR) -> None:
        self._defaults = defaults
        self._actor = actor
        columns = file.columns
        known = Vocabulary(columns, number_reader(file.dialect.decimal), options.names, options.prices)
        self._width = len(columns)
        self._job_key = _key_of(options.job)
        self._account = Template("--account", options.account, known)
        self._amount = Formula("--amount", options.amount, known)
        self._key = None if options.key is None else _Key(options, known)
        default_task = None if self._key else literal_template(options.job) + "-{row}"
        task = default_task if options.task is None else options.task
        self._task = None if task is None else Template("--task", task, known)
        self._time = None if options.time is None else _Time(options, columns)
        self._usage = {name: _usage(name, text, known) for name, text in options.usage.items()}
        self._opening = options.opening or Opening()
        self._on_shortfall = options.on_shortfall
        self._origin = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def rate(self, row: Row) -> Rated | NotCharged:
        """The deduction of a row, or why there is none. Raises RowProblem."""
        if len(row.cells) != self._width:
            count = len(row.cells)
            values = "1 value" if count == 1 else f"{count} values"
            raise RowProblem(f"{values}, and the first line names {self._width} columns")
        try:
            amount = self._amount.integer(row)
        except RowProblem:
            if self._amount.is_empty(row):
                return "empty"
            raise
        return self._rate(row, amount)

    def _rate(self, row: Row, amount: int) -> Rated | NotCharged:
        account_id = self._account.text(row)
        name = None if self._key is None else self._key.text(row)
        task = self._task.text(row) if self._task else _short_name(name or "", MAX_ID)
        fields: dict[str, Any] = {"task_id": task, "usage": self._usage_of(row)}
        at = None if self._time is None else self._time.read(row)
        if at is not None:
            fields |= {"metadata": {"occurred_at": at.text}, "occurred_at": _in_json(at.instant)}
        # A row that costs nothing gives no command, but its other fields are checked too.
        body = _valid(account_id, {"amount": amount or 1, **fields})
        if not amount:
            return "free"
        key = f"{self._job_key}{row.number}" if name is None else _key_named(name)
        return Rated(row, account_id, amount, body, key, at.instant if at else None)

    def deduction(self, rated: Rated, terms: Terms) -> Callable[[], Submission]:
        """A function that makes the command of a row on some terms, for each time that it is sent."""
        changed: dict[str, Any] = {} if terms.timed else {"occurred_at": None}
        if terms.on_shortfall != "reject":
            changed["on_shortfall"] = terms.on_shortfall
        body = rated.body.model_copy(update=changed) if changed else rated.body
        return self._command("deduct", rated.account_id, body, rated.key)

    def terms_of(self, rated: Rated, now: datetime) -> Terms:
        """The terms of a row, if it is recorded now."""
        at = rated.occurred_at
        return Terms(at is not None and now - self._defaults.back_dating <= at <= now, self._on_shortfall)

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

    def _usage_of(self, row: Row) -> dict[str, str | int | bool] | None:
        """The usage of a row, without empty texts."""
        usage = {name: value(row) for name, value in self._usage.items()}
        return {name: value for name, value in usage.items() if value != ""} or None

    def _command(self, name: str, account_id: str, body: Body, key: str) -> Callable[[], Submission]:
        """A function that makes a new submission for each sending, with the same request id."""
        operation = OPERATIONS[name]
        command = operation.build(account_id, {}, body, self._defaults)
        metadata = Metadata(self._actor, name, key, f"{self._origin}-{next(self._numbers):x}")
        mark = fingerprint(operation.values({}, body))
        return lambda: Submission(command, metadata, mark)


class _Key:
    """The template of what makes a row itself."""

    def __init__(self, options: Options, known: Vocabulary) -> None:
        self._template = Template("--key", options.key or "", known)
        self._joined = [known.columns.index(name) for name in options.key_columns]

    def text(self, row: Row) -> str:
        """The name of a row. Raises RowProblem if it is empty."""
        text = self._template.text(row).strip()
        if not text:
            raise RowProblem("--key is empty, so nothing says which row it is")
        if self._joined and text.count(SEPARATOR) >= len(self._joined):  # a value has one
            lengths = [str(len(row.cells[index])) for index in self._joined]  # tell where each value ends
            return SEPARATOR.join([text, *lengths])
        return text


class _ReadTime(NamedTuple):
    """A time in a row."""

    instant: datetime
    text: str
    """What the metadata has."""


class _Time:
    """The column with the time of the usage."""

    def __init__(self, options: Options, columns: Sequence[str]) -> None:
        column = options.time or ""
        if column not in columns:
            raise OptionProblem(f"--time: there is no column {column!r}; there are {shown(columns)}")
        self._column, self._index = column, columns.index(column)
        self._told = options.time_format is not None or options.time_zone is not None
        try:
            self._read = time_reader(options.time_format, options.time_zone or UTC)
        except FormatProblem as problem:
            raise OptionProblem(f"--time-format: {problem}") from None

    def read(self, row: Row) -> _ReadTime:
        """The time in a row. Raises RowProblem.

        ISO 8601 is kept as the file has it, unless the operator says how to read it: no digit is lost.
        """
        cell = row.cells[self._index]
        try:
            at = self._read(cell)
        except RowProblem as problem:
            raise RowProblem(f"column {self._column!r} {problem}") from None
        return _ReadTime(at, cell if not self._told and _ISO.fullmatch(cell) else _in_json(at))


def other_terms(rated: Rated, terms: Terms, outcome: Outcome) -> Terms | None:
    """The terms on which the ledger takes a row that it refused because of its terms alone; None for another refusal.

    The time of the usage is out of bounds, or an earlier import has recorded the row on other terms: then the row is
    charged already, and is replayed.
    """
    if isinstance(outcome, KeyReused):
        differs = set(outcome.facts["fields"])
    elif isinstance(outcome, OccurredAtOutOfBounds):
        differs = {"occurred_at"}
    else:
        return None
    if not differs or differs - {"occurred_at", "on_shortfall"} or ("occurred_at" in differs and not rated.occurred_at):
        return None
    other: OnShortfall = "reject" if terms.on_shortfall == "available" else "available"
    return Terms(terms.timed ^ ("occurred_at" in differs), other if "on_shortfall" in differs else terms.on_shortfall)


def uncollected_of(recorded: Recorded) -> int:
    """The credits that the deduction of a row asked for and could not take."""
    return sum(event.uncollected or 0 for event in recorded.events if isinstance(event, CreditsDeducted))


def _in_json(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def digest_of(row: Row) -> bytes:
    """The digest of the values of a row, by which it is known again in another file."""
    return blake2b("\x1f".join(row.cells).encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()


def _usage(name: str, text: str, known: Vocabulary) -> Callable[[Row], str | int | bool]:
    option = f"--usage {name}"
    if name in USAGE_COUNTS:
        return Formula(option, text, known).integer
    if name in USAGE_NAMES:
        return Template(option, text, known).text
    if name in USAGE_FLAGS:
        return _Flag(option, text, known).value
    fields = ", ".join(USAGE_NAMES + USAGE_COUNTS + USAGE_FLAGS)
    raise OptionProblem(f"--usage: there is no field {name!r}; there are {fields}")


class _Flag:
    """A template whose text is true or false, in any case, or empty for rows that say neither."""

    def __init__(self, option: str, text: str, known: Vocabulary) -> None:
        self._option, self._template = option, Template(option, text, known)

    def value(self, row: Row) -> bool | str:
        """The flag of a row; an empty text if the row does not say it. Raises RowProblem."""
        text = self._template.text(row)
        match text.lower():
            case "":
                return ""
            case "true" | "false" as word:
                return word == "true"
            case _:
                raise RowProblem(f"{self._option} gives {text[:60]!r}, not true or false")


def _key_named(name: str) -> str:
    """The idempotency key of a row with a name of its own, in ASCII."""
    return _short_name(f"{ACTOR}-key:{quote(name, safe=_KEPT)}", LONGEST_KEY)


def _short_name(name: str, longest: int) -> str:
    """A name, or its digest if it is too long."""
    return name if len(name) <= longest else f"sha256:{sha256(name.encode()).hexdigest()}"


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
