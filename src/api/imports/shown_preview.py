"""The preview of an uploaded file as JSON: it is kept with the file, and a page shows it."""

from typing import Any

from api.imports.checking import Checked
from api.imports.notes import keyed_by, left_out, line_of, warnings
from api.imports.preview import Trial
from api.imports.profiles import detect
from api.imports.rating import Options

_ROWS = 10
_ACCOUNTS = 20


def shown_preview(options: Options, checked: Checked, trial: Trial) -> dict[str, Any]:
    """What the page of a file shows of its preview."""
    tally, profile = checked.tally, detect(checked.columns)
    largest = sorted(checked.accounts.items(), key=lambda item: -item[1].credits)
    return {
        "job": options.job,
        "dialect": str(checked.dialect),
        "profile": profile.title if profile else None,
        "rows": tally.deducted,
        "credits": tally.credits_deducted,
        "free": tally.skipped,
        "bad": tally.bad,
        "left_out": left_out(checked.incidental, tally),
        "lines": [line_of(rated)._asdict() for rated in checked.first[:_ROWS]],
        "accounts": [
            {"account_id": name, "rows": rows, "credits": credits} for name, (rows, credits) in largest[:_ACCOUNTS]
        ],
        "account_count": len(largest),
        "more_accounts": checked.other_accounts.rows > 0,
        "problems": checked.problems,
        "keyed_by": keyed_by(options),
        "warnings": warnings(checked, options),
        "tried": trial.tried,
        "recorded_before": trial.recorded_before,
        "opened": trial.opened,
        "refused": dict(trial.refused.most_common()),
        "first_refused": [
            {"place": rated.row.place, "account_id": rated.account_id, "message": refusal.message}
            for rated, refusal in trial.first_refused
        ],
        "short": [one._asdict() for one in trial.short[:_ACCOUNTS]],
        "short_count": len(trial.short),
        "uncollected": [one._asdict() for one in trial.uncollected[:_ACCOUNTS]],
        "uncollected_accounts": len(trial.uncollected),
        "uncollected_credits": sum(one.uncollected for one in trial.uncollected),
    }
