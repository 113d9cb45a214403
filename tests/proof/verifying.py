"""`credit-ledger verify` on a ledger of the tests, in the process of the test."""

import json
from typing import Any

from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url
from tests.projections.busy import LIFE
from tests.proof.evidence import Evidence

Scene = tuple[Evidence, str]
FIRST = LIFE + 2
"""The events of the first checkpoint: a busy life and an account beside it."""
SIGNED = 2 * FIRST
ALL = SIGNED + 2
"""Those of the second one, and those of the whole log."""


def run(scene: Scene, *options: str) -> tuple[int, str]:
    """The command on the ledger of the scene."""
    evidence, database = scene
    environment = {
        "CREDIT_LEDGER_DATABASE_URL": as_url(database),
        "CREDIT_LEDGER_CHECKPOINT_DIR": str(evidence.checkpoint_keys.folder.path.parent),
    }
    done = CliRunner().invoke(app, ["verify", *options], env=environment)
    return done.exit_code, done.output


def told(scene: Scene, *options: str) -> Any:
    """The same as JSON."""
    return json.loads(run(scene, *options, "--json")[1])
