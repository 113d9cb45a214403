"""`credit-ledger verify`: what it judges, what it says, and with which status it ends."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url
from audit.export.bundle import EVENTS
from audit.verify.offline import Trusting, verify_path
from audit.verify.online import narrowed
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.lines import to_line
from ledger.proof.notes import SigningKey, VerifyingKey, sign, text_of
from ledger.proof.trusted_checkpoints import read_trusted_checkpoints
from ledger.proof.walk import Breach, Place, Walk
from ledger.service import Ledger
from ledger.store.records.chain import GENESIS, Record
from tests.postgres import TestServer, tampering
from tests.projections.busy import LIFE
from tests.proof.evidence import Silence, checkpoint_keys_of
from tests.proof.evidence import sign as sign_log
from tests.proof.verifying import ALL, FIRST, SIGNED, Scene, run, told
from tests.store.asking import open_account

THIRD = FIRST + 3
"""The position of the third event of the second busy account."""

# A ledger ----------------------------------------------------------------------------------------------------------


def test_a_ledger_that_holds(scene: Scene) -> None:
    evidence, _ = scene
    status, text = run(scene)
    assert status == 4
    assert text.startswith(
        "the ledger: no fault found, but the end is not signed\n"
        "  log of API keys: 0 entries verified, the last hash is 0000"
    )
    assert f"\n  {ALL} events of 5 accounts verified\n  2 checkpoints, " in text
    assert f"2 events after position {SIGNED}: chained, and not signed yet" in text
    assert "the key of this installation" in text
    report = told(scene, "--key", evidence.key.text)
    assert (report["status"], report["first"], report["keys_from"]) == ("unsigned", None, "given")
    assert (report["events"], report["accounts"], report["checkpoints"]) == (ALL, 5, 2)
    assert (report["signed_position"], report["unsigned_events"]) == (SIGNED, 2)
    assert report["keys"][0] == evidence.key.text


def test_one_account_of_a_ledger(scene: Scene) -> None:
    report = told(scene, "--account", "ada-0")
    assert (report["status"], report["events"], report["accounts"], report["checkpoints"]) == ("holds", LIFE, 1, 1)
    late = told(scene, "--account", "late")
    assert (late["status"], late["unsigned_events"]) == ("unsigned", 2)
    status, text = run(scene, "--account", "nobody")
    assert (status, text) == (3, "credit-ledger: there is no account 'nobody'\n")


def test_what_was_changed_is_named_and_is_the_status(scene: Scene) -> None:
    _, database = scene
    with _changed(database, f"UPDATE ledger.events SET subject = 'x' WHERE notification_id = {THIRD}"):
        status, text = run(scene)
        assert status == 1
        assert f"a fault was found\n  Position {THIRD}, account ada-1, version 3: the stored hash does not " in text
        first = told(scene)["first"]
        assert (first["what"], first["position"], first["account_id"], first["version"]) == ("hash", THIRD, "ada-1", 3)
        assert run(scene, "--account", "ada-1")[0] == 1
        assert run(scene, "--account", "ada-0")[0] == 0
    assert run(scene)[0] == 4


def test_a_snapshot_that_differs_from_the_events_is_named(scene: Scene) -> None:
    """The service does not believe it. Whoever can append events could have appended its proof too."""
    _, database = scene
    forged = f"""
    INSERT INTO ledger.snapshots (originator_id, originator_version, topic, state, hash)
    SELECT originator_id, {{}}, 'Account/3', '{{{{}}}}', hash FROM ledger.events WHERE notification_id = {THIRD}
    """
    with tampering(database) as connection:
        for version, problem in (
            (3, "the kept snapshot differs from what the events add up to"),
            (99, "there is no event"),
        ):
            connection.execute(forged.format(version).encode())
            status, text = run(scene)
            assert status == 1
            assert f"Account ada-1, version {version}: {problem}" in " ".join(text.split())
            assert told(scene, "--account", "ada-1")["first"]["what"] == "snapshot"
            assert run(scene, "--account", "ada-0")[0] == 0
            connection.execute("DELETE FROM ledger.snapshots")
    assert run(scene)[0] == 4


def test_what_stands_before_the_first_position_is_found(scene: Scene) -> None:
    """An event that no follower would ever see, and that its account is loaded from."""
    _, database = scene
    forged = """
    INSERT INTO ledger.events SELECT originator_id, 1000, topic, state, -5, NULL, NULL, NULL, NULL, hash
    FROM ledger.events WHERE notification_id = 1
    """
    with _changed(database, forged):
        first = told(scene)["first"]
        assert (first["what"], first["position"], first["found"]) == ("position", 1, -5)
        assert told(scene, "--account", "ada-0")["first"]["version"] == 1000


def test_an_older_latest_checkpoint_is_found(scene: Scene) -> None:
    folder = scene[0].checkpoint_keys.folder
    latest, newest = folder.path / "latest", (folder.path / "latest").read_bytes()
    latest.write_bytes(folder.all()[0].path.read_bytes())
    try:
        status, text = run(scene)
    finally:
        latest.write_bytes(newest)
    assert (status, f"latest: it is not the newest checkpoint; expected {SIGNED}, found {FIRST}" in text) == (1, True)


TEXT_KEYS = {
    "DELETE FROM ledger.text_keys WHERE account_id = 'ada-1'": "the key of its text is gone",
    "UPDATE ledger.text_keys SET key = sha256('mine') WHERE account_id = 'ada-1'": "does not open its text",
}


@pytest.mark.parametrize("harm", TEXT_KEYS)
def test_a_text_key_that_goes_without_an_erasure_is_found(scene: Scene, harm: str) -> None:
    _, database = scene
    with tampering(database) as connection:
        kept = connection.execute("SELECT account_id, key FROM ledger.text_keys").fetchall()
        connection.execute(harm.encode())
        first = told(scene)["first"]
        connection.execute("DELETE FROM ledger.text_keys")
        connection.cursor().executemany("INSERT INTO ledger.text_keys (account_id, key) VALUES (%s, %s)", kept)
    assert (first["what"], first["account_id"]) == ("text", "ada-1")
    assert TEXT_KEYS[harm] in first["problem"]
    assert run(scene)[0] == 4


def test_a_range_that_differs_begins_after_the_stored_subtrees_that_agree(scene: Scene) -> None:
    """Only every eighth level is stored, so a log would need more events than a scene has: this asks the rule."""
    breach = Breach("root", Place(1, upto=10_319), "in this range the log differs")
    assert narrowed(breach, 10_240).place == Place(10_241, upto=10_319)
    assert narrowed(breach, 0).place == Place(1, upto=10_319)
    assert narrowed(breach, 512, 768).place == Place(513, upto=768)
    assert narrowed(breach, 10_496, 10_752).place == Place(1, upto=10_319)  # stored subtrees that contradict it


def test_a_log_without_a_checkpoint_is_not_called_proven(database: str, tmp_path: Path) -> None:
    environment = {"CREDIT_LEDGER_DATABASE_URL": as_url(database), "CREDIT_LEDGER_CHECKPOINT_DIR": str(tmp_path)}
    done = CliRunner().invoke(app, ["verify"], env=environment)
    assert (done.exit_code, "has no checkpoints of the ledger" in done.output) == (3, True)


def test_no_database_is_no_breach(server: TestServer, tmp_path: Path) -> None:
    with server.database() as gone:
        pass
    (tmp_path / "x").mkdir()
    done = CliRunner().invoke(app, ["verify"], env={"CREDIT_LEDGER_DATABASE_URL": as_url(gone)})
    assert done.exit_code == 3
    assert "the database cannot be reached" in done.output


@pytest.mark.parametrize("options", [["--key", "nonsense"], ["x.json", "--account", "ada-0"], ["--most"]])
def test_wrong_options(scene: Scene, options: list[str]) -> None:
    assert run(scene, *options)[0] == 2


@contextmanager
def _changed(database: str, statement: str) -> Iterator[None]:
    """Something is done to the events behind the service's back, and undone."""
    with tampering(database) as connection:
        connection.execute("CREATE TABLE kept AS TABLE ledger.events")
        connection.execute(statement.encode())
        try:
            yield
        finally:
            connection.execute("DELETE FROM ledger.events")
            connection.execute("INSERT INTO ledger.events TABLE kept")
            connection.execute("DROP TABLE kept")


# An export ---------------------------------------------------------------------------------------------------------


def test_an_auditor_has_neither_database_nor_settings(scene: Scene, tmp_path: Path) -> None:
    """A process of its own, without anything of this machine's but Python."""
    evidence, _ = scene
    for what in (evidence.bundle, evidence.statements[1]):
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", "verify", str(what), "--key", evidence.key.text],
            env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (4 if what is evidence.bundle else 0), done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_a_word_or_a_file(scene: Scene, tmp_path: Path) -> None:
    evidence, _ = scene
    file = tmp_path / "key"
    file.write_text(f"{evidence.key.text}\n")
    assert told(scene, str(evidence.bundle), "--key", str(file))["keys"][0] == evidence.key.text


def test_a_key_may_be_given_as_it_was_shown(scene: Scene, tmp_path: Path) -> None:
    """`checkpoints key` says behind each key what it is for, and shows the first one first."""
    evidence, _ = scene
    newer, file = evidence.checkpoint_keys.signing_key().verifying_key, tmp_path / "keys"
    lines = [f"{key.text}  checkpoints of 0 events and more" for key in (evidence.key, newer)]
    file.write_text("\n".join(lines))
    for given in (lines[0], str(file)):
        assert told(scene, str(evidence.bundle), "--key", given)["keys"] == [evidence.key.text, newer.text]


def test_whoever_trusts_the_newer_key_alone_judges_by_what_it_signed(scene: Scene) -> None:
    evidence, _ = scene
    newer = evidence.checkpoint_keys.signing_key().verifying_key
    report = told(scene, str(evidence.bundle), "--key", newer.text)
    assert (report["status"], report["keys"]) == ("unsigned", [newer.text])
    assert report["checkpoints"] == 2, "the new key signed the newest checkpoint of its time too"


def test_another_ledgers_key_proves_nothing(scene: Scene) -> None:
    evidence, _ = scene
    stranger = SigningKey.generate(evidence.key.name).verifying_key
    for what in (evidence.bundle, evidence.statements[0]):
        report = told(scene, str(what), "--key", stranger.text)
        assert report["status"] == "broken"
        assert "trusted" in report["first"]["problem"]


def test_the_key_in_a_bundle_is_one_of_the_ledgers(scene: Scene, bundle: Path) -> None:
    key = scene[0].key
    (bundle / "verifying-key.txt").write_text(f"{SigningKey.generate(key.name).verifying_key.text}\n")
    breach = verify_path(bundle, Trusting(None, [key]), Silence()).breach
    assert breach is not None
    assert breach.place.file == "verifying-key.txt"
    assert "\n  verifying-key.txt: it is not a key of this ledger" in run(scene, str(bundle), "--key", key.text)[1]


def test_what_was_signed_again_by_a_forger_fools_only_those_who_trust_the_machine(scene: Scene, bundle: Path) -> None:
    """Log, hashes and checkpoints are all made anew with another key: nothing but the auditor's own key can tell."""
    evidence, _ = scene
    folder = bundle / "checkpoints" / evidence.checkpoint_keys.folder.path.name
    forger = SigningKey.generate(evidence.key.name)
    shutil.rmtree(folder / "notices")
    for path in folder.iterdir():
        path.write_bytes(
            f"{forger.verifying_key.text}\n".encode()
            if path.name == "first-key"
            else sign(text_of(path.read_bytes()), [forger])
        )
    (bundle / "verifying-key.txt").write_text(f"{forger.verifying_key.text}\n")
    assert verify_path(bundle, Trusting(None, []), Silence()).breach is None
    assert verify_path(bundle, Trusting(None, [evidence.key]), Silence()).breach is not None


def test_checkpoints_that_somebody_kept_elsewhere_judge_a_log(scene: Scene, bundle: Path, tmp_path: Path) -> None:
    """The folder was emptied with the end of the log; a copy of it still knows."""
    evidence, _ = scene
    kept = shutil.copytree(evidence.exported, tmp_path / "kept")
    lines = (bundle / EVENTS).read_bytes().splitlines(keepends=True)
    (bundle / EVENTS).write_bytes(b"".join(lines[:55]))
    for path in (bundle / "checkpoints").glob(f"*/*{SIGNED}.checkpoint"):
        path.unlink()
        (path.parent / "latest").unlink()
    assert verify_path(bundle, Trusting(None, [evidence.key]), Silence()).breach is None, (
        "nobody who has only this can tell"
    )
    breach = verify_path(bundle, Trusting(kept, [evidence.key]), Silence()).breach
    assert breach is not None
    assert (breach.what, breach.place.position) == ("position", 56)


def test_a_bundle_without_its_checkpoints_is_not_called_proven(bundle: Path, scene: Scene) -> None:
    shutil.rmtree(bundle / "checkpoints")
    status, text = run(scene, str(bundle))
    assert status == 3
    assert "there is no folder of checkpoints" in text
    (bundle / EVENTS).unlink()
    assert "is not an export" in run(scene, str(bundle))[1]
    assert run(scene, str(bundle / "nothing"))[0] == 3


def test_a_log_alone_is_chained_and_that_is_what_is_said(scene: Scene, bundle: Path) -> None:
    status, text = run(scene, str(bundle / EVENTS))
    assert status == 3
    assert "There is no checkpoint for the log" in text
    assert f"{ALL} events: chained, and not signed yet" in text
    assert "no signature was verified" in text
    key = scene[0].key.text
    report = told(scene, str(bundle / EVENTS), "--checkpoints", str(bundle / "checkpoints"), "--key", key)
    assert (report["status"], report["checkpoints"]) == ("unsigned", 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b',"hash"', b', "hash"'), (b'"ada-0"', b'"\\u0061da-0"'), (b'"version":3', b'"version":3,"version":3')],
)
def test_an_event_has_one_spelling(scene: Scene, bundle: Path, old: bytes, new: bytes) -> None:
    """What means the same is not the same."""
    lines = (bundle / EVENTS).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(old, new, 1)
    (bundle / EVENTS).write_bytes(b"".join(lines))
    breach = verify_path(bundle, Trusting(None, [scene[0].key]), Silence()).breach
    assert breach is not None
    assert (breach.what, breach.place.position, breach.place.file) == ("line", 3, "events.jsonl, line 3")


def test_a_page_is_not_what_is_verified(scene: Scene, tmp_path: Path) -> None:
    page = tmp_path / "statement.html"
    page.write_text("<!doctype html>")
    assert "verify the JSON file" in run(scene, str(page))[1]


# The folder of checkpoints -----------------------------------------------------------------------------------------


def _breach_of(folder: Path, key: VerifyingKey) -> Breach:
    with pytest.raises(Breach) as caught:
        read_trusted_checkpoints(CheckpointFolder(folder.parent, folder.name), [key])
    return caught.value


def test_a_signature_that_nobody_can_check_is_found(scene: Scene, bundle: Path) -> None:
    """The checkpoint of the hand-over has two: one that is right must not hide one that is not."""
    evidence, _ = scene
    folder = bundle / "checkpoints" / evidence.checkpoint_keys.folder.path.name
    [both] = [path for path in sorted(folder.glob("*.checkpoint")) if path.read_bytes().count(b"\n") == 6]
    text = both.read_bytes()
    name = evidence.key.name.encode()
    for at in (text.rindex(name), text.index(name, len(name))):
        both.write_bytes(text[:at] + b"C" + text[at + 1 :])
        breach = _breach_of(folder, evidence.key)
        assert (breach.what, breach.place.file) == ("checkpoint", both.name)
    both.write_bytes(text + text.splitlines(keepends=True)[-1])
    assert "one signature twice" in _breach_of(folder, evidence.key).problem


def test_the_first_key_is_judged_too(scene: Scene, bundle: Path) -> None:
    evidence, _ = scene
    folder = bundle / "checkpoints" / evidence.checkpoint_keys.folder.path.name
    (folder / "first-key").write_text(f"{SigningKey.generate(evidence.key.name).verifying_key.text}\n")
    assert _breach_of(folder, evidence.key).place.file == "first-key"


def test_a_notice_from_before_the_trusted_key_is_judged_too(scene: Scene, bundle: Path) -> None:
    evidence, _ = scene
    folder = bundle / "checkpoints" / evidence.checkpoint_keys.folder.path.name
    notice = folder / "notices" / "000001.notice"
    text, newer = notice.read_bytes(), evidence.checkpoint_keys.signing_key().verifying_key
    for at in (text.index(b"at 2026") + 8, len(text) - 10):
        notice.write_bytes(text[:at] + (b"9" if text[at : at + 1] != b"9" else b"8") + text[at + 1 :])
        assert _breach_of(folder, newer).place.file == "notice 1"
    notice.write_bytes(text)
    notice.rename(folder / "notices" / "000002.notice")
    assert "notice 1 is missing" in _breach_of(folder, newer).problem


def test_a_checkpoint_has_the_name_of_its_size(scene: Scene, bundle: Path) -> None:
    evidence, _ = scene
    folder = bundle / "checkpoints" / evidence.checkpoint_keys.folder.path.name
    older, newer = sorted(folder.glob("*.checkpoint"))
    (folder / "latest").unlink()
    shutil.copy(older, newer)
    assert _breach_of(folder, evidence.key).place.file == newer.name


# Forsaken checkpoints ----------------------------------------------------------------------------------------------


async def test_checkpoints_that_were_abandoned_do_not_count(ledger: Ledger, tmp_path: Path) -> None:
    """An older backup was restored on purpose: an auditor finds the notice, and verify finds no fault."""
    checkpoint_keys = await checkpoint_keys_of(ledger, tmp_path)
    await open_account(ledger, "ada", permanent=5)
    await sign_log(ledger, checkpoint_keys)
    await open_account(ledger, "bob", permanent=5)
    async with ledger.log.reader() as reader:
        records = await reader.records(0, 100, 100)
    await sign_log(ledger, checkpoint_keys)
    log = tmp_path / "events.jsonl"
    log.write_bytes(b"".join(map(to_line, records[:2])))
    first = checkpoint_keys.folder.first_key()
    assert first is not None
    assert verify_path(log, Trusting(checkpoint_keys.folder.path, [first]), Silence()).breach is not None
    with checkpoint_keys.folder.locked():
        checkpoint_keys.abandon(checkpoint_keys.folder.all()[1:], 2, "restored", datetime(2026, 1, 1, tzinfo=UTC))
    assert verify_path(log, Trusting(checkpoint_keys.folder.path, [first]), Silence()).breach is None
    [abandoned] = checkpoint_keys.folder.path.glob("forsaken/*/*.checkpoint")
    shutil.copy(abandoned, abandoned.with_name("0000000000000000009.checkpoint"))
    abandoned.write_bytes(abandoned.read_bytes().replace(b"\n4\n", b"\n5\n"))
    breach = verify_path(log, Trusting(checkpoint_keys.folder.path, [first]), Silence()).breach
    assert breach is not None
    assert breach.place.file == f"forsaken/000001/{abandoned.name}"


# What the chain does not say ---------------------------------------------------------------------------------------


def judged(records: list[Record]) -> Breach:
    with pytest.raises(Breach) as caught:
        Walk().take(records)
    return caught.value


def chained(*records: Record) -> list[Record]:
    """With the hashes that these records come to."""
    result: list[Record] = []
    for record in records:
        result.append(record._replace(hash=record.link(result[-1].hash if result else GENESIS)))
    return result


def test_what_is_chained_and_makes_no_sense_is_found(scene: Scene) -> None:
    """Hashes bind what was written; these say that it was not this program that wrote it."""
    evidence, _ = scene
    one, two, three = evidence.records[:3]
    spaced = two.state.replace(b'{"data":', b'{"data": ', 1)
    earlier = three.state.replace(b'"recorded_at":"2026', b'"recorded_at":"2025')
    cases = {
        "state": [one, two._replace(state=spaced)],
        "time": [one, two, three._replace(state=earlier)],
        "receipt": [one, two._replace(receipt="op:other")],
    }
    for what, records in cases.items():
        breach = judged(chained(*records))
        assert (breach.what, breach.place.position) == (what, len(records)), breach
    for field in ({"command_events": 3}, {"command_events": 0}, {"fingerprint": None}):
        assert judged(chained(one, two._replace(**field))).what == "receipt"
    assert judged(chained(one._replace(topic="Nothing"))).what == "state"
    assert judged(chained(one, two._replace(state=b"\xff"))).what == "state"


def test_what_a_terminal_would_obey_is_not_printed(scene: Scene) -> None:
    evidence, _ = scene
    strange = evidence.records[0]._replace(account_id="\x1b[31mada")
    assert "\x1b" not in str(judged([strange]))
