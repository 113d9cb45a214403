"""What an operator types into the form of an import, and the wishes that it means."""

import io
from collections.abc import Mapping

from api.imports.files.row import FileProblem
from api.imports.formulas.price_file import PriceFile, prices_of
from api.imports.rating import USAGE_COUNTS, USAGE_FLAGS, USAGE_NAMES, Opening, OptionProblem
from api.imports.wishes import Recognised, Wishes, dialect_of, profile_account, shortfall_of, zone_of
from ledger.domain.amounts import MAX_AMOUNT

OPENINGS = ("open_signup", "open_subscription", "open_permanent")
DIALECT = ("encoding", "delimiter", "decimal")
TEXTS = ("profile", "account", "amount", "key", "time", "time_format", "time_zone", "job", "prices", "on_shortfall")
USAGE = {f"usage_{name}": name for name in (*USAGE_NAMES, *USAGE_COUNTS, *USAGE_FLAGS)}
"""The fields of the usage, by the names of the form's fields."""
FIELDS = (*TEXTS, *DIALECT, *USAGE, *OPENINGS)
"""The names of the fields of the form."""


def wishes_of(form: Mapping[str, str], name: str) -> Wishes:
    """The wishes of a form for a file of some name. Raises OptionProblem."""
    given = {field: form.get(field, "").strip() or None for field in FIELDS}
    return Wishes(
        given["job"] or name,
        given["profile"],
        given["account"],
        given["amount"],
        given["time"],
        None,
        given["key"],
        {name: text for field, name in USAGE.items() if (text := given[field]) is not None},
        _opening({field: given[field] for field in OPENINGS}),
        given["time_format"],
        zone_of(given["time_zone"]),
        dialect_of(given["encoding"], given["delimiter"], given["decimal"]),
        _prices(given["prices"]),
        shortfall_of(given["on_shortfall"] or "reject"),
    )


def suggested(found: Recognised, name: str) -> dict[str, str]:
    """What the form has at first."""
    form = {"job": name}
    if found.profile is not None:
        form |= {"profile": found.profile.name, "account": profile_account(found.profile, found.columns) or ""}
    return form


def _opening(given: Mapping[str, str | None]) -> Opening | None:
    if not any(given.values()):
        return None
    numbers = []
    for field, text in given.items():
        if text is not None and not (text.isdecimal() and text.isascii() and len(text) < 17):
            raise OptionProblem(f"--{field.replace('_', '-')}: {text[:60]!r} must be a whole number up to {MAX_AMOUNT}")
        numbers.append(int(text or 0))
    return Opening(*numbers)


def _prices(text: str | None) -> PriceFile | None:
    if text is None:
        return None
    try:
        return prices_of(io.BytesIO(text.encode()))
    except FileProblem as problem:
        raise OptionProblem(f"--prices: {problem}") from None
