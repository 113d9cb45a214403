"""What is asked of payment providers and mail servers: spans below their cause, and no trace in what is sent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from api.runtime.telemetry.outgoing import with_client_spans
from api.runtime.telemetry.spans import Spans
from api.runtime.telemetry.telemetry import OFF
from billing.calls.access import Access
from billing.calls.calls import ProviderFailed
from billing.calls.dodo import DodoCalls
from billing.calls.http import Api
from billing.calls.known_calls import CALLED, INVOICED, calls_of, invoice_calls_of
from ledger.service import Ledger
from outbox.message import Outgoing
from outbox.sending import Refused
from outbox.smtp import Smtp
from outbox.smtp_server import SmtpServer
from people.oidc.provider import Provider
from people.oidc.signing_in import ProviderSignIn
from people.oidc.words import Client, NotVouchedFor, ProviderAway
from tests.billing.calls.provider_server import ProviderServer, Raw, provider_server
from tests.outbox.smtp_servers import smtp_server
from tests.people.oidc.forger import CLIENT, REDIRECT, SECRET, forging

KEY = "sk_test_s3cret"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Recorded:
    """Makes spans, below one that is the cause of all, and keeps them."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.spans = Spans(provider.get_tracer("tests"), accounts=True)
        self.cause = self.spans.start("cause", Context())

    def made(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended since the last time."""
        found = self._kept.get_finished_spans()
        self._kept.clear()
        return found

    def is_cause_of(self, span: ReadableSpan) -> bool:
        """Whether a span is directly below the cause, and of another server."""
        context = self.cause.get_span_context()
        return (
            span.kind is SpanKind.CLIENT
            and span.parent is not None
            and (span.parent.trace_id, span.parent.span_id) == (context.trace_id, context.span_id)
        )


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    found = Recorded()
    token = attach(set_span_in_context(found.cause, Context()))
    yield found
    detach(token)


@pytest.fixture
def remote() -> Iterator[ProviderServer]:
    with provider_server() as running:
        yield running


def mail(recipient: str) -> Outgoing:
    text = f"Open https://ledger.example/reset#s3cret, {recipient}"
    return Outgoing(1, "cause", "reset", recipient, "Reset", text, None, 0, NOW, NOW + timedelta(days=1))


def test_every_provider_that_can_be_called_is_traced(recorded: Recorded) -> None:
    access = Access(KEY)
    all_calls = {
        **calls_of(dict.fromkeys(CALLED, access), lambda part: with_client_spans(part, recorded.spans)),
        **invoice_calls_of(dict.fromkeys(INVOICED, access), lambda part: with_client_spans(part, recorded.spans)),
    }
    assert {type(one._api).__name__ for one in all_calls.values()} == {"TracedApi"}  # type: ignore[attr-defined]
    plain = calls_of(dict.fromkeys(CALLED, access), OFF.of)
    assert {type(one._api) for one in plain.values()} == {Api}  # type: ignore[attr-defined]
    assert OFF.of(Smtp) is Smtp
    assert OFF.of(ProviderSignIn) is ProviderSignIn
    assert with_client_spans(Ledger, recorded.spans) is Ledger


async def test_a_call_says_who_was_asked_and_how_it_went_and_carries_no_trace(
    recorded: Recorded, remote: ProviderServer
) -> None:
    calls = with_client_spans(DodoCalls, recorded.spans)(Access(KEY, remote.url))
    remote.answers["GET", "/payments/pay_1"] = {"invoice_url": "https://dodo.example/invoice"}
    assert await calls.invoice("pay_1") == "https://dodo.example/invoice"
    with pytest.raises(ProviderFailed, match="answered 404"):
        await calls.invoice("pay_2")
    answered, missing = recorded.made()
    assert recorded.is_cause_of(answered)
    assert (answered.name, answered.attributes, answered.status.status_code) == (
        "GET dodo",
        {
            "http.request.method": "GET",
            "credit_ledger.provider": "dodo",
            "server.address": "127.0.0.1",
            "http.response.status_code": 200,
        },
        StatusCode.UNSET,
    )
    assert missing.attributes is not None
    told = missing.attributes["http.response.status_code"], missing.attributes["error.type"]
    assert told == (404, "ProviderFailed")
    assert missing.status.status_code is StatusCode.ERROR
    assert not [name for request in remote.requests for name in request.headers if "trace" in name.lower()]
    assert [word for word in ("pay_1", KEY, "invoice") if word in answered.to_json()] == []


async def test_a_provider_that_is_not_there_is_a_failed_call(recorded: Recorded) -> None:
    calls = with_client_spans(DodoCalls, recorded.spans)(Access(KEY, "http://127.0.0.1:1"))
    with pytest.raises(ProviderFailed, match="cannot be reached"):
        await calls.again("sub_1")
    [span] = recorded.made()
    assert span.attributes is not None
    assert "http.response.status_code" not in span.attributes
    assert (span.status.status_code, span.status.description, span.events) == (StatusCode.ERROR, None, ())


async def test_requests_of_a_sign_in_say_who_was_asked_and_no_code(recorded: Recorded) -> None:
    asking = with_client_spans(ProviderSignIn, recorded.spans).ask
    with forging() as forger:
        provider = Provider(Client(forger.issuer, CLIENT, SECRET), asking=asking)
        assert (await provider.exchange("c0de", "v3rifier", REDIRECT)).id_token
        forger.server.answers["POST", "/token"] = Raw(400, b'{"error": "invalid_grant"}')
        with pytest.raises(NotVouchedFor):
            await provider.exchange("c0de", "v3rifier", REDIRECT)
    for address in (forger.issuer, "http://["):
        with pytest.raises(ProviderAway):
            await asking(address)
    *answered, refused, away, nowhere = recorded.made()
    assert [one.name for one in answered] == ["GET oidc", "GET oidc", "POST oidc"]
    assert all(recorded.is_cause_of(one) for one in answered)
    assert answered[-1].attributes == {
        "http.request.method": "POST",
        "credit_ledger.provider": "oidc",
        "server.address": "127.0.0.1",
        "http.response.status_code": 200,
    }
    assert {one.status.status_code for one in answered} == {StatusCode.UNSET}
    assert {one.status.status_code for one in (refused, away, nowhere)} == {StatusCode.ERROR}
    assert [one.attributes["error.type"] for one in (refused, away, nowhere) if one.attributes] == [
        "400",
        "ProviderAway",
        "ProviderAway",
    ]
    assert not [name for request in forger.server.requests for name in request.headers if "trace" in name.lower()]
    everything = "".join(one.to_json() for one in (*answered, refused, away, nowhere))
    assert [word for word in ("c0de", "v3rifier", SECRET, "/token") if word in everything] == []


async def test_a_mail_says_its_kind_and_nothing_of_who_gets_it(recorded: Recorded) -> None:
    with smtp_server() as box:
        box.rcpt["gone@example.com"] = "550 no such user"
        server = SmtpServer.from_url(f"smtp://127.0.0.1:{box.port}?starttls=off")
        smtp = with_client_spans(Smtp, recorded.spans)(server, "Credits <credits@ledger.example>")
        await smtp.send(mail("ada@example.com"))
        with pytest.raises(Refused):
            await smtp.send(mail("gone@example.com"))
    sent, refused = recorded.made()
    assert recorded.is_cause_of(sent)
    assert (sent.name, sent.attributes) == (
        "send mail",
        {"credit_ledger.mail": "reset", "server.address": "127.0.0.1"},
    )
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "Refused"
    assert not [one for one in (sent, refused) if "example.com" in one.to_json()]
    assert [message for message in box.messages if "traceparent" in message] == []
    assert box.recipients == ["ada@example.com"]


async def test_what_a_turn_asks_for_is_below_it(recorded: Recorded) -> None:
    async def turn(done: int) -> int:
        with recorded.spans.outgoing("send mail", {}):
            pass
        return done

    assert await recorded.spans.turn("mail", turn(1)) == 1
    asked, whole = recorded.made()
    assert asked.parent is not None
    assert asked.parent.span_id == whole.get_span_context().span_id  # type: ignore[union-attr]
    assert whole.parent is None
