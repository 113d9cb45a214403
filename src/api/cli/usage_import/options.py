"""The options of `credit-ledger import`, and what their texts mean."""

from pathlib import Path
from typing import Annotated

import typer

from api.imports.files.dialect import DELIMITERS, ENCODINGS
from api.imports.profiles import PROFILES
from api.imports.rating import Opening, OptionProblem

File = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file. Its first line names the columns.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="PROFILE", help=f"What the file is, which says its columns: {', '.join(PROFILES)}."),
]
Account = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE", help="The account of a row: '{customer}' or 'user-{row % 500}'.", show_default=False
    ),
]
Amount = Annotated[
    str | None, typer.Option(metavar="FORMULA", help="The credits of a row: 'ceil((Input + 3 * Output) / 100)'.")
]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        help="What makes a row itself: '{generation_id}'. A row is charged once, whichever files bring it.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="The time of the usage; stored as `occurred_at` in the metadata."),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="How times are written: us, european, or a text such as '%d.%m.%Y %H:%M'."),
]
TimeZone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="The zone of times without one: Europe/Berlin. Default: UTC.")
]
Task = Annotated[
    str | None,
    typer.Option(metavar="TEMPLATE", help="The task id. Default: the key, or the job's name and the row's number."),
]
Job = Annotated[
    str | None, typer.Option(metavar="NAME", help="The job's name: one for each file. Default: the file's name.")
]
Usage = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=TEXT", help="A field of the usage: 'model={Model}', 'input_tokens=Input'. Can be repeated."
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A CSV file in which lookup(name, 'column') finds; its first column has names."),
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="SIGN", help=f"What stands between values: {', '.join(DELIMITERS)}, or a sign. Else found."),
]
Decimal = Annotated[str | None, typer.Option(metavar="SIGN", help="The decimal sign of numbers: . or ,. Else found.")]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"One of {', '.join(ENCODINGS)}. Else found by the file's mark.")
]
OpenSignup = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Open accounts that do not exist, with N signup credits.")
]
OpenSubscription = Annotated[int | None, typer.Option(min=0, metavar="N", help="The same with N subscription credits.")]
OpenPermanent = Annotated[int | None, typer.Option(min=0, metavar="N", help="The same with N permanent credits.")]
Detect = Annotated[bool, typer.Option("--detect", help="Say what the file is, and end.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compute the credits of all rows and record nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Record without a preview and its question.")]
SkipBad = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Leave rows out that cannot be used, and write them to FILE with the reasons."),
]
OnShortfall = Annotated[
    str,
    typer.Option(
        metavar="WHAT",
        help="When a row costs more than is available: reject it, or take what is `available` and record the rest as "
        "uncollected.",
    ),
]
StopOnRefusal = Annotated[
    bool, typer.Option("--stop-on-refusal", help="Stop at the first row that the ledger refuses.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def opening_of(signup: int | None, subscription: int | None, permanent: int | None) -> Opening | None:
    """The credits of an opening, if any of the options is given. An option that is not given is 0."""
    if signup is subscription is permanent is None:
        return None
    return Opening(signup or 0, subscription or 0, permanent or 0)


def usage_of(pairs: list[str]) -> dict[str, str]:
    """The fields of the usage with their templates and formulas. Raises OptionProblem."""
    usage: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise OptionProblem(f"--usage: {pair!r} must be FIELD=TEXT, such as 'model={{Model}}'")
        if name in usage:
            raise OptionProblem(f"--usage: {name} is given twice")
        usage[name] = text
    return usage
