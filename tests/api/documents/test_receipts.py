"""Receipts, invoices and statements: what they say, the same bytes twice, their form, and their own proof."""

import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pypdf import PdfReader

from audit.documents.attachment import attachment_of
from audit.verify.offline import Trusting, verify_path
from audit.verify.report import BROKEN, HOLDS, UNCHECKED, Report
from tests.api.conftest import under_contract
from tests.api.stage import Ask, fresh, payment
from tests.dashboard.guests import ROOT, operator
from tests.postgres import TestServers
from tests.proof.evidence import Silence
from tests.service import Service, service_here

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><rect width="60" height="20"/></svg>'
NOTE = "The price has 19 % VAT in it."
THIS_MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture(scope="module")
def selling(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose settings name the seller."""
    server, folder = servers.get("embedded"), tmp_path_factory.mktemp("receipts")
    assert server is not None
    (folder / "logo.svg").write_text(LOGO)
    settings = {
        "CREDIT_LEDGER_SELLER": "Example Software Ltd\n1 Main Street\n10115 Berlin",
        "CREDIT_LEDGER_SELLER_TAX_ID": "DE123456789",
        "CREDIT_LEDGER_SELLER_LOGO": str(folder / "logo.svg"),
        "CREDIT_LEDGER_INVOICE_NOTE": NOTE,
    }
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        under_contract(running)
        yield running


def opened(service: Service, name: str = "Ada", **more: object) -> str:
    account = fresh()
    assert Ask("open", account, {"account_id": account, "description": name, **more}).post(service).status_code == 201
    return account


def paid(service: Service, account: str, provider: str = "stripe", **more: object) -> int:
    """A payment with the id of its account; the position of it."""
    body = payment(f"pay/{account}", provider, **{"grant": {"kind": "permanent", "amount": 500}, **more})
    answer = Ask("payment", account, body).post(service)
    assert answer.status_code == 201, answer.text
    position: int = answer.json()["position"]
    return position


def receipt(service: Service, account: str, position: int = 0, known: str = "") -> httpx.Response:
    path = f"/v1/accounts/{account}/payments/{quote(f'pay/{account}', safe='')}/receipt.pdf"
    return service.client.get(path, params={"min_position": position}, headers={"If-None-Match": known})


def statement(service: Service, account: str, month: str = THIS_MONTH) -> httpx.Response:
    return service.get(f"/v1/accounts/{account}/statements/{month}.pdf")


def text_of(pdf: bytes) -> str:
    """The text of all pages, with single blanks."""
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages)


def verified(pdf: bytes, folder: Path) -> Report:
    path = folder / "document.pdf"
    path.write_bytes(pdf)
    return verify_path(path, Trusting(), Silence())


def test_a_receipt_says_what_was_bought_and_what_went_back(selling: Service, tmp_path: Path) -> None:
    bill = {"name": "Ada Lovelace GmbH", "address": ["2 Side Street", "Wien"], "tax_id": "ATU1"}
    account = opened(selling, metadata={"billing": bill})
    grants = [{"kind": "permanent", "amount": 500}, {"kind": "subscription", "amount": 2_000}]
    position = paid(selling, account, currency="JPY", grant=None, grants=grants)
    first = text_of(receipt(selling, account, position).content)
    for said in (
        "Receipt",
        "JPY 1,000 paid on",
        "2,500 credits",
        "Ada Lovelace GmbH",
        "2 Side Street",
        "ATU1",
        "Stripe",
    ):
        assert said in first
    assert "Tax id DE123456789" in first
    assert "Permanent grt_4 500" in first
    assert "no expiry" in first
    assert "Subscription grt_5 2,000" in first
    for hidden in (NOTE, "Number", "Left of it", "merchant of record"):
        assert hidden not in first
    ids = {"payment_id": f"pay/{account}"}
    Ask("payment_refund", account, {"refund_id": "re_1", "amount_minor": 300}, ids).post(selling)
    Ask("payment_dispute", account, {"dispute_id": "dp_1", "state": "open", "amount_minor": 200}, ids).post(selling)
    disputed = text_of(receipt(selling, account).content)
    assert "JPY 200 disputed since" in disputed
    assert "Left of it JPY 700" in disputed
    Ask("payment_dispute", account, {"dispute_id": "dp_1", "state": "lost"}, ids).post(selling)
    last = receipt(selling, account).content
    assert "\N{MINUS SIGN}JPY 200 Left of it JPY 500" in text_of(last)
    report = verified(last, tmp_path)
    assert report.status == HOLDS, report.as_text()
    assert report.facts["amount_minor"] == 1_000


def test_invoices_have_numbers_without_a_gap(selling: Service, tmp_path: Path) -> None:
    account = opened(selling)
    numbers, text = [], ""
    for n, (provider, status) in enumerate(
        [("manual", "paid"), ("stripe", "paid"), ("manual", "failed"), ("manual", "paid")]
    ):
        done = Ask("payment", account, payment(f"tr-{n}", provider, status=status)).post(selling).json()
        path = f"/v1/accounts/{account}/payments/tr-{n}/receipt.pdf"
        answer = selling.get(path, min_position=done["position"])
        if status == "paid":
            number = verified(answer.content, tmp_path).facts["number"]
            numbers.append(number)
            text = text_of(answer.content)
            assert (NOTE in text) == (number is not None)
    begin = selling.get(f"/v1/accounts/{account}/events").json()["events"][0]["position"]
    assert numbers == [f"{begin}-1", None, f"{begin}-2"]
    assert f"Number {begin}-2" in text


def test_a_package_has_its_name_and_its_credits_and_is_no_plan(selling: Service) -> None:
    package = {"name": "Little *one*", "credits": 500, "prices": []}
    assert selling.client.put("/v1/packages/little", json=package).status_code == 201
    account = opened(selling)
    text = text_of(receipt(selling, account, paid(selling, account, plan="little")).content)
    assert "Little *one*: 500 credits 1 " in text
    assert "Plan" not in text


def test_a_long_id_stands_on_several_lines_and_not_over_its_label(selling: Service) -> None:
    account, name = opened(selling), f"manual:{'0123456789' * 6}"
    grant = {"kind": "permanent", "amount": 5}
    position = Ask("payment", account, payment(name, "manual", grant=grant)).post(selling).json()["position"]
    answer = selling.get(f"/v1/accounts/{account}/payments/{name}/receipt.pdf", min_position=position)
    text = PdfReader(BytesIO(answer.content)).pages[0].extract_text()
    assert name not in text
    assert name in text.replace("\n", "")


def test_the_buyer_is_who_they_were_when_they_paid(selling: Service) -> None:
    account = opened(selling, "Ada Lovelace")
    position = paid(selling, account)
    assert Ask("update", account, {"description": "Grace Hopper"}).post(selling, "u").status_code == 201
    text = text_of(receipt(selling, account, position).content)
    assert "Ada Lovelace" in text
    assert "Grace Hopper" not in text
    assert "Grace Hopper" in text_of(statement(selling, account).content)


def test_a_merchant_of_record_writes_the_invoice(selling: Service) -> None:
    account = opened(selling)
    position = paid(selling, account, "lemonsqueezy")
    text = text_of(receipt(selling, account, position).content)
    assert "Lemon Squeezy is the merchant of record" in text
    assert "The invoice is had from Lemon Squeezy: its mail about this purchase leads there." in text


def test_the_same_bytes_and_not_again_for_who_has_them(selling: Service) -> None:
    account = opened(selling)
    first = receipt(selling, account, paid(selling, account))
    assert first.headers["content-type"] == "application/pdf"
    assert first.headers["content-disposition"].startswith("attachment; filename=")
    again = receipt(selling, account)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    kept = receipt(selling, account, known=first.headers["etag"])
    assert (kept.status_code, kept.content) == (304, b"")
    assert statement(selling, account).content == statement(selling, account).content


def test_many_ask_at_once_for_what_no_checkpoint_has_yet(selling: Service) -> None:
    """One of them signs, and nobody waits in a way that holds up the others."""
    accounts = [opened(selling) for _ in range(8)]
    asked = [(account, paid(selling, account)) for account in accounts]
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = list(threads.map(lambda one: receipt(selling, *one), asked * 3))
    assert {answer.status_code for answer in answers} == {200}


NAMES = {
    "greek": "Ἄδα Λόβελας",
    "cyrillic": "Ада Лавлейс",
    "hebrew": "עדה לאבלייס",
    "markup": '#panic("x") *b* _i_ $x$ `c` @label <l> // /* = [ ] { } \\',
    "long": "x" * 120,
    "chinese": "李小龍 株式会社",
    "picture": "Ada 👩\u200d💻",
    "control": "a\u202eb\u2066c",
}


@pytest.mark.parametrize("script", NAMES)
def test_no_document_fails_because_of_a_name(selling: Service, tmp_path: Path, script: str) -> None:
    name = NAMES[script]
    account = opened(selling, name)
    answer = receipt(selling, account, paid(selling, account))
    assert answer.status_code == 200, answer.text
    report = verified(answer.content, tmp_path)
    if script in ("greek", "cyrillic", "markup"):
        assert name in text_of(answer.content)
    if script in ("chinese", "picture"):
        assert report.status in (HOLDS, UNCHECKED)  # with the same fonts, or without
    else:
        assert report.status == HOLDS, report.as_text()
        assert b"<pdfaid:part>3</pdfaid:part>" in answer.content
    assert statement(selling, account).status_code == 200


def test_a_document_is_pdf_a_and_pdf_ua(selling: Service) -> None:
    """By its structure: the parts that the standards demand, and no font that is not in the file."""
    account = opened(selling)
    for pdf in (receipt(selling, account, paid(selling, account)).content, statement(selling, account).content):
        reader = PdfReader(BytesIO(pdf))
        root: Any = reader.trailer["/Root"]
        assert root["/Lang"] == "en"
        assert root["/MarkInfo"]["/Marked"]
        assert root["/OutputIntents"][0]["/DestOutputProfile"]
        assert root["/ViewerPreferences"]["/DisplayDocTitle"]
        xmp = root["/Metadata"].get_data().decode()
        for part in ("<pdfaid:part>3</", "<pdfaid:conformance>B</", "<pdfuaid:part>1</", "<dc:title>"):
            assert part in xmp
        [attached] = root["/AF"]
        assert attached.get_object()["/AFRelationship"] == "/Data"
        assert reader.attachments["proof.json"][0] == attachment_of(pdf)
        for page in reader.pages:
            assert str(page["/Tabs"]) == "/S"
            resources: Any = page["/Resources"]
            for font in resources["/Font"].values():
                [below] = font.get_object()["/DescendantFonts"]
                assert {"/FontFile2", "/FontFile3"} & set(below.get_object()["/FontDescriptor"].get_object())
        assert {"/Table", "/TH", "/TD", "/H1"} <= tags(root["/StructTreeRoot"])


def tags(element: object) -> set[str]:
    """The kinds of all elements of the structure."""
    found: set[str] = set()
    waiting: list[Any] = [element]
    while waiting:
        one: Any = getattr(waiting.pop(), "get_object", lambda: None)()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            found |= {one["/S"]} if "/S" in one else set()
            waiting += [one["/K"]] if "/K" in one else []
    return found


def test_a_hundred_lots_and_a_statement_of_them(selling: Service, tmp_path: Path) -> None:
    """Few lots may be more than a page too: each page of those has its number."""
    account = opened(selling, signup_credits=0)
    some = opened(selling)
    grants = [{"kind": "permanent", "amount": 5}] * 40
    of_some = receipt(selling, some, paid(selling, some, grant=None, grants=grants)).content
    assert "Page 2 of 2" in text_of(of_some)
    assert verified(of_some, tmp_path).status == HOLDS
    grants = [{"kind": "permanent", "amount": 5}] * 100
    pdf = receipt(selling, account, paid(selling, account, grant=None, grants=grants)).content
    pages = len(PdfReader(BytesIO(pdf)).pages)
    assert pages > 2
    assert text_of(pdf).count("Permanent grt_") == 100
    assert [f"Page {number} of {pages}" in text_of(pdf) for number in range(1, pages + 2)] == [True] * pages + [False]
    assert verified(pdf, tmp_path).status == HOLDS
    with closing(operator(selling)) as browser:
        page = browser.get(f"{ROOT}/accounts/{account}/billing").text
    assert page.count("and 95 more grants: the receipt has them") == 2, "for a wide page and a narrow one"
    for n in range(3):
        assert Ask("deduct", account, {"amount": 11}).post(selling, f"k{n}").status_code == 201
    of_month = statement(selling, account).content
    text = text_of(of_month)
    for said in ("Opening balance 0", "Came in +500", "Went out \N{MINUS SIGN}33", "Closing balance 467", "USD 10.00"):
        assert said in text
    assert "Credits used 3 times \N{MINUS SIGN}33 467" in text
    assert text.count("Top-up") == 100
    assert verified(of_month, tmp_path).status == HOLDS


def test_a_month_with_very_many_entries_has_one_for_each_kind_and_day(selling: Service, tmp_path: Path) -> None:
    account = opened(selling)
    grants = [Ask("grant", account, {"kind": "permanent", "amount": 3}).item(f"g{n}") for n in range(1_000)]
    answer = selling.post("/v1/batch", {"commands": grants})
    assert {result["status"] for result in answer.json()["results"]} == {201}
    pdf = statement(selling, account).content
    assert "Adjustment 1,000 times +3,000" in text_of(pdf)
    assert len(PdfReader(BytesIO(pdf)).pages) == 1
    assert verified(pdf, tmp_path).status == HOLDS


def test_months(selling: Service, tmp_path: Path) -> None:
    account = opened(selling)
    before = statement(selling, account, "2020-01")
    assert "No credits moved in this month" in text_of(before.content)
    assert verified(before.content, tmp_path).status == HOLDS
    for month in ("2099-12", "2026-13", "1999-01", "2026-1", "now"):
        assert statement(selling, account, month).status_code == 422, month
    assert statement(selling, "nobody").status_code == 404


def test_whose_payment_it_is(selling: Service) -> None:
    account = opened(selling)
    paid(selling, account, "stripe")
    position = paid(selling, account, "paddle")
    assert receipt(selling, account, position).json()["code"] == "payment_ambiguous"
    path = f"/v1/accounts/{account}/payments/{quote(f'pay/{account}', safe='')}/receipt.pdf"
    assert "Paddle" in text_of(selling.get(path, provider="paddle").content)
    for answer in (selling.get(path, provider="polar"), selling.get(f"/v1/accounts/{account}/payments/x/receipt.pdf")):
        assert answer.json()["code"] == "payment_not_found"
    assert selling.get("/v1/accounts/nobody/payments/x/receipt.pdf").json()["code"] == "account_not_found"


def test_a_changed_document_is_refused_by_name(selling: Service, tmp_path: Path) -> None:
    account = opened(selling)
    pdf = receipt(selling, account, paid(selling, account)).content
    other = receipt(selling, account := opened(selling), paid(selling, account, amount_minor=9_900)).content
    for changed, why in changes_of(pdf, other):
        report = verified(changed, tmp_path)
        assert report.status == BROKEN, why
        assert why in report.as_text()


def changes_of(pdf: bytes, other: bytes) -> Iterator[tuple[bytes, str]]:
    """A PDF with one thing changed, and what the report says of it."""
    pages = "pages are not those that its proof prints"
    yield pdf + b"\n", pages
    yield pdf.replace(b"/Lang(en)", b"/Lang(de)"), pages
    yield pdf.replace(b"/AFRelationship/Data", b"/AFRelationship/Info"), pages
    stream = re.search(rb"/Filter/FlateDecode>>\nstream\n", pdf)
    assert stream is not None
    at = stream.end() + 5
    yield pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :], pages
    yield pdf.replace(b"/Type/EmbeddedFile", b"/Type/EmbeddedFild"), "t has 0 proofs attached"
    yield pdf[:-400], pages
    proof = attachment_of(pdf)
    for second in (pdf, other):
        yield pdf + attached(second), "t has 2 proofs attached"
    yield pdf.replace(attached(pdf), attached(other)), pages
    yield with_proof(pdf, attachment_of(other)), pages
    for changed, why in (
        (proof.replace(b"1000", b"9900", 1), "it signs another document"),
        (proof.replace(b'"kind":"receipt"', b'"kind":"invoice"'), "n invoice has a number"),
        (proof.replace(b"Example Software", b"Another Software"), "it signs another document"),
        (proof.replace(b'{"document"', b'{ "document"'), "not spelled as this program spells it"),
        (proof.replace(b"credit-ledger document 2", b"credit-ledger document 3"), "of another format"),
        (proof[:200], "ts proof cannot be read"),
        (b'{"document":[' + b"[]," * 1_000_000, "larger than one can be"),  # small as long as nobody reads it
    ):
        yield with_proof(pdf, changed), why


def attached(pdf: bytes) -> bytes:
    """The object with the attachment."""
    found = re.search(rb"\n<</Length \d+/Type/EmbeddedFile.*?\nendstream", pdf, re.DOTALL)
    assert found is not None
    return found[0]


def stream_of(pdf: bytes) -> bytes:
    """The stored bytes of the attachment."""
    found = re.search(rb"Params<</Size \d+/ModDate\(D:\d+Z\)>>>>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    assert found is not None
    return found[1]


def with_proof(pdf: bytes, proof: bytes) -> bytes:
    """A PDF with another attachment, whose length and size are right."""
    stored = zlib.compress(proof)
    head = re.search(rb"<</Length \d+/Type/EmbeddedFile[^\n]*?/Params<</Size \d+", pdf)
    assert head is not None
    fields = re.sub(rb"Size \d+", b"Size %d" % len(proof), re.sub(rb"Length \d+", b"Length %d" % len(stored), head[0]))
    return pdf.replace(head[0], fields).replace(stream_of(pdf), stored)
