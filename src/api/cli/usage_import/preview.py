"""The preview of `credit-ledger import` as text, and the question after it."""

import sys

import typer

from api.cli.errors import WRONG_OPTION, fail
from api.imports.checking import Checked
from api.imports.files.row import short
from api.imports.files.usage_file import shown
from api.imports.notes import keyed_by, left_out, line_of, warnings
from api.imports.preview import LISTED, Trial
from api.imports.profiles import detect
from api.imports.rating import Options
from api.imports.wishes import Recognised, example_of, profile_account
from ledger.explain.sentences import counted

_ROWS = 5
_ACCOUNTS = 10


def preview_text(name: str, options: Options, checked: Checked, trial: Trial | None) -> str:
    """What an import would do. Without a trial, the ledger was not asked."""
    tally = checked.tally
    profile = detect(checked.columns)
    known = f"; {profile.title}" if profile else ""
    lines = [
        f"{name}: {checked.dialect}{known}",
        f"  to deduct{tally.deducted:>12,} rows {tally.credits_deducted:>12,} credits",
        f"  to skip  {tally.skipped:>12,} rows {' ' * 20}  they cost 0 credits",
        *[f"  left out {text:>12}" for text in left_out(checked.incidental, tally)],
    ]
    return "\n".join([*lines, *details(options, checked, trial)])


def details(options: Options, checked: Checked, trial: Trial | None) -> list[str]:
    """The first rows, the totals of accounts, what would be refused, and what to look at."""
    return [
        *_first_rows(checked),
        *_accounts(checked),
        *_problems(checked),
        *(_trial(checked, trial) if trial else []),
        keyed_by(options),
        *[f"Warning: {text}" for text in warnings(checked, options)],
    ]


def detected(name: str, found: Recognised) -> str:
    """What a file is."""
    columns = f"  columns: {shown(found.columns)}"
    if found.profile is None:
        return f"{name}: no export that is known; {found.dialect}\n{columns}"
    profile = found.profile
    amount = example_of(profile, found.columns)
    if profile_account(profile, found.columns) is None:
        names = " or ".join(profile.account)
        return (
            f"{name}: {profile.title}; {found.dialect}\n{columns}\n"
            f"  it has no column of the account ({names}): say with --account whose usage it is\n"
            f"  import it with --from {profile.name} --account ACCOUNT --amount '{amount}'"
        )
    return (
        f"{name}: {profile.title}; {found.dialect}\n{columns}\n"
        f"  import it with --from {profile.name} --amount '{amount}'"
    )


def confirmed(rows: int) -> bool:
    """Ask whether to go on. Without a terminal nobody can answer. Raises SystemExit."""
    if not sys.stdin.isatty():
        fail("nothing is recorded: say --yes to record without a question, or --dry-run to look", WRONG_OPTION)
    return typer.confirm(f"Record {counted(rows, 'deduction')}?", err=True)


def _first_rows(checked: Checked) -> list[str]:
    lines = [line_of(rated) for rated in checked.first[:_ROWS]]
    if not lines:
        return []
    width = max(len(short(line.account_id)) for line in lines)
    return ["The first rows:"] + [
        f"  {line.place}: {short(line.account_id):{width}} {line.credits:>12,} credits  {line.facts}".rstrip()
        for line in lines
    ]


def _accounts(checked: Checked) -> list[str]:
    if not checked.accounts:
        return []
    largest = sorted(checked.accounts.items(), key=lambda item: -item[1].credits)[:_ACCOUNTS]
    width = max(len(short(name)) for name, _ in largest)
    lines = [f"  {short(name):{width}} {total.rows:>12,} rows {total.credits:>12,} credits" for name, total in largest]
    others = len(checked.accounts) - len(largest)
    count = counted(len(checked.accounts), "account")
    title = f"{'More than ' if checked.other_accounts.rows else ''}{count}:"
    return [title, *lines, *([f"  and {others:,} more"] if others else [])]


def _problems(checked: Checked) -> list[str]:
    return ["Rows that cannot be used:", *[f"  {text}" for text in checked.problems]] if checked.problems else []


def _uncollected(trial: Trial) -> list[str]:
    """What would be taken from accounts that cannot pay for all of their rows."""
    if not trial.uncollected:
        return []
    count, credits = len(trial.uncollected), sum(one.uncollected for one in trial.uncollected)
    lines = [f"From {counted(count, 'account')} what there is would be taken, and {credits:,} credits be uncollected:"]
    lines += [
        f"  {one.account_id!r}: {one.credits:,} credits, {one.uncollected:,} of them uncollected"
        for one in trial.uncollected[:LISTED]
    ]
    return [*lines, f"  and {count - LISTED:,} more"] if count > LISTED else lines


def _trial(checked: Checked, trial: Trial) -> list[str]:
    lines = []
    if trial.tried < checked.tally.deducted:
        lines.append(f"The first {trial.tried:,} rows were tried on the ledger:")
    if trial.recorded_before:
        rows = counted(trial.recorded_before, "row")
        lines.append(f"Recorded already, and not charged again: {rows}, {trial.credits_before:,} credits.")
    if trial.opened:
        lines.append(f"To open: {counted(trial.opened, 'account')}.")
    lines += _uncollected(trial)
    if not trial.refused and not trial.short:
        return [*lines, "The ledger would refuse none of them." if trial.tried else "There is nothing to deduct."]
    for code, count in trial.refused.most_common():
        lines.append(f"The ledger would refuse {counted(count, 'row')}, {code}:")
        for rated, refusal in trial.first_refused:
            if refusal.code == code:
                lines.append(f"  {rated.row.place}, account {rated.account_id!r}: {refusal.message}")
    if trial.short:
        lines.append(f"{counted(len(trial.short), 'account')} cannot pay for the whole file:")
    for one in trial.short[:LISTED]:
        has = "there is no such account" if one.available is None else f"{one.available:,} available"
        lines.append(f"  {one.account_id!r}: {one.rows:,} rows, {one.credits:,} credits; {has}")
    return lines
