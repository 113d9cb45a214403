"""The docs say what is true: every code, event, setting and word is there, links lead somewhere, the README works."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from api.cli.main import app
from api.contract.operations import OPERATIONS
from api.contract.problems import STATUSES
from ledger.store.records.codec import TOPICS
from tests.commands import command
from tests.service import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "benchmarks").rglob("*.md"))]


def headings(page: str) -> dict[str, str]:
    """The second-level sections of a page by their headings."""
    parts = re.split(r"^## (.+)\n", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_error_has_its_heading_and_status() -> None:
    found = headings("errors.md")
    assert list(found) == list(STATUSES)
    for code, text in found.items():
        assert f"**{STATUSES[code][0]}**" in text
        assert "*What to do:*" in text


def test_every_event_has_its_heading_and_fields() -> None:
    found = headings("events.md")
    assert list(found) == list(TOPICS)
    for topic, text in found.items():
        named = re.findall(r"`(\w+)`", text.partition("Fields:")[2])
        assert named == [f.name for f in fields(TOPICS[topic]) if f.name not in {"recorded_at", "balance"}]


@pytest.mark.parametrize("page", ["glossary.md", "api.md"])
def test_every_operation_is_in_the_glossary_and_among_the_commands(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert [name for name in OPERATIONS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_commands_and_their_options_exist() -> None:
    shown = {(page.name, *line) for page in PAGES for line in commands_shown(page.read_text())}
    assert len(shown) > 30
    assert sorted(line for line in shown if not _exists(line[1:])) == []


def commands_shown(page: str) -> list[tuple[str, ...]]:
    """The words of each `credit-ledger ...` in the blocks of a page."""
    text = "".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:\$ |\w+=\S+ )*credit-ledger (.+)$", text.replace("\\\n", " "), flags=re.MULTILINE)
    return [tuple(shlex.split(line, comments=True)) for line in lines]


def _exists(words: tuple[str, ...]) -> bool:
    """Whether there is a command that the first of these words name, with the options among the others."""
    found: Any = get_command(app)
    while words and words[0] in getattr(found, "commands", {}):
        found, words = found.commands[words[0]], words[1:]
    options = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    return not hasattr(found, "commands") and given <= options


API = (ROOT / "docs" / "api.md").read_text()
READING = (ROOT / "docs" / "reading.md").read_text()
EXPORTING = (ROOT / "docs" / "exporting.md").read_text()
PROOF = (ROOT / "docs" / "proof.md").read_text()
DASHBOARD = (ROOT / "docs" / "dashboard.md").read_text()
BILLING = (ROOT / "docs" / "billing.md").read_text()
CHECKOUTS = (ROOT / "docs" / "checkouts.md").read_text()
SUBSCRIPTIONS = (ROOT / "docs" / "subscriptions.md").read_text()
LIMITS = (ROOT / "docs" / "limits.md").read_text()
OPERATIONS_PAGE = (ROOT / "docs" / "operations.md").read_text()
RECEIPTS = (ROOT / "docs" / "receipts.md").read_text()
KEYS = (ROOT / "docs" / "keys.md").read_text()
TEAMS = (ROOT / "docs" / "teams.md").read_text()
REVENUE = (ROOT / "docs" / "revenue.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    """A page's code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_does_what_it_says(server_folder: Path) -> None:
    """Its own text is run: the start, the key that is printed, each curl; and its example is what comes out."""
    serve, key_lines, *curls = blocks("sh")
    port = str(free_port())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    environment |= {"CREDIT_LEDGER_DATA_DIR": str(server_folder), "CREDIT_LEDGER_PORT": port}
    log = server_folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {serve.strip()}"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        key = _printed_key(log, process)
        known = key_lines.replace("clk_...", key)
        assert _said(f"{known}credit-ledger --version").startswith("credit-ledger ")
        answers = [_run(known + curl.replace("8000", port)) for curl in curls]
        read = [_said(known + curl.replace("8000", port)) for curl in blocks("sh", READING)]
        commands, questions = blocks("sh", BILLING)[:2], blocks("sh", BILLING)[2:]
        sold = [_sold(block, known, port, environment, server_folder) for block in commands]
        changed = _changed_catalog(environment, server_folder)
        sold += [_sold(block, known, port, environment, server_folder) for block in questions]
        links = [_run(known + curl.replace("8000", port)) for curl in blocks("sh", DASHBOARD)]
        exported = [_in_a_folder(block, environment, server_folder) for block in blocks("sh", EXPORTING)]
        proven = [_in_a_folder(block, environment, server_folder) for block in blocks("sh", PROOF)]
        stated = _statement(environment, server_folder)
        bought = _bought(known, port)
        changes = [_once_known(known + curl.replace("8000", port)) for curl in blocks("sh", SUBSCRIPTIONS)]
        limited = [json.loads(_said(known + curl.replace("8000", port))) for curl in blocks("sh", LIMITS)]
        *alone, batch = [_run(known + curl.replace("8000", port)) for curl in blocks("sh", API)]
        verified, founded = _keys_and_teams(known, port)
        receipt = _receipt(known, port, environment, server_folder)
        deferred, *files = blocks("sh", REVENUE)
        earned = _once_known(known + deferred.replace("8000", port))
        written = [_in_a_folder(block, environment, server_folder) for block in files]
        kept = [block for block in blocks("sh", OPERATIONS_PAGE) if re.match("credit-ledger (rebuild|check) ", block)]
        checked = [_in_a_folder(block, environment, server_folder) for block in kept]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(180)
    example = json.loads(blocks("json")[0])
    assert _without_times(answers[2]) == _without_times(example)
    assert json.loads(read[1])["total"] == example["balance"]["total"] == 900
    assert not list(server_folder.glob("postgres/postmaster.pid"))
    assert [link.keys() for link in links] == [json.loads(blocks("json", DASHBOARD)[0]).keys()]
    assert _without_times(json.loads(read[0])) == _without_times(json.loads(blocks("json", READING)[0]))
    assert all("problem" not in answer for answer in read)
    assert "exported 4 events up to position 4 to events.jsonl\n" in exported
    assert "imported 4 events; the log ends at position 4\n" in exported
    assert proven[-1].startswith("the ledger: no fault found\n")
    assert "no fault found" in stated
    _check_sold(sold)
    [edited] = [block for block in blocks("console", BILLING) if "catalog diff" in block]
    assert changed.splitlines() == edited.splitlines()[1:]
    _check_bought(bought)
    _check_changes(changes)
    assert [limit["limit_id"] for limit in limited[1]["limits"]] == ["member-month", "burst", "queries"]
    assert [answer["version"] for answer in alone] == [2, 3, 4, 5]
    assert [result["status"] for result in batch["results"]] == [201, 201, 402]  # type: ignore[attr-defined]
    assert (verified["code"], verified["command"]["deducted"]) == ("valid", 3)
    assert (founded["slug"], founded["member_count"]) == ("engines", 1)
    assert "no fault found" in receipt
    assert earned["months"]
    assert len(written) == len(checked) == 2
    assert "0 differences" in checked[-1]
    [explained] = [json.loads(answer) for answer in read if answer.startswith("{") and '"sentence"' in answer]
    assert _without_times(explained) == _without_times(json.loads(blocks("json", READING)[-1]))


def _keys_and_teams(known: str, port: str) -> tuple[Any, Any]:
    """What verifying the key of an account says, and what founding a team does: for an account of their own."""
    (make, verify), (user, team) = blocks("sh", KEYS), blocks("sh", TEAMS)

    def said(curl: str, *filled: str) -> Any:
        for place in filled:
            what, _, value = place.partition("=")
            curl = curl.replace(what, value)
        return json.loads(_said(known + curl))

    here = ("8000=" + port, '"ada"="keyed"')
    said(blocks("sh")[2], *here)
    made = said(make, *here)
    founder = said(user, *here)
    return said(verify, *here, f"clu_...={made['key']}"), said(team, *here, f"usr_...={founder['id']}")


def _printed_key(log: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text()
        found = re.search(r"clk_\S+", text)
        if found and "Started worker" in text:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _said(command: str) -> str:
    """What a reader of the page sees; a stream is cut off after a moment."""
    done = subprocess.run(["bash", "-c", _local(command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "--max-time" in command, (command, done.returncode, done.stderr)
    assert done.stdout, command
    return done.stdout


def _in_a_folder(block: str, environment: Mapping[str, str], folder: Path) -> str:
    """What the commands of a block say, run one after the other in a folder of their own.

    Ours run in this process: each start of a new one would take a second or two.
    """
    if "hledger -f" in block and shutil.which("hledger") is None:
        return ""
    work = folder / "exports"
    work.mkdir(exist_ok=True)
    with chdir(work):
        return "".join(_one_command(line, environment) for line in block.splitlines())


def _one_command(line: str, environment: Mapping[str, str]) -> str:
    set_before, ours, words = line.partition("credit-ledger ")
    if not ours:
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            shlex.split(line), env={**environment, "PATH": path}, capture_output=True, text=True, check=True
        ).stdout
    settings = {name: value for name, value in environment.items() if name.startswith("CREDIT_LEDGER_")}
    settings |= dict(assigned.split("=", 1) for assigned in set_before.split())
    done = command(None, *shlex.split(words), settings=settings)
    assert done.status == 0, done.err
    return done.out


def _sold(block: str, known: str, port: str, environment: Mapping[str, str], folder: Path) -> str:
    """What the page about billing shows: commands run beside the sample of a catalogue, questions go to the service."""
    if block.startswith("curl"):
        return _said(known + block.replace("8000", port))
    sample = folder / "exports" / "docs" / "catalog.toml"
    sample.parent.mkdir(parents=True, exist_ok=True)
    sample.write_bytes((ROOT / "docs" / "catalog.toml").read_bytes())
    return _in_a_folder(block, environment, folder)


def _check_sold(shown: list[str]) -> None:
    compared, applied, put, asked = shown
    assert compared.endswith("6 new versions, 0 as before\n")
    assert applied.startswith(compared)
    assert "plan pro: Pro, version 1\n" in applied
    assert json.loads(put) == json.loads(blocks("json", BILLING)[0]) | _made(json.loads(put))
    assert json.loads(asked)["credits"] == 2_000
    sample = tomllib.loads((ROOT / "docs" / "catalog.toml").read_text())
    [example] = [tomllib.loads(block)["plans"] for block in blocks("toml", BILLING)]
    assert example == {"pro": sample["plans"]["pro"]}


def _changed_catalog(environment: Mapping[str, str], folder: Path) -> str:
    """What the page about billing shows of an edit: more credits for more money, with other products."""
    sample = (ROOT / "docs" / "catalog.toml").read_text()
    edits = {"= 2_000": "= 2_500", "= 19_00": "= 24_00", "= 190_00": "= 240_00", "pro_": "pro_2027_", '"4100': '"4400'}
    for before, after in edits.items():
        assert before in sample
        sample = sample.replace(before, after)
    (folder / "exports" / "docs" / "catalog.toml").write_text(sample)
    return _in_a_folder("credit-ledger catalog diff docs/catalog.toml", environment, folder)


def _bought(known: str, port: str) -> list[dict[str, object]]:
    """What the page about checkouts shows: its requests name the first checkout, whose id differs from run to run."""
    first, *more = blocks("sh", CHECKOUTS)
    made = _run(known + first.replace("8000", port))
    example = json.loads(blocks("json", CHECKOUTS)[0])
    ids = (str(example["checkout_id"]), str(made["checkout_id"]))
    return [made, *(_run(known + curl.replace("8000", port).replace(*ids)) for curl in more)]


def _check_bought(shown: list[dict[str, object]]) -> None:
    package, link, _, free, state = shown
    paid, had = (json.loads(block) for block in blocks("json", CHECKOUTS))
    assert _same_each_time(package) == _same_each_time(paid) == _same_each_time(state)
    assert str(link["url"]).endswith(str(package["checkout_id"]))
    assert _same_each_time(free) == _same_each_time(had)


def _receipt(known: str, port: str, environment: Mapping[str, str], folder: Path) -> str:
    """What the page about receipts shows: a payment, its receipt as soon as it can be read, and what verifies it."""
    pay, receive, verify = blocks("sh", RECEIPTS)
    paid = _run(known + pay.replace("8000", port))
    asked = receive.replace("8000", port).replace('receipt.pdf"', f'receipt.pdf?min_position={paid["position"]}"')
    moved = f"{known}cd {folder / 'exports'}\n"
    subprocess.run(["bash", "-c", moved + _local(asked)], cwd=ROOT, check=True)
    key, *_ = _in_a_folder("credit-ledger checkpoints key", environment, folder).split()
    command, _, _ = verify.partition("--key")
    assert "checkpoints key | cut" in verify
    return _in_a_folder(f"{command}--key {key}", environment, folder)


def _statement(environment: Mapping[str, str], folder: Path) -> str:
    """What the page about the proof shows: a statement of today, and what verifies it."""
    [block] = [one for one in blocks("text", PROOF) if one.startswith("credit-ledger statement")]
    key, *_ = _in_a_folder("credit-ledger checkpoints key", environment, folder).split()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert block.count("--key KEY") == 1
    return _in_a_folder(re.sub(r"\d{4}-\d\d-\d\d", today, block.replace("KEY", key)), environment, folder)


def _once_known(command: str) -> dict[str, object]:
    """The answer to a change as soon as the one before it is known to the ledger: until then it is refused."""
    deadline = time.monotonic() + 30
    while True:
        answer: dict[str, object] = json.loads(_said(command))
        if "code" not in answer:
            return answer
        assert time.monotonic() < deadline, answer


def _check_changes(shown: list[dict[str, object]]) -> None:
    _, trial, *changes, now = shown
    foreseen, *examples, known = (json.loads(block) for block in blocks("json", SUBSCRIPTIONS))
    assert trial["amount_minor"] == 0
    assert [_same_each_time(answer) for answer in changes] == [_same_each_time(example) for example in examples]
    assert foreseen.keys() == changes[0].keys()
    plans = tomllib.loads((ROOT / "docs" / "catalog.toml").read_text())["plans"]
    left, more = foreseen["time_left"], plans["max"]["credits"] - plans["pro"]["credits"]
    assert foreseen["credits_now"] == more * left["seconds"] // left["of_seconds"]
    assert now.keys() == known.keys()
    assert isinstance(now["subscription"], dict)
    assert now["subscription"].keys() == known["subscription"].keys()


_MADE = {"checkout_id", "subscription_id", "url", "reference", "time_left", "recorded", "at", "cancel_at", "state"}


def _same_each_time(answer: Mapping[str, object]) -> dict[str, object]:
    """An answer without ids and times, which differ from run to run; that they are there is compared too."""
    varies = _MADE | {name for name in answer if name.endswith("_at")}
    return {name: name in varies or value for name, value in answer.items()}


def _made(answer: Mapping[str, object]) -> dict[str, object]:
    """What differs from run to run in the answer about a package."""
    return {name: answer[name] for name in ("created_by", "created_at", "versions")}


def _local(command: str) -> str:
    return command.replace("curl -s", "curl -sS --noproxy '*'")


def _run(command: str) -> dict[str, object]:
    retried = command.replace("curl -s", "curl -sS --retry 30 --retry-connrefused --retry-delay 1 --noproxy '*'")
    done = subprocess.run(["bash", "-c", retried], cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    assert "code" not in answer, answer
    return answer


_TIMES = {"recorded_at", "expires_at", "subscription_expire_at", "as_of", "next_cursor"}
"""What differs from run to run."""


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMES}
    if isinstance(value, list):
        return [_without_times(part) for part in value]
    return value
