"""What an operator says of an import, before the columns of the file are known, and the options that follow from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from keyword import iskeyword
from pathlib import Path
from typing import NamedTuple, cast, get_args
from zoneinfo import ZoneInfo

from api.imports.files.cell_numbers import Decimal
from api.imports.files.dialect import DELIMITERS, ENCODINGS, Dialect, DialectOptions
from api.imports.files.usage_file import UsageFile, open_file, shown
from api.imports.formulas.price_file import PriceFile
from api.imports.profiles import PROFILES, Profile, detect
from api.imports.rating import SEPARATOR, USAGE_COUNTS, Opening, OptionProblem, Options
from ledger.domain.commands import OnShortfall

_WORD = re.compile(r"`((?:[^`]|``)+)`|([^\W\d]\w*)")
_TEXT = re.compile(r"'[^']*'")
_IN_BRACES = re.compile(r"\{((?:`[^`]*`|[^`{}])*)\}")
_EXAMPLES = ("ceil((input_tokens + 4 * output_tokens) / 1000)", "ceil(input_tokens / 1000)")
"""Amounts for a file that lacks columns of the example of its profile."""
SHORTFALLS: tuple[OnShortfall, ...] = get_args(OnShortfall)
_NOT_COLUMNS = frozenset(
    {"row", "or", "lower", "upper", "replace", "lookup", "abs", "ceil", "floor", "round", "min", "max"}
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator says; None is left to the profile."""

    job: str
    profile: str | None = None
    account: str | None = None
    amount: str | None = None
    time: str | None = None
    task: str | None = None
    key: str | None = None
    usage: Mapping[str, str] = field(default_factory=dict)
    opening: Opening | None = None
    time_format: str | None = None
    time_zone: tzinfo | None = None
    dialect: DialectOptions = field(default_factory=DialectOptions)
    prices: PriceFile | None = None
    on_shortfall: OnShortfall = "reject"


class Recognised(NamedTuple):
    """What a file is: how it is written, its columns, and the profile that knows them, if one does."""

    dialect: Dialect
    columns: list[str]
    profile: Profile | None


def recognise(path: Path, dialect: DialectOptions) -> Recognised:
    """Look at the beginning of a file. Raises FileProblem."""
    with open_file(path) as opened:
        file = UsageFile(opened, dialect)
        return Recognised(file.dialect, file.columns, detect(file.columns))


def options_for(wishes: Wishes, found: Recognised) -> Options:
    """The options of an import of a file. Raises OptionProblem."""
    profile = None if wishes.profile is None else PROFILES.get(wishes.profile)
    if wishes.profile is not None and profile is None:
        raise OptionProblem(f"--from: there is no profile {wishes.profile!r}; there are {', '.join(PROFILES)}")
    if profile is not None:
        _check_columns(profile, found)
    account = wishes.account or (profile_account(profile, found.columns) if profile else None)
    if not account:
        columns = shown(found.columns)
        raise OptionProblem(
            f"--account is missing: name the column of the account, such as '{{user}}'; there are {columns}"
        )
    if wishes.amount is None:
        raise OptionProblem(_amount_missing(profile or found.profile, found.columns))
    return Options(
        wishes.job,
        account,
        wishes.amount,
        wishes.time or (profile.time if profile and profile.time in found.columns else None),
        wishes.task,
        {**(_usage(profile, found.columns) if profile else {}), **wishes.usage},
        wishes.opening,
        wishes.key or (_key(profile, found.columns) if profile else None),
        wishes.time_format,
        wishes.time_zone,
        wishes.dialect,
        wishes.prices,
        _names(profile, found.columns) if profile else {},
        wishes.on_shortfall,
        _key_columns(profile, found.columns) if profile and not wishes.key else (),
    )


def _check_columns(profile: Profile, found: Recognised) -> None:
    missing = [name for name in profile.signature if name not in found.columns]
    if missing:
        other = f"; it looks like --from {found.profile.name}" if found.profile else ""
        raise OptionProblem(
            f"--from {profile.name}: the file lacks the columns {shown(missing)} of that export{other}; "
            f"it has {shown(found.columns)}"
        )


def _amount_missing(profile: Profile | None, columns: Sequence[str]) -> str:
    if profile is None:
        return "--amount is missing: the credits of a row, such as 'ceil((Input + 3 * Output) / 100)'"
    names = ", ".join(names_in(profile, columns))
    example = example_of(profile, columns)
    return f"--amount is missing: the credits of a row, such as '{example}'; --from {profile.name} knows {names}"


def profile_account(profile: Profile, columns: Sequence[str]) -> str | None:
    """The template of the account: the first given value of the columns that can be it."""
    there = [_quoted(name) for name in profile.account if name in columns]
    return "{" + " or ".join(there[:1]) + "}" if there else None


def example_of(profile: Profile, columns: Sequence[str]) -> str:
    """An amount that makes sense for a file with these columns; if nothing was measured, one credit for each row."""
    known = {*columns, *_names(profile, columns)}
    return next((text for text in (profile.example, *_EXAMPLES) if _named(text) <= known), "1")


def _key(profile: Profile, columns: Sequence[str]) -> str:
    """The template of what makes a row itself."""
    if profile.key is not None:
        return "{" + _quoted(profile.key) + "}"
    parts = [f"{{{_quoted(name)}}}" for name in _key_columns(profile, columns)]
    return f"{profile.name}:" + SEPARATOR.join(parts)


def _key_columns(profile: Profile, columns: Sequence[str]) -> Sequence[str]:
    """The columns that make a row itself together; none if one column has its id."""
    return [name for name in columns if name and name not in profile.measures] if profile.key is None else []


def names_in(profile: Profile, columns: Sequence[str]) -> list[str]:
    """The names that formulas for a file with these columns can use beside them."""
    measured = set(profile.usage) & {"input_tokens", "output_tokens"} & set(columns)
    return sorted({*_names(profile, columns), *measured})


def _names(profile: Profile, columns: Sequence[str]) -> dict[str, str]:
    """The names of a profile, without formulas of columns that the file lacks."""
    made = {name: _without_missing(text, columns) for name, text in profile.names.items()}
    return {name: text for name, text in made.items() if text is not None}


def _usage(profile: Profile, columns: Sequence[str]) -> dict[str, str]:
    """The usage of a profile, without fields of columns that the file lacks."""
    names = {*columns, *_names(profile, columns)}
    return {name: text for name, text in profile.usage.items() if _words(name, text) <= names}


def _without_missing(text: str, columns: Sequence[str]) -> str | None:
    """A formula, or None if the file lacks all of its columns. In a sum, a part that it lacks is left out."""
    parts = text.split(" + ")
    there = [part for part in parts if _named(part) <= set(columns)]
    return " + ".join(there) or None


def _words(name: str, text: str) -> set[str]:
    """The columns that a template or formula of the usage names."""
    if name in USAGE_COUNTS:
        return _named(text)
    return {word for piece in _IN_BRACES.findall(text) for word in _named(piece)}


def _named(formula: str) -> set[str]:
    found = _WORD.findall(_TEXT.sub("", formula))
    return {quoted or plain for quoted, plain in found} - _NOT_COLUMNS


def _quoted(name: str) -> str:
    """A column as a formula names it."""
    if name.isidentifier() and not iskeyword(name) and name not in _NOT_COLUMNS:
        return name
    return "`" + name.replace("`", "``") + "`"


def dialect_of(encoding: str | None, delimiter: str | None, decimal: str | None) -> DialectOptions:
    """What the options say of the file. Raises OptionProblem."""
    if encoding is not None and encoding.lower() not in ENCODINGS:
        raise OptionProblem(f"--encoding: there is no {encoding!r}; there are {', '.join(ENCODINGS)}")
    sign = None if delimiter is None else DELIMITERS.get(delimiter, "\t" if delimiter == "\\t" else delimiter)
    if sign is not None and (len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in '"\r\n\0'):
        raise OptionProblem(f"--delimiter: {delimiter!r} must be {', '.join(DELIMITERS)}, or one sign")
    if decimal not in (None, ".", ","):
        raise OptionProblem(f"--decimal: {decimal!r} must be . or ,")
    return DialectOptions(encoding and encoding.lower(), sign, cast("Decimal | None", decimal))


def shortfall_of(name: str) -> OnShortfall:
    """What becomes of a row that costs more than is available. Raises OptionProblem."""
    if name not in SHORTFALLS:
        raise OptionProblem(f"--on-shortfall: {name!r} must be {' or '.join(SHORTFALLS)}")
    return name


def zone_of(name: str | None) -> tzinfo | None:
    """The time zone of a name. Raises OptionProblem."""
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise OptionProblem(f"--time-zone: there is no zone {name!r}; a zone is such as Europe/Berlin") from None
