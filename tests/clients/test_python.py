"""The client in Python, against a running service: what it does with answers, refusals, and answers that are lost."""

import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from clients.python.making import made
from credit_ledger_client import (
    AsyncLedger,
    Conflict,
    InsufficientCredits,
    Ledger,
    NoAnswer,
    NotAllowed,
    NotFound,
    Refused,
)
from credit_ledger_client._retries import may_repeat, passes, pause
from tests.api.stage import fresh
from tests.long_form import LONG
from tests.packaging.installing import ROOT, UV, bare, built, contents, files_of, run
from tests.service import ADMIN_KEY, PLAIN, Service


class LosesAnswers(httpx.HTTPTransport):
    """Sends each request, and loses the first answers."""

    def __init__(self, lost: int) -> None:
        super().__init__(verify=PLAIN)
        self.left = lost
        self.keys: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("idempotency-key", ""))
        answer = super().handle_request(request)
        if self.left:
            self.left -= 1
            answer.read()
            raise httpx.ReadError("the connection ended")
        return answer


@pytest.fixture
def ledger(serving: Service) -> Iterator[Ledger]:
    with Ledger(serving.url, ADMIN_KEY, http=httpx.Client(verify=PLAIN, trust_env=False)) as found:
        yield found


@pytest.fixture
def account(ledger: Ledger) -> str:
    name = fresh("org/client")
    ledger.open_account(account_id=name, signup_credits=500)
    return name


def losing(serving: Service, lost: int) -> tuple[Ledger, LosesAnswers]:
    way = LosesAnswers(lost)
    return Ledger(serving.url, ADMIN_KEY, http=httpx.Client(transport=way)), way


def test_what_is_made_is_made_of_what_is_there() -> None:
    assert [str(path) for path, text in made().items() if path.read_text() != text] == []


def test_a_hold_is_captured_and_its_rest_released_by_the_end_of_its_block(ledger: Ledger, account: str) -> None:
    spender = ledger.account(account)
    with spender.hold(200, task_id="a") as hold:
        part = hold.capture(50, final=False)
        hold.extend(7200)
    assert (part["captured"], part["balance"]["held"]) == (50, 150)
    with spender.hold(100) as hold:
        hold.capture(100)
    with pytest.raises(KeyError), spender.hold(30):
        raise KeyError
    assert (spender.balance()["total"], spender.balance()["held"]) == (350, 0)
    assert spender.deduction(part["deduction_id"])["hold_id"] == part["hold_id"]


def test_a_refusal_is_an_exception_with_its_numbers(ledger: Ledger, account: str, serving: Service) -> None:
    spender = ledger.account(account)
    with pytest.raises(InsufficientCredits) as refused:
        spender.deduct(501)
    assert (refused.value.required, refused.value.available, refused.value.shortfall) == (501, 500, 1)
    assert (refused.value.status, refused.value.ways_out) == (402, [])
    assert refused.value.request_id
    with pytest.raises(NotFound, match="account_not_found"):
        ledger.account(fresh()).balance()
    with spender.hold(1) as hold:
        hold.release()
    with pytest.raises(Conflict, match="hold_already_released"):
        hold.capture()
    with Ledger(serving.url, "no key", http=httpx.Client(verify=PLAIN)) as other, pytest.raises(NotAllowed):
        other.account(account).balance()


def test_a_lost_answer_is_asked_for_with_the_same_key(serving: Service, account: str) -> None:
    unlucky, way = losing(serving, 2)
    with unlucky:
        answer = unlucky.account(account).deduct(20)
    assert len(way.keys) == 3
    assert len(set(way.keys)) == 1
    assert way.keys[0]
    assert answer["balance"]["total"] == 480
    hopeless, way = losing(serving, 9)
    with hopeless, pytest.raises(NoAnswer):
        hopeless.account(account).deduct(20, key="mine")
    assert way.keys == ["mine"] * 5


def test_who_repeats_a_command_without_an_answer_has_its_key(serving: Service, ledger: Ledger, account: str) -> None:
    """A command is carried out once, also when its caller had no key and goes on after the last attempt."""
    hopeless, way = losing(serving, 0)
    with hopeless, hopeless.account(account).hold(100) as hold:
        way.left = 5
        with pytest.raises(NoAnswer) as lost:
            hold.capture(30, final=False)
        assert lost.value.key
        hold.capture(30, final=False, key=lost.value.key)
    assert (ledger.account(account).balance()["total"], ledger.account(account).balance()["held"]) == (470, 0)
    with pytest.raises(InsufficientCredits) as refused:
        ledger.account(account).deduct(501, key="mine")
    assert refused.value.key == "mine"


def test_the_end_of_a_block_hides_no_exception_of_it(serving: Service, ledger: Ledger, account: str) -> None:
    hopeless, way = losing(serving, 0)

    def work() -> None:
        with hopeless.account(account).hold(30):
            way.left = 5
            raise KeyError

    with hopeless, pytest.raises(KeyError) as raised:
        work()
    [note] = raised.value.__notes__
    assert re.match(r"The hold hld_\d+ was not released and ends by itself: POST /v1/accounts/", note)
    with ledger.account(account).hold(30) as hold:
        ledger.account(account).command(f"holds/{hold.placed['hold_id']}/captures", {})
    assert ledger.account(account).balance()["total"] == 470


def test_what_is_no_ledger_and_what_is_no_address_are_told(account: str) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>Sign in to this network")

    with (
        Ledger("http://x", ADMIN_KEY, http=httpx.Client(transport=httpx.MockTransport(page))) as elsewhere,
        pytest.raises(Refused, match=r"not_the_ledger.*Sign in"),
    ):
        elsewhere.account(account).deduct(1)
    with Ledger("127.0.0.1:8000", f"{ADMIN_KEY}\n") as nowhere:
        with pytest.raises(NoAnswer, match="protocol"):
            nowhere.account(account).balance()
        with pytest.raises(NoAnswer, match="protocol"):
            next(nowhere.events())


def test_a_command_gets_a_key_unless_its_own_body_has_one(serving: Service) -> None:
    ledger, way = losing(serving, 0)
    name = fresh()
    with ledger:
        ledger.open_account(account_id=name)
        with pytest.raises(Refused):
            ledger.command("/v1/checkouts", {"account_id": name, "plan": "none", "price": "none"})
        ledger.account(name).command("holds", {"amount": 1, "task_id": "task-1"})
        ledger.account(name).deduct(1, task_id="task-1")
    assert [bool(key) for key in way.keys] == [False, True, True, False]


def test_pages_are_one_after_the_other(ledger: Ledger, account: str) -> None:
    spender, position = ledger.account(account), None
    for number in range(7):
        position = spender.grant(kind="permanent", amount=number + 1, key=f"g{number}")["position"]
    found = [grant["amount"] for grant in spender.grants(limit=3, min_position=position)]
    assert found == [7, 6, 5, 4, 3, 2, 1, 500]
    assert account in {one["account_id"] for one in ledger.accounts(prefix=account)}


def test_what_an_answer_names_comes_with_it(ledger: Ledger, account: str) -> None:
    spender, name = ledger.account(account), f"pay {account}/1"
    with spender.hold(30) as hold:
        captured = hold.capture(10)
    deduction = spender.deduction(captured["deduction_id"], expand=["hold", "grants"])
    whole = deduction.get("hold")
    assert whole
    assert (whole["hold_id"], whole["captured"]) == (hold.placed["hold_id"], 10)
    assert [draw["grant"]["amount"] for draw in deduction["draws"]] == [500]
    [capture] = spender.read_hold(hold.placed["hold_id"], expand=["captures"])["captures"]
    assert capture["deducted"] == 10
    bought = spender.record_payment(
        payment_id=name,
        provider="bank",
        status="paid",
        amount_minor=100,
        currency="EUR",
        grant={"kind": "permanent", "amount": 7},
    )
    [listed] = spender.payments(expand=["subscription", "grants"], min_position=bought["position"])
    assert listed["subscription"] is None
    assert listed["grants"][0]["grant"]["payment_id"] == name
    assert spender.payment(name, provider="bank")["grants"][0]["amount"] == 7


def test_a_batch_says_what_became_of_each_command(ledger: Ledger, account: str) -> None:
    commands = [
        {"op": "deduct", "account_id": account, "amount": amount, "task_id": f"b{amount}"} for amount in (1, 900)
    ]
    done, refused = ledger.batch(commands)["results"]
    assert (done.get("op"), done["status"]) == ("deduct", 201)
    assert "code" in refused
    assert refused["code"] == "insufficient_credits"


def test_a_stream_goes_on_where_it_was(serving: Service, ledger: Ledger, account: str) -> None:
    spender = ledger.account(account)
    first = spender.deduct(1)["position"]
    assert first is not None
    for _ in range(3):
        spender.deduct(1)

    class Breaks(httpx.HTTPTransport):
        """Ends each connection after the first event."""

        opened = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.opened += 1
            answer = super().handle_request(request)

            def some() -> Iterator[bytes]:
                for piece in answer.iter_bytes():
                    yield piece
                    if b"data" in piece and b"Deducted" in piece:
                        return

            return httpx.Response(answer.status_code, headers=answer.headers, content=some())

    way = Breaks(verify=PLAIN)
    with Ledger(serving.url, ADMIN_KEY, http=httpx.Client(transport=way)) as broken:
        seen = list(islice(broken.account(account).events(after=first), 3))
    assert [one["version"] for one in seen] == [seen[0]["version"] + number for number in range(3)]
    assert seen[0]["position"] > first


async def test_the_same_without_waiting(serving: Service, account: str) -> None:
    async with AsyncLedger(serving.url, ADMIN_KEY, http=httpx.AsyncClient(verify=PLAIN)) as ledger:
        spender = ledger.account(account)
        async with spender.hold(200) as hold:
            await hold.capture(150)
        position = (await spender.deduct(5, task_id="t"))["position"]
        assert position is not None
        assert [hold["captured"] async for hold in spender.holds(min_position=position)] == [150]
        async for notice in spender.events(after=position - 1):
            assert notice["type"] == "CreditsDeducted"
            break
        with pytest.raises(InsufficientCredits):
            await spender.deduct(1_000)


def programs(page: Path) -> list[str]:
    """The programs that a page shows."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_its_wheel_is_made_and_does_what_its_page_says(serving: Service, ledger: Ledger, tmp_path: Path) -> None:
    """In the long form an environment of its own gets it from an index; else it is beside the packages of the tests."""
    wheel = built(ROOT / "clients" / "python", tmp_path / "wheel")
    metadata, files = contents(wheel)
    assert files == files_of(ROOT / "clients" / "python" / "src")
    assert "credit_ledger_client/py.typed" in files
    assert (metadata["Name"], metadata.get_all("Requires-Dist")) == ("credit-ledger-client", ["httpx>=0.28,<1"])
    environment = bare(tmp_path) | {"NO_PROXY": "127.0.0.1", "KEY": ADMIN_KEY}
    place, python = tmp_path / "installed", Path(sys.executable)
    if LONG:
        python = place / "bin" / "python"
        run(UV, "venv", "--quiet", place, environment=environment)
        run(UV, "pip", "install", "--quiet", "--python", place, wheel, environment=environment)
    else:
        alone = "--quiet", "--offline", "--no-deps", "--target"
        run(UV, "pip", "install", *alone, place, wheel, environment=environment)
        environment |= {"PYTHONPATH": str(place)}
    name = fresh("wheel")
    for program in programs(ROOT / "clients" / "python" / "README.md"):
        there = program.replace("http://127.0.0.1:8000", serving.url).replace('"mary"', repr(name))
        run(python, "-c", there, environment=environment, folder=tmp_path)
    balance = ledger.account(name).balance()
    assert (balance["total"], balance["held"]) == (500 - 30 - 150 - 15, 0)


def test_only_what_may_pass_is_repeated_and_never_at_once() -> None:
    assert passes("overloaded", safe=False)
    assert passes("unavailable", safe=True)
    assert not passes("unavailable", safe=False)
    assert not any(
        passes(code, safe=True) for code in ("insufficient_credits", "validation_failed", "public_url_required")
    )
    lost, never_sent = httpx.ReadError("lost"), httpx.ConnectError("never sent")
    assert [may_repeat(lost, safe=safe) for safe in (True, False)] == [True, False]
    assert may_repeat(never_sent, safe=False)
    assert 3 <= pause(1, {"retry-after": "3"}) <= 3.2
    assert len({pause(3, {}) for _ in range(9)}) == 9
