"""The guide does what it says: each of its steps is run as it stands there, in curl, in Python and in TypeScript.

Each language has an account of its own, and the same comes of it.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from tests.commands import command
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, Service, service_here, wait_for

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide.md").read_text()
ADDRESS = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code of a step; step 0 is what comes before the first."""

    step: int
    language: str
    code: str


def blocks(*languages: str) -> list[Block]:
    steps = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return [
        Block(step, language, code)
        for step, text in enumerate(steps)
        for language, code in _BLOCK.findall(text)
        if language in languages
    ]


class Reader:
    """Somebody who reads the guide, with an account of their own, and does what it says between the requests."""

    def __init__(self, shop: Service, account: str) -> None:
        self.shop, self.account = shop, account

    def own(self, code: str) -> str:
        """A block for the service of the test and this account."""
        return code.replace(ADDRESS, self.shop.url).replace("grace", self.account)

    def before(self, block: Block) -> None:
        """What a person does before they come to a block: they wait until the credits are there, and pay."""
        if block.step == 2 and "balance" in block.code:
            self.wait_for_credits(300)
        if block.step == 6 and not block.code.startswith("credit-ledger"):
            self.pay()
        if block.step == 7:
            self.wait_for_usage()

    def pay(self) -> None:
        """Run the command of step 6."""
        [simulate] = [block.code for block in blocks("sh") if "simulate" in block.code]
        self.run_command(simulate, "--url", self.shop.url)
        self.wait_for_credits(768)

    def run_command(self, code: str, *more: str | Path) -> str:
        _, *words = shlex.split(self.own(code))
        done = command(self.shop.conninfo, *words, *more)
        assert done.status == 0, done.err
        return done.out

    def wait_for_credits(self, credits: int) -> None:
        wait_for(lambda: self.shop.get(f"/v1/accounts/{self.account}/balance").json()["available"] == credits)

    def wait_for_usage(self) -> None:
        position = self.shop.get(f"/v1/accounts/{self.account}/balance").json()["position"]
        assert self.shop.get(f"/v1/accounts/{self.account}/history", min_position=position).status_code == 200


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as it is started on the page, with the catalogue that the page puts there."""
    start, key, catalog = (block.code for block in blocks("sh") if block.step == 0)
    setting, script = start.split()
    assert script == "scripts/serve"
    assert key in (ROOT / "README.md").read_text()
    server = servers.get("embedded")
    assert server is not None
    name, _, secret = setting.partition("=")
    with (
        server.database() as conninfo,
        service_here(conninfo, tmp_path_factory.mktemp("guide"), settings={name: secret}) as running,
    ):
        _, *words = catalog.split()
        done = command(conninfo, *(ROOT / word if word.endswith(".toml") else word for word in words))
        assert done.status == 0, done.err
        yield running


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", ADMIN_KEY)
    monkeypatch.setenv("NO_PROXY", "*")


def check_what_is_left(reader: Reader) -> None:
    """The same for each language: what the account has, what it used, and the statement that was written."""
    balance = reader.shop.get(f"/v1/accounts/{reader.account}/balance").json()
    assert (balance["available"], balance["held"], balance["subscription_credits"]) == (268, 0, 0)
    assert Path("statement.pdf").read_bytes().startswith(b"%PDF")


def check_prints(printed: dict[int, list[str]], account: str) -> None:
    """What a program printed in each step: what the text of the page says."""
    assert printed[1] == ["100"]
    state, balance = printed[2]
    assert state == "paid 14"
    assert re.fullmatch(r"300 credits; 200 of them until \S+", balance)
    assert printed[3] == ["32 credits taken, 268 left"]
    assert printed[4] == ["A video costs 500 credits. You have 268: 232 are missing."]
    [link] = printed[5]
    assert "/dashboard/portal/" in link
    assert printed[6] == ["168 credits of the plan and 332 permanent ones"]
    assert printed[7][:2] == ["video 500", "enhance 32"]


def curl(code: str) -> str:
    local = code.replace("curl -s", "curl -s --noproxy '*'")
    return subprocess.run(["bash", "-ec", local], capture_output=True, text=True, check=True).stdout


def test_the_steps_in_curl(shop: Service) -> None:
    reader = Reader(shop, "grace")
    said: dict[int, list[Any]] = {}
    for block in blocks("sh"):
        if block.step == 0:
            continue
        reader.before(block)
        if block.code.startswith("curl"):
            out = curl(reader.own(block.code))
            said.setdefault(block.step, []).append(json.loads(out) if out else None)
            assert block.step == 4 or '"code"' not in out, out
        elif "simulate" not in block.code:
            reader.run_command(block.code)
    assert said[1][0]["balance"]["available"] == 100
    assert (said[2][0]["state"], said[2][1]["available"]) == ("paid", 300)
    assert (said[3][0]["hold_id"], said[3][1]["deducted"], said[3][1]["balance"]["available"]) == ("hld_5", 32, 268)
    [example] = [json.loads(reader.own(block.code)) for block in blocks("json")]
    assert said[4] == [example]
    assert "/dashboard/portal/" in said[5][0]["url"]
    assert (said[6][0]["from_subscription"], said[6][0]["from_permanent"]) == (168, 332)
    [whole] = said[7][0]["buckets"]
    assert [(group["metric"], group["credits"]) for group in whole["groups"]] == [("video", 500), ("enhance", 32)]
    assert Path("revenue.csv").read_text().splitlines()[1].split(",")[1:3] == ["EUR", "600"]
    check_what_is_left(reader)


def test_the_steps_in_python(shop: Service) -> None:
    reader, names = Reader(shop, "ben"), dict[str, Any]()
    printed: dict[int, list[str]] = {}
    for block in blocks("python"):
        reader.before(block)
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(reader.own(block.code), f"step {block.step} of the guide", "exec"), names)
        printed.setdefault(block.step, []).extend(out.getvalue().splitlines())
    names["ledger"].close()
    check_prints(printed, "ben")
    check_what_is_left(reader)


PAUSE = """
console.log("next");
await new Promise((go) => process.stdin.once("data", go));
"""
"""Put before each block: the program goes on when the test has done what a reader does in between."""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_steps_in_typescript(shop: Service) -> None:
    """As older versions of Node run it: without the types, all of which are in the function of the first block."""
    reader, parts = Reader(shop, "cy"), blocks("typescript")
    parts[0] = parts[0]._replace(code=re.sub(r"\??: (string|object|Promise<any>)(?=[,) ])", "", parts[0].code))
    Path("guide.mjs").write_text("".join(PAUSE + reader.own(block.code) for block in parts) + 'console.log("next");')
    program = ["node", "guide.mjs"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        printed = _printed(running, parts, reader.before)
    assert running.returncode == 0
    check_prints(printed, "cy")
    check_what_is_left(reader)


def _printed(
    running: "subprocess.Popen[str]", parts: list[Block], before: Callable[[Block], None]
) -> dict[int, list[str]]:
    assert running.stdin is not None
    assert running.stdout is not None
    assert running.stdout.readline() == "next\n"
    printed: dict[int, list[str]] = {}
    for block in parts:
        before(block)
        running.stdin.write("\n")
        running.stdin.flush()
        printed.setdefault(block.step, []).extend(_lines_of_a_block(running.stdout))
    running.stdin.close()
    return printed


def _lines_of_a_block(out: IO[str]) -> Iterator[str]:
    for line in out:
        if line == "next\n":
            return
        yield line.rstrip("\n")
    raise AssertionError("the program ended early; pytest shows what it wrote to stderr")
