"""`credit-ledger billing simulate` posts to a real service of HTTP, which verifies with the providers' libraries."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import pytest

from tests.billing.lives import SECRETS, SIMULATED, provider
from tests.commands import Finished, command


@dataclass
class Receiver:
    """What a service got, and what it answers next."""

    url: str
    got: list[tuple[str, Any]] = field(default_factory=list)
    status: int = 200
    answer: bytes = b'{"state": "applied", "duplicate": false}'


def check(name: str, headers: Any, body: bytes) -> None:
    """Raise an exception unless the provider's own library takes a delivery for genuine."""
    libraries = import_module("tests.billing.libraries")
    if name == "stripe":
        libraries.stripe_event(body, headers)
    elif name == "dodo":
        libraries.dodo_event(body, headers)
    else:  # it has no library
        provider(name).verify(headers, body, datetime.now(UTC))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Webhooks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.status
            try:
                check(self.path.rpartition("/")[2], self.headers, body)
            except ValueError:
                status = 401
            found.got.append((self.path, json.loads(body)))
            self.send_response(status)
            if status == 302:
                self.send_header("location", found.url)
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *args: Any) -> None:
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhooks) as server:
        found = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def simulate(where: Receiver, name: str, which: str, *options: str) -> Finished:
    asked = ["--provider", name, "--scenario", which, "--account", "ada", "--url", where.url]
    if "--secret" not in options:
        asked += ["--secret", SECRETS[name]]
    return command(None, "billing", "simulate", *asked, *options)


@pytest.mark.parametrize("name", SIMULATED)
def test_what_is_posted_is_genuine(receiver: Receiver, name: str) -> None:
    shown = simulate(receiver, name, "shuffle", "--seed", "7")
    assert shown.status == 0, shown.out
    assert {path for path, _ in receiver.got} == {f"/v1/webhooks/{name}"}
    *lines, total = shown.out.splitlines()
    assert len(lines) == len(receiver.got) > 20
    assert all(line.endswith("200  applied") for line in lines)
    assert total == f"{len(lines)} deliveries for ada (--seed 7), 0 refused"


def test_programs_read_json(receiver: Receiver) -> None:
    shown = simulate(receiver, "stripe", "topup", "--json")
    [delivery] = [json.loads(line) for line in shown.out.splitlines()]
    assert (delivery["type"], delivery["status"]) == ("checkout.session.completed", 200)
    assert delivery["answer"] == {"state": "applied", "duplicate": False}
    [(_, body)] = receiver.got
    assert (delivery["event_id"], body["data"]["object"]["client_reference_id"]) == (body["id"], "ada")
    assert body["livemode"] is True


def test_products_and_mode_can_be_told(receiver: Receiver) -> None:
    simulate(receiver, "stripe", "topup", "--package", "price_mine", "--test-mode")
    [(_, body)] = receiver.got
    assert body["data"]["object"]["metadata"]["price_id"] == "price_mine"
    assert (body["livemode"], body["data"]["object"]["livemode"]) == (False, False)
    simulate(receiver, "dodo", "upgrade", "--plan", "pdt_mine", "--better", "pdt_better")
    products = [body["data"]["product_id"] for _, body in receiver.got[1:] if "product_id" in body["data"]]
    assert set(products) == {"pdt_mine", "pdt_better"}


def test_a_wrong_secret_is_refused_and_said(receiver: Receiver) -> None:
    receiver.answer = b'{"code": "signature_invalid", "detail": "No signature fits."}'
    shown = simulate(receiver, "stripe", "subscribe", "--secret", "another")
    assert shown.status == 1
    assert "401  signature_invalid, No signature fits." in shown.out
    assert "4 refused" in shown.out


def test_a_duplicate_is_said(receiver: Receiver) -> None:
    receiver.answer = b'{"state": "applied", "duplicate": true}'
    assert "200  duplicate, applied" in simulate(receiver, "lemonsqueezy", "topup").out


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]"])
def test_an_answer_that_is_no_json_is_its_status(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    first = simulate(receiver, "lemonsqueezy", "topup").out.splitlines()[0]
    assert first == f"{'order_created':42} 200"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """As no provider follows one: the operator should see it."""
    receiver.status = 302
    shown = simulate(receiver, "lemonsqueezy", "topup")
    assert (shown.status, len(receiver.got)) == (1, 1)
    assert " 302" in shown.out


def test_nobody_there(receiver: Receiver) -> None:
    nobody = Receiver("http://127.0.0.1:1")
    shown = simulate(nobody, "stripe", "topup")
    assert shown.status == 1
    assert "http://127.0.0.1:1/v1/webhooks/stripe does not answer" in shown.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "file:///etc/passwd"], "http:// or https://"),
        (["--secret", " "], "a webhook secret is empty"),
        (["--provider", "paypal"], "choose from dodo, lemonsqueezy, stripe"),
        (["--scenario", "win"], "choose from subscribe, renew"),
        (["--seed", "0"], "--seed"),
    ],
)
def test_a_slip_is_said(receiver: Receiver, options: list[str], said: str) -> None:
    shown = simulate(receiver, "stripe", "topup", *options)
    assert shown.status == 2
    assert said in " ".join(shown.err.replace("│", " ").split())
    assert receiver.got == []


def test_without_a_secret_it_says_which_setting_has_one(receiver: Receiver) -> None:
    asked = ["--provider", "stripe", "--scenario", "topup", "--account", "ada", "--url", receiver.url]
    shown = command(None, "billing", "simulate", *asked)
    assert shown.status == 2
    assert "CREDIT_LEDGER_STRIPE_WEBHOOK_SECRET" in shown.err


def test_the_secret_and_the_address_are_those_of_the_settings(receiver: Receiver) -> None:
    settings = {
        "CREDIT_LEDGER_STRIPE_WEBHOOK_SECRET": f"{SECRETS['stripe']}, whsec_old",
        "CREDIT_LEDGER_PORT": receiver.url.rpartition(":")[2],
    }
    asked = ["--provider", "stripe", "--scenario", "topup", "--account", "ada"]
    assert command(None, "billing", "simulate", *asked, settings=settings).status == 0
    assert len(receiver.got) == 1


def test_the_mode_is_that_of_the_settings(receiver: Receiver) -> None:
    asked = ["--provider", "stripe", "--scenario", "topup", "--account", "ada", "--url", receiver.url]
    asked += ["--secret", SECRETS["stripe"]]
    command(None, "billing", "simulate", *asked, settings={"CREDIT_LEDGER_STRIPE_MODE": "test"})
    [(_, body)] = receiver.got
    assert body["livemode"] is False
