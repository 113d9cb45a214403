"""A hostile service role against every command, in one command: `python -m tests.hostile [--write]`.

The report is markdown on stdout. The exit status is 1 when the role got anything.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg.conninfo import make_conninfo

from api.runtime.embedded.lifetime import embedded_postgres
from tests.attack.report import put
from tests.hostile.playing import LOGIN, Played, a_ledger, play
from tests.postgres import quick_folder

SET_UPS = {1: "one login for owner and service", 2: "a login of its own for the service"}


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the report into docs/reliability.md")
    options = parser.parse_args()
    with quick_folder() as folder, embedded_postgres(folder) as whole:
        found = {logins: _played(whole, logins) for logins in SET_UPS}
    report = text(found)
    print(report)
    if options.write:
        put("hostile", report)
    sys.exit(any(played.won for played in found.values()))


def _played(whole: str, logins: int) -> Played:
    with a_ledger(whole, f"hostile_{logins}") as owner, TemporaryDirectory() as folder:
        used = owner if logins == 1 else make_conninfo(owner, user=LOGIN)
        return play(owner, used, Path(folder))


def text(found: dict[int, Played]) -> str:
    """The report as markdown."""
    lines = ["| set-up | statements | the server carried out | gained anything |", "|---|---|---|---|"]
    lines += [
        f"| {SET_UPS[logins]} | {played.tried:,} | {played.through:,} | {len(played.won)} |"
        for logins, played in found.items()
    ]
    return "\n".join([*lines, *(f"- {one}" for played in found.values() for one in played.won)])


if __name__ == "__main__":
    main()
