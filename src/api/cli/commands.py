"""The commands: the module of each, and what it is for.

The list that `--help` and a shell's completion show is made of this table: to import all modules for it would take
seconds. A call imports the module of its command alone.
"""

from typing import NamedTuple


class ListedCommand(NamedTuple):
    """A command as lists show it. `summary` is the first paragraph of its own help."""

    module: str
    summary: str


COMMANDS = {
    "serve": ListedCommand("api.cli.serve", "Serve the HTTP API and the dashboard."),
    "demo": ListedCommand("api.cli.demo", "Serve an invented company with weeks of history; the first start makes it."),
    "settings": ListedCommand(
        "api.cli.settings", "Show which settings are in force, and where each comes from. Secrets are not shown."
    ),
    "doctor": ListedCommand(
        "api.cli.doctor",
        "Say what is wrong with the installation, and what to do. Exit status 0: nothing is, 1: something is.",
    ),
    "migrate": ListedCommand(
        "api.cli.migrate",
        "Bring the database to the version of this program, and set up the role of the service.",
    ),
    "move": ListedCommand("api.cli.move", "Carry the embedded ledger to a PostgreSQL server. Stop the service first."),
    "keys": ListedCommand("api.cli.keys", "API keys: create, list, revoke, scopes."),
    "import": ListedCommand(
        "api.cli.import_usage",
        "Deduct the credits of each row of a CSV file of usage. It can be stopped at any moment and run again.",
    ),
    "grant": ListedCommand(
        "api.cli.grant",
        "Grant credits to many accounts. It can be stopped at any moment and run again: nobody gets them twice.",
    ),
    "catalog": ListedCommand("api.cli.catalog", "Plans and packages: show, diff, apply."),
    "prices": ListedCommand("api.cli.prices", "The price book: show, diff, publish, draft, what-if."),
    "check": ListedCommand(
        "api.cli.check",
        "Compare the projections with the events. Exit status 0: no difference, 1: differences, 3: not checked.",
    ),
    "rebuild": ListedCommand(
        "api.cli.rebuild",
        "Build projections anew while they are in use. It can be stopped at any moment and run again.",
    ),
    "checkpoints": ListedCommand("api.cli.checkpoints", "Signed checkpoints: list, sign, key, rotate-key, abandon."),
    "verify": ListedCommand("api.cli.verify", "Check that nothing was changed, removed or added."),
    "replay": ListedCommand(
        "api.cli.replay",
        "Replay an account event by event: which lots each event drew, why in that order, the balances around it.",
    ),
    "statement": ListedCommand(
        "api.cli.statement",
        "Make a signed statement of an account. Anybody can verify it without this ledger.",
    ),
    "export": ListedCommand(
        "api.cli.export",
        "Write the log as it is stored, a table of entries, journals for plain-text accounting, or revenue.",
    ),
    "import-log": ListedCommand(
        "api.cli.import_log",
        "Copy an exported log into an empty ledger, with the same positions and hashes. A second run continues.",
    ),
    "erase": ListedCommand(
        "api.cli.erase",
        "Destroy the keys of the accounts' texts. Credits, history and proofs do not change.",
    ),
    "billing": ListedCommand(
        "api.cli.billing",
        "Webhooks of payment providers: status, webhooks, retry, reconcile, simulate.",
    ),
}
