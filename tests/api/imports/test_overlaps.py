"""Files that overlap: a row with a key is charged once, and rows without one are told of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.store.records.sealing import unseal
from tests.api.imports.importer import Importer
from tests.commands import command

DAY_1 = "generation_id,created_at,tokens_prompt,user\ngen-b,2026-11-02 09:15:03,1000,bob\ngen-a,2026-11-02,1000,ada\n"
DAY_2 = DAY_1.replace("\n", "\ngen-c,2026-11-03 10:00:00,1000,cyd\n", 1)
"""The same rows again with a new one before them: programs put the newest first."""
OPTIONS = ["--account", "{user}", "--amount", "ceil(tokens_prompt / 1000)", "--open-permanent", "10"]


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    for name, content in (("day_1.csv", DAY_1), ("day_2.csv", DAY_2)):
        (tmp_path / name).write_text(content)
    return [tmp_path / "day_1.csv", tmp_path / "day_2.csv"]


def spent(importer: Importer) -> dict[str, int]:
    return {account: credits for (account, _), credits in importer.draws().items()}


@pytest.mark.parametrize("options", [["--key", "{generation_id}"], ["--from", "openrouter"]])
def test_rows_with_a_key_are_charged_once(importer: Importer, days: list[Path], options: list[str]) -> None:
    first = importer.run(days[0], *OPTIONS, *options)
    second = importer.run(days[1], *OPTIONS, *options, "--json")
    assert (first.status, second.status) == (0, 0)
    assert (second.report["deducted"], second.report["replayed"]) == (1, 2)
    assert spent(importer) == {"ada": 1, "bob": 1, "cyd": 1}
    assert second.report["warnings"] == [
        "2 rows are also in the job 'day_1.csv', which has recorded them: they are not charged again if they have the "
        "same key."
    ]


def test_rows_without_a_key_are_charged_again_and_that_is_told_before(importer: Importer, days: list[Path]) -> None:
    asked = importer.ask(days[0], *OPTIONS)
    assert asked.status == 2
    assert "Each row is known by the job 'day_1.csv' and its number in the file." in asked.err
    assert "--key names a column that makes a row itself." in asked.err

    assert importer.run(days[0], *OPTIONS).err == ""
    warning = "2 rows are also in the job 'day_1.csv', which has recorded them: they will be charged again."
    assert f"Warning: {warning}" in importer.ask(days[1], *OPTIONS).err
    assert spent(importer) == {"ada": 1, "bob": 1}
    second = importer.run(days[1], *OPTIONS)
    assert (second.status, second.err) == (0, f"credit-ledger: {warning}\n")
    assert spent(importer) == {"ada": 2, "bob": 2, "cyd": 1}


def test_the_same_job_again_is_no_repetition(importer: Importer, days: list[Path]) -> None:
    for _ in range(2):
        done = importer.run(days[0], *OPTIONS, "--json")
        assert (done.status, done.report["warnings"]) == (0, [])
    assert importer.rows("SELECT name, count(*) FROM imports.jobs JOIN imports.rows USING (job_id) GROUP BY 1") == [
        ("day_1.csv", 2)
    ]


def test_only_rows_that_were_recorded_are_remembered(importer: Importer, days: list[Path]) -> None:
    refused = importer.run(days[0], *OPTIONS[:4])
    assert refused.status == 1
    assert importer.rows("SELECT count(*) FROM imports.rows") == [(0,)]
    assert importer.run(days[1], *OPTIONS).err == ""


def test_another_dialect_is_the_same_row(importer: Importer, days: list[Path], tmp_path: Path) -> None:
    assert importer.run(days[0], *OPTIONS).status == 0
    excel = tmp_path / "excel.csv"
    excel.write_bytes(b"sep=;\r\n" + DAY_2.replace(",", ";").replace("\n", "\r\n").encode())
    assert "2 rows are also in the job 'day_1.csv'" in importer.run(excel, *OPTIONS).err


def test_rows_with_the_same_key_and_other_values_are_refused(importer: Importer, tmp_path: Path) -> None:
    """A day that was exported before it was over, for example."""
    path = tmp_path / "day.csv"
    path.write_text("generation_id,tokens_prompt,user\ngen-a,1000,ada\n")
    assert importer.run(path, *OPTIONS, "--key", "{generation_id}").status == 0
    path.write_text("generation_id,tokens_prompt,user\ngen-a,5000,ada\n")
    done = importer.run(path, *OPTIONS, "--key", "{generation_id}", "--json")
    assert done.status == 1
    assert done.report["refused_by_code"] == {"idempotency_key_reused": 1}
    assert spent(importer) == {"ada": 1}


def test_a_key_that_a_file_has_twice_is_told(importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("generation_id,tokens_prompt,user\ngen-a,1000,ada\ngen-a,1000,ada\n")
    done = importer.run(path, *OPTIONS, "--key", "{generation_id}")
    assert "1 row of this file has the key of an earlier row in it: what has one key is charged once." in done.err
    assert spent(importer) == {"ada": 1}


# The time of the usage.


def occurred(importer: Importer) -> dict[str, tuple[str | None, str]]:
    """When the usage of each task occurred, as the event says it and as its metadata does."""
    found = importer.rows(
        "SELECT account_id, key, data FROM ledger.event_log JOIN ledger.text_keys USING (account_id)"
        " WHERE type = 'CreditsDeducted'"
    )
    return {
        data["task_id"]: (data.get("occurred_at"), unseal(key, account, data["metadata"])["occurred_at"])
        for account, key, data in found
    }


def test_usage_is_recorded_as_of_its_time_within_bounds(importer: Importer, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    times = {"new": now - timedelta(hours=1), "days": now - timedelta(days=3), "old": now - timedelta(days=400)}
    path = tmp_path / "usage.csv"
    path.write_text("id,at\n" + "".join(f"{name},{int(at.timestamp())}\n" for name, at in times.items()))
    options = ["--account", "ada", "--amount", "1", "--key", "{id}", "--time", "at", "--open-permanent", "10"]
    assert "refuse none" in importer.ask(path, *options).err
    first = importer.run(path, *options, "--json").report
    assert (first["deducted"], first["undated"]) == (3, 1)
    text = {name: at.isoformat().replace("+00:00", "Z") for name, at in times.items()}
    found = occurred(importer)
    assert {name: metadata for name, (_, metadata) in found.items()} == text
    assert {name: event and event[:19] for name, (event, _) in found.items()} == {
        "new": text["new"][:19],
        "days": text["days"][:19],
        "old": None,
    }

    # The bounds move on with time, and a setting moves them: the rows stay the same.
    for days in ("1", "35", "3650"):
        settings = {"CREDIT_LEDGER_BACK_DATING_DAYS": days}
        done = command(importer.conninfo, "import", path, *options, "--yes", "--json", settings=settings)
        assert (done.status, done.report["replayed"], done.report["refused"]) == (0, 3, 0), days
        shown = command(importer.conninfo, "import", path, *options, settings=settings).err
        assert "Recorded already, and not charged again: 3 rows, 3 credits." in shown
    assert occurred(importer) == found


def test_usage_of_the_future_keeps_its_time_in_its_metadata(importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(f"at\n{datetime.now(UTC) + timedelta(days=2)}\n")
    done = importer.run(path, "--account", "ada", "--amount", "1", "--time", "at", "--open-permanent", "10", "--json")
    assert (done.report["deducted"], done.report["undated"]) == (1, 1)
