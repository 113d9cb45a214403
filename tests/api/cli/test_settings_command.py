"""`credit-ledger settings`: what is in force, where it comes from, and no secret."""

import re
import subprocess
from pathlib import Path

from api.runtime.settings import Settings, variable
from tests.commands import command

PEOPLE = Path(__file__).parents[3] / "docs" / "people.md"


def test_every_setting_has_a_value_and_a_source(tmp_path: Path) -> None:
    config, key = tmp_path / "ledger.toml", tmp_path / "key"
    config.write_text(f"port = 9000\nworkers = 2\nadmin_key_file = '{key}'\n")
    key.write_text("s3cret")
    settings = {
        "CREDIT_LEDGER_CONFIG": str(config),
        "CREDIT_LEDGER_WORKERS": "3",
        "CREDIT_LEDGER_DATABASE_URL": "postgresql://u:s3cret@h/d",
    }
    done = command(None, "settings", "--json", settings=settings)
    found = {line["variable"]: (line["value"], line["secret"], line["source"]) for line in done.report}
    assert set(found) == {variable(name) for name in Settings.model_fields}
    assert found["CREDIT_LEDGER_PORT"] == ("9000", False, str(config))
    assert found["CREDIT_LEDGER_WORKERS"] == ("3", False, "environment")
    assert found["CREDIT_LEDGER_HOST"] == ("127.0.0.1", False, "default")
    assert found["CREDIT_LEDGER_ADMIN_KEY"] == (None, True, str(key))
    assert found["CREDIT_LEDGER_DATABASE_URL"] == (None, True, "environment")
    assert found["CREDIT_LEDGER_OWNER_URL"] == (None, True, "default")
    read = command(None, "settings", settings=settings)
    assert (read.status, read.err) == (0, "")
    cells = {line.split()[0]: line.split(None, 1)[1] for line in read.out.splitlines()}
    assert cells["CREDIT_LEDGER_ADMIN_KEY"].split() == ["(secret)", str(key)]
    assert cells["CREDIT_LEDGER_OWNER_URL"].split() == ["(not", "set)", "default"]
    assert cells["CREDIT_LEDGER_PORT"].split() == ["9000", str(config)]
    assert "s3cret" not in done.out + read.out


def test_a_setting_that_will_not_do_is_one_line() -> None:
    done = command(None, "settings", settings={"CREDIT_LEDGER_PORT": "x"})
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)


def test_the_exports_of_the_manual_are_settings(tmp_path: Path) -> None:
    """A shell runs those of the page about people, and the program takes what they export."""
    secret = tmp_path / "oidc"
    secret.write_text("s3cret\n")
    [block] = re.findall(r"^```sh\n(export CREDIT_LEDGER_OIDC.*?)^```", PEOPLE.read_text(), re.MULTILINE | re.DOTALL)
    script = block.replace("/run/secrets/oidc", str(secret)) + "env -0"
    shell = subprocess.run(["bash", "-ec", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    lines = shell.stdout.decode().split("\0")
    exported = dict(line.split("=", 1) for line in lines if line.startswith("CREDIT_LEDGER_"))
    assert len(exported) == block.count("export ")
    done = command(None, "settings", "--json", settings=exported)
    assert (done.status, done.err) == (0, "")
    found = {line["variable"]: line["value"] for line in done.report if line["source"] != "default"}
    assert found.pop("CREDIT_LEDGER_OIDC_CLIENT_SECRET") is None
    assert found == {name: value for name, value in exported.items() if not name.endswith("_FILE")}
