"""The page about prices does what it says: its commands, its requests, and its programs, run as they stand there."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.prices.files import read_book
from tests.api.stage import Json
from tests.clients.programs import by_npm
from tests.clients.typescript import compiled_program
from tests.commands import command
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, Service, service_here

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "prices.md").read_text()
BOOK = read_book(DOCS / "prices.toml")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the account of the quick start, in whose database the commands of the page are run."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        for line in lines_of("credit-ledger"):
            _, *words = line.partition(" > ")[0].split()
            done = command(conninfo, *(ROOT / word if word.endswith(".toml") else word for word in words))
            assert done.status == 0, done.err
        with service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
            quick_start(running)
            yield running


def lines_of(program: str) -> list[str]:
    """The lines of the page that run a program, in their order."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(program)]


def quick_start(shop: Service) -> None:
    """The account of the quick start, as it is at the end of it."""
    shop.post("/v1/accounts", {"account_id": "ada"})
    shop.post("/v1/accounts/ada/grants", {"kind": "subscription", "amount": 1_000, "transaction_id": "txn-1"})
    shop.post("/v1/accounts/ada/deductions", {"amount": 200, "task_id": "task-abc123"})


def asked(shop: Service, curl: str, **replaced: str) -> Any:
    for name, value in {"http://127.0.0.1:8000": shop.url, **replaced}.items():
        curl = curl.replace(name, value)
    environment = {"PATH": os.environ["PATH"], "KEY": ADMIN_KEY}
    local = curl.replace("curl -s", "curl -s --noproxy '*'")
    done = subprocess.run(["bash", "-c", local], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def ran(shop: Service, *program: str) -> Json:
    environment = {"PATH": os.environ["PATH"], "LEDGER_URL": shop.url, "LEDGER_KEY": ADMIN_KEY, "NO_PROXY": "*"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout.replace("'", '"').replace("True", "true"))
    return found


def test_an_estimate_is_held_and_captured_at_the_true_cost(shop: Service) -> None:
    estimate, hold, capture = (block for block in blocks("sh") if block.startswith("curl"))
    found = asked(shop, estimate)
    [example] = blocks("json")
    shown = json.loads(example)
    shown["balance"]["subscription_expire_at"] = found["balance"]["subscription_expire_at"]
    assert found == shown
    assert found["sha256"] == BOOK.digest.hex()
    held = asked(shop, hold)
    assert held["held"] == 12
    captured = asked(shop, capture, HOLD_ID=held["hold_id"])
    assert (captured["captured"], captured["price"]["exact"]) == (26, "25.8")


def test_the_program_in_python(shop: Service) -> None:
    [program] = blocks("python")
    done = ran(shop, str(ROOT / ".venv/bin/python"), "-c", program)
    assert (done["done"], done["cost"], done["price"]["exact"]) == (True, 11, "10.26")


@by_npm
def test_the_program_in_typescript(shop: Service, typescript_client: Path, tmp_path: Path) -> None:
    """It is compiled strictly, with the types of the client, and run by node."""
    [program] = blocks("typescript")
    done = ran(shop, "node", str(compiled_program(typescript_client, tmp_path, program)))
    assert (done["done"], done["cost"], done["price"]["exact"]) == (True, 11, "10.26")
    assert shop.get("/v1/accounts/ada/balance").json()["held"] == 0


def test_the_rates_on_the_page_are_those_of_the_file() -> None:
    file = (DOCS / "prices.toml").read_text()
    assert len(blocks("toml")) == 2
    assert [example for example in blocks("toml") if example.strip() not in file] == []
