"""What Paddle and Polar are asked about invoices, and what becomes of what their documentation says they answer."""

import json
from typing import Any

import pytest

from billing.calls.access import Access
from billing.calls.calls import ProviderFailed
from billing.calls.paddle import LIVE, SANDBOX, PaddleInvoices, address_of
from billing.calls.polar import PolarInvoices
from tests.billing.calls.provider_server import ProviderServer, Raw, Request

PADDLE, POLAR = "/transactions/txn_1/invoice", "/v1/orders/ord-1/invoice"
PDF = "https://invoices.example/invoice_325-10650.pdf?X-Amz-Expires=3600"
SCHEDULED = Raw(202, b"null")


def refused(status: int, **said: Any) -> Raw:
    return Raw(status, json.dumps(said).encode())


ABSENT = refused(404, error="ResourceNotFound", detail="No invoice exists for order ord-1.")


def paddle(remote: ProviderServer) -> PaddleInvoices:
    return PaddleInvoices(Access("pdl_live_1", remote.url))


def polar(remote: ProviderServer, looks: int = 3) -> PolarInvoices:
    return PolarInvoices(Access("polar_oat_1", remote.url), writing=[0.0] * looks)


async def test_paddle_is_asked_for_an_address_that_opens_in_the_browser(remote: ProviderServer) -> None:
    remote.answers["GET", PADDLE] = {"data": {"url": PDF}, "meta": {"request_id": "b15ec92e"}}
    assert await paddle(remote).invoice("txn_1") == PDF
    [request] = remote.requests
    assert request.asked == ("GET", PADDLE, [("disposition", "inline")], None)
    assert request.headers["authorization"] == "Bearer pdl_live_1"


async def test_what_paddle_has_no_invoice_of_and_what_it_refuses(remote: ProviderServer) -> None:
    remote.answers["GET", PADDLE] = refused(404, error={"code": "not_found", "detail": "not found"})
    assert await paddle(remote).invoice("txn_1") is None
    for wrong, said in (
        (refused(403, error={"code": "forbidden", "detail": "no permission"}), "answered 403: no permission"),
        ({"data": {"url": "javascript:alert(1)"}}, "nothing usable at data.url"),
        ({"data": {}}, "nothing usable at data.url"),
    ):
        remote.answers["GET", PADDLE] = wrong
        with pytest.raises(ProviderFailed, match=said):
            await paddle(remote).invoice("txn_1")


def test_the_key_says_which_paddle_it_is_of() -> None:
    for key, address in (("pdl_live_apikey_1", LIVE), ("0123456789abcdef", LIVE), ("pdl_sdbx_apikey_1", SANDBOX)):
        assert address_of(Access(key)) == address
        assert address_of(Access(key, "http://127.0.0.1:1")) == "http://127.0.0.1:1"


async def test_no_id_leads_elsewhere(remote: ProviderServer) -> None:
    assert await paddle(remote).invoice("../prices?x=1#") is None
    assert await polar(remote).invoice("../../customers") is None
    assert [request.path for request in remote.requests] == [
        "/transactions/%2E%2E%2Fprices%3Fx%3D1%23/invoice",
        *["/v1/orders/%2E%2E%2F%2E%2E%2Fcustomers/invoice"] * 2,
    ]


async def test_an_invoice_that_polar_has_written_is_not_written_again(remote: ProviderServer) -> None:
    remote.answers["GET", POLAR] = {"url": PDF}
    assert await polar(remote).invoice("ord-1") == PDF
    assert [(request.method, request.path) for request in remote.requests] == [("GET", POLAR)]


async def test_polar_writes_it_when_somebody_asks_and_takes_its_time(remote: ProviderServer) -> None:
    looks = iter([ABSENT, ABSENT, {"url": PDF}])

    def look(request: Request) -> Any:
        return next(looks)

    remote.answers["GET", POLAR] = look
    remote.answers["POST", POLAR] = SCHEDULED
    assert await polar(remote).invoice("ord-1") == PDF
    assert [request.method for request in remote.requests] == ["GET", "POST", "GET", "GET"]
    assert remote.requests[1].content == b""


async def test_what_polar_does_not_write_in_time_is_asked_for_again_by_the_reader(remote: ProviderServer) -> None:
    remote.answers.update({("GET", POLAR): ABSENT, ("POST", POLAR): SCHEDULED})
    with pytest.raises(ProviderFailed, match="not there yet: ask again in a few seconds"):
        await polar(remote, looks=2).invoice("ord-1")
    assert [request.method for request in remote.requests] == ["GET", "POST", "GET", "GET"]


async def test_polar_writes_none_of_what_is_not_paid_and_says_what_is_missing(remote: ProviderServer) -> None:
    remote.answers["GET", POLAR] = ABSENT
    for nothing in (refused(409, error="OrderNotEligibleForInvoice", detail="pending"), ABSENT):
        remote.answers["POST", POLAR] = nothing
        assert await polar(remote).invoice("ord-1") is None
    detail = "Billing name and address are required to generate an invoice for this order."
    remote.answers["POST", POLAR] = refused(422, error="MissingInvoiceBillingDetails", detail=detail)
    with pytest.raises(ProviderFailed, match=f"Polar answered 422: {detail}"):
        await polar(remote).invoice("ord-1")
