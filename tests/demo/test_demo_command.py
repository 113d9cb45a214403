"""`credit-ledger demo`: a real process, what it prints, what it leaves alone, and its traffic."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from random import Random

import httpx
import pytest
from typer.testing import CliRunner

from api.cli.demo import FOLDER, require_address_of_links
from api.cli.main import app
from api.demo.company import SHOWCASE_ACCOUNT, make_customers
from api.demo.folder import NotADemo, look, remove
from api.demo.traffic import TrafficPoster, next_deduction
from api.runtime.database import migrated
from api.runtime.listening.listen_address import ListenAddress, resolve
from api.runtime.settings import load_settings
from ledger.domain.commands import OpenAccount
from ledger.service import Ledger
from tests.service import ADMIN_KEY, PLAIN, Service, free_port, wait_for
from tests.store.asking import submission


@contextmanager
def running_demo(data_dir: Path, *options: str, public_url: str = "") -> Iterator[tuple[str, httpx.Client]]:
    """A small demo until the block ends: what it has printed when it serves, and a client with every right."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    environment |= {"CREDIT_LEDGER_DATA_DIR": str(data_dir), "CREDIT_LEDGER_ADMIN_KEY": ADMIN_KEY}
    environment["CREDIT_LEDGER_PUBLIC_URL"] = public_url
    environment["CREDIT_LEDGER_DRAIN_SECONDS"] = "0"
    command = [sys.executable, "-m", "api.cli", "demo", "--weeks", "2", "--accounts", "9", "--port", str(port)]
    log = data_dir / f"demo-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=subprocess.STDOUT)
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, verify=PLAIN
        ) as client:
            _wait(process, client, log)
            wait_for(lambda: "Operator link" in log.read_text())
            yield log.read_text(), client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def version(client: httpx.Client) -> int:
    found: int = client.get(f"/v1/accounts/{SHOWCASE_ACCOUNT}/balance").json()["version"]
    return found


def test_it_is_made_once_and_then_only_served(server_folder: Path) -> None:
    with running_demo(server_folder, "--still") as (said, client):
        assert re.search(r"^Made a company: [\d,]+ events of 2 weeks, 9 accounts", said, re.MULTILINE)
        assert re.search(r"^Portal link \(.*\): http://127.0.0.1:\d+/dashboard/portal/\S+$", said, re.MULTILINE)
        assert re.search(r"^Operator link \(.*\): http://127.0.0.1:\d+/dashboard/portal/\S+$", said, re.MULTILINE)
        link = re.search(r"^Portal link .*: (\S+)$", said, re.MULTILINE)
        assert link is not None
        opened = client.get(link[1], follow_redirects=True)
        assert "€" in client.get(f"{opened.url.path}/usage", headers={"Accept-Language": "en"}).text
        assert [plan["plan_id"] for plan in client.get("/v1/plans").json()["plans"]] == ["free", "pro", "max"]
        before = version(client)
    with running_demo(server_folder, public_url="https://product.example/demo/") as (said, client):
        assert "Made" not in said
        assert (
            len(re.findall(r"link \(.*\): https://product.example/demo/dashboard/portal/\S+$", said, re.MULTILINE)) == 2
        )
        assert before <= version(client) <= before + 1
        deadline = time.monotonic() + 60
        while version(client) == before and time.monotonic() < deadline:
            time.sleep(0.2)
        assert version(client) > before
        with pytest.raises(NotADemo, match="in use"):
            remove(server_folder / FOLDER)
    assert look(load_settings(data_dir=server_folder / FOLDER)) == "demo"
    remove(server_folder / FOLDER)
    assert look(load_settings(data_dir=server_folder / FOLDER)) == "nothing"


async def test_a_ledger_that_it_did_not_make_is_left_alone(server_folder: Path) -> None:
    settings = load_settings(data_dir=server_folder)
    with migrated(settings) as found:
        assert look(settings) == "nothing"
        async with Ledger(found.service).running() as ledger:
            await ledger.execute(submission(OpenAccount("somebody", 100), "open", "somebody"))
        with pytest.raises(NotADemo, match="has events that the demo did not make"):
            look(settings)


def test_files_that_it_did_not_make_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(NotADemo, match="has files that the demo did not make"):
        look(load_settings(data_dir=tmp_path))


def test_links_are_for_this_machine_or_the_public_address(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = ListenAddress("credits.internal", (ip_address("203.0.113.7"),), 8000)
    with pytest.raises(SystemExit):
        require_address_of_links(load_settings(), elsewhere)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("credit-ledger: CREDIT_LEDGER_PUBLIC_URL is not set")
    require_address_of_links(load_settings(public_url="https://credits.example"), elsewhere)
    require_address_of_links(load_settings(), resolve("0.0.0.0", 8000))


def test_another_database_is_refused_in_one_line() -> None:
    done = CliRunner().invoke(app, ["demo"], env={"CREDIT_LEDGER_DATABASE_URL": "postgresql:///somewhere"})
    assert done.exit_code == 1
    assert done.stderr == (
        "credit-ledger: CREDIT_LEDGER_DATABASE_URL is set, and the demo uses its own database: unset it\n"
    )


def test_the_showcase_account_deducts_and_buys_more_when_nothing_is_left(service: Service) -> None:
    [customer] = make_customers(Random(1), 1)
    poster = TrafficPoster(("127.0.0.1", service.port), ADMIN_KEY, customer, Random(1))
    service.post("/v1/accounts", {"account_id": SHOWCASE_ACCOUNT, "signup_credits": 0})
    assert [poster.step(), poster.step()] == [201, 201]
    events = service.get(f"/v1/accounts/{SHOWCASE_ACCOUNT}/events").json()["events"]
    assert [event["type"] for event in events] == [
        "AccountOpened",
        "PaymentRecorded",
        "CreditsGranted",
        "CreditsDeducted",
    ]


def test_the_traffic_is_cheap_enough_to_continue_for_hours() -> None:
    rng = Random(1)
    [customer] = make_customers(rng, 1)
    costs = [next_deduction(rng, customer)["amount"] for _ in range(500)]
    assert sum(costs) / len(costs) < 10
