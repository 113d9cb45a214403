"""Imports in the dashboard: upload, mapping, preview, progress, result; nothing is recorded before somebody says so."""

import re
import time
from typing import Any

import httpx
import psycopg
import pytest

from api.imports import uploads
from api.imports.importing import Pace
from people.api_keys import create_key
from tests.dashboard.acting import fields_of
from tests.dashboard.guests import ROOT, operator, person
from tests.service import PATIENCE, Service

IMPORTS = f"{ROOT}/imports"
PLAIN = {"account": "{who}", "amount": "n"}


def uploaded(client: httpx.Client, content: bytes | str, name: str = "usage.csv") -> httpx.Response:
    """The page of an uploaded file."""
    data = fields_of(client.get(IMPORTS))
    data.pop("file", None)
    body = content.encode() if isinstance(content, str) else content
    return client.post(IMPORTS, data=data, files={"file": (name, body, "text/csv")})


def pressed(client: httpx.Client, page: httpx.Response, step: str, **typed: str) -> httpx.Response:
    """The page after a button, once no work is under way."""
    path = page.url.path
    answer = client.post(path, data={**fields_of(page), **typed, "step": step})
    deadline = time.monotonic() + PATIENCE
    while 'aria-label="Progress"' in answer.text and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = client.get(path)
    return answer


def balance(service: Service, account: str) -> int:
    available: int = service.get(f"/v1/accounts/{account}/balance").json()["available"]
    return available


def rows(service: Service, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(service.conninfo) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_file_is_uploaded_previewed_and_recorded(service: Service) -> None:
    ada, bob = service.open_account(permanent=1_000), service.open_account(permanent=50)
    client = operator(service)
    page = uploaded(
        client, f"who;n;model\n{ada};0,5;large\n\n{bob};100,0;small\n{ada};x;small\nSumme;100,5;\n", "days.csv"
    )
    assert page.url.path.startswith(f"{IMPORTS}/")
    assert "UTF-8, delimiter semicolon, decimal comma" in page.text
    assert fields_of(page)["job"] == "days.csv"

    ahead = pressed(client, page, "check", account="{who}", amount="ceil(n * 10)", usage_model="{model}")
    assert "1,005" in ahead.text
    for words in (
        "1 row with a total (line 6)",
        "1 blank line",
        "row 2 (line 5): column &#39;n&#39; is &#39;x&#39;, not a number",
        "1 row: insufficient_credits",
        "1000 credits are required and 50 are available.",
        "Each row is known by the job &#39;days.csv&#39; and its number in the file.",
        "Key names a column that makes a row itself.",
        "Record 2 deductions",
    ):
        assert words in ahead.text, words
    assert (balance(service, ada), balance(service, bob)) == (1_000, 50)
    bad = client.get(f"{page.url.path}/bad_rows.csv")
    assert bad.text == f"who;n;model;import_problem\n{ada};x;small;column 'n' is 'x', not a number\n"
    assert bad.headers["content-disposition"].startswith("attachment")

    done = pressed(client, ahead, "record")
    assert "Try the refused rows again" in done.text
    assert (balance(service, ada), balance(service, bob)) == (995, 50)
    event = service.get(f"/v1/accounts/{ada}/events", limit=100).json()["events"][-1]
    assert (event["data"]["amount"], event["data"]["usage"]) == (5, {"model": "large"})
    assert event["metadata"]["actor"] == "key:admin"
    assert event["metadata"]["idempotency_key"] == "import:days.csv:0"

    again = pressed(client, pressed(client, done, "change"), "check")
    assert "Record 2 deductions" in again.text
    assert "Result so far" not in again.text, "the page is about the new preview"
    done = pressed(client, again, "record")

    service.post(f"/v1/accounts/{bob}/grants", {"kind": "permanent", "amount": 1_000, "transaction_id": "more"})
    done = pressed(client, done, "record")
    assert "Recorded before" in done.text
    assert (balance(service, ada), balance(service, bob)) == (995, 50)
    assert 'href="' + done.url.path + '"' in client.get(IMPORTS).text
    assert rows(service, "SELECT count(*) FROM imports.upload_parts") == [(0,)], "what is imported is not kept"
    assert "All imports" in done.text


def test_rows_beyond_the_balance_take_what_there_is(service: Service) -> None:
    ada = service.open_account(permanent=50)
    client = operator(service)
    page = uploaded(client, f"who,n\n{ada},40\n{ada},30\n", f"short-{ada}.csv")
    wrong = pressed(client, page, "check", account="{who}", amount="n", on_shortfall="draw")
    assert "On shortfall: &#39;draw&#39; must be reject or available" in wrong.text
    ahead = pressed(client, page, "check", account="{who}", amount="n", on_shortfall="available")
    assert "1 account cannot pay for all" in ahead.text
    assert f"<bdi>{ada}</bdi>: 20 of 70 credits" in ahead.text
    assert fields_of(pressed(client, ahead, "change"))["on_shortfall"] == "available"
    done = pressed(client, ahead, "record")
    assert "Remove from the list" in done.text
    assert "1 row cost more than was available: 20 credits are" in done.text
    assert balance(service, ada) == 0


def test_an_export_that_is_known_needs_only_its_price(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    client = operator(service)
    export = f"generation_id,created_at,cost_total,tokens_prompt,user\ngen-1,2026-11-02,0.0123,10,{account}\n"
    page = uploaded(client, export, "one.csv")
    assert (fields_of(page)["profile"], fields_of(page)["account"]) == ("openrouter", "{user}")
    wrong = pressed(client, page, "check")
    assert wrong.status_code == 422
    assert "Amount is missing: the credits of a row, such as &#39;ceil(cost * 1000)&#39;" in wrong.text
    wrong = pressed(client, wrong, "check", amount="ceil(costs)")
    assert "Amount, position 6: there is no column &#39;costs&#39;" in wrong.text
    ahead = pressed(client, wrong, "check", amount="ceil(cost * 1000)")
    assert "input_tokens 10, occurred_at 2026-11-02, task_id gen-1" in ahead.text
    assert "Remove from the list" in pressed(client, ahead, "record").text
    assert balance(service, account) == 987

    again = uploaded(client, export + f"gen-2,2026-11-03,0.001,10,{account}\n", "two.csv")
    ahead = pressed(client, again, "check", amount="ceil(cost * 1000)")
    assert "1 row is also in the job &#39;one.csv&#39;, which has recorded them" in ahead.text
    pressed(client, ahead, "record")
    assert balance(service, account) == 986


def test_a_form_can_be_changed_after_its_preview_and_a_file_discarded(service: Service) -> None:
    client = operator(service)
    page = pressed(client, uploaded(client, "who,n\nada,1\n"), "check", account="{who}", amount="n", open_signup="5")
    assert "1 to open" in page.text
    page = pressed(client, page, "change")
    assert (fields_of(page)["amount"], fields_of(page)["open_signup"]) == ("n", "5")
    path = page.url.path
    assert pressed(client, page, "discard").url.path == IMPORTS
    assert client.get(path).status_code == 404
    assert service.get("/v1/accounts/ada/balance").status_code == 404


@pytest.mark.parametrize(
    ("content", "typed", "problem"),
    [
        (b"who,n\nada,\xff\n", {}, "line 2 is not UTF-8"),
        (b"who,n,n\n", {}, "the first line names a column more than once"),
        (b"who,n\nada,1\n", {"account": "{whom}"}, "Account, position 2: there is no column &#39;whom&#39;"),
        (b"who,n\nada,1\n", {"time_zone": "Mars"}, "Time zone: there is no zone &#39;Mars&#39;"),
        (b"who,n\nada,1\n", {"prices": "a\n1"}, "Prices: it has no prices"),
        (b"who,n\nada,1\n", {"open_signup": "many"}, "Open signup: &#39;many&#39; must be a whole number"),
        (b"who,n\nada,1\n", {"encoding": "latin"}, "Encoding: there is no &#39;latin&#39;"),
    ],
)
def test_what_cannot_be_imported_is_told_beside_the_form(
    service: Service, content: bytes, typed: dict[str, str], problem: str
) -> None:
    client = operator(service)
    page = pressed(client, uploaded(client, content), "check", **{"account": "{who}", "amount": "n", **typed})
    assert problem in page.text, page.text
    assert fields_of(page)["amount"] == "n"


def test_hostile_names_and_cells_stay_text(service: Service) -> None:
    client = operator(service)
    hostile = "<script>alert(1)</script>"
    page = uploaded(client, f"who,n\n{hostile},1\n", f"../../{hostile}\x00.csv")
    assert hostile not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    ahead = pressed(client, page, "check", account="{who}", amount="n", job="job")
    assert hostile not in ahead.text


# Who may, and what is refused before it is read.


def client_with(service: Service, *scopes: str) -> httpx.Client:
    return operator(service, create_key(service.conninfo, "imports", scopes))


def test_only_operators_who_may_deduct_import_and_only_those_who_manage_open_accounts(service: Service) -> None:
    account = service.open_account()
    assert person(service, account).get(IMPORTS).status_code == 404
    reader = client_with(service, "ledger:read")
    assert reader.get(IMPORTS).status_code == 403
    assert ">Imports<" not in reader.get(f"{ROOT}/accounts").text
    spender = client_with(service, "ledger:read", "ledger:write")
    assert ">Imports<" in spender.get(f"{ROOT}/accounts").text
    page = uploaded(spender, "who,n\nnobody-here,1\n")
    assert 'name="open_signup"' not in page.text
    ahead = pressed(spender, page, "check", account="{who}", amount="n", open_signup="100")
    assert "1 row: account_not_found" in ahead.text
    assert reader.get(page.url.path).status_code == 403


def test_what_opens_accounts_is_recorded_by_those_who_may_open_them(service: Service) -> None:
    """Who prepares an import and who records it may be two operators."""
    manager, spender = operator(service), client_with(service, "ledger:read", "ledger:write")
    ahead = pressed(manager, uploaded(manager, "who,n\nopened-here,1\n"), "check", **PLAIN, open_permanent="500")
    answer = pressed(spender, spender.get(ahead.url.path), "record")
    assert (answer.status_code, "needs the scope ledger:manage" in answer.text) == (403, True)
    assert service.get("/v1/accounts/opened-here").status_code == 404
    pressed(manager, ahead, "record")
    assert balance(service, "opened-here") == 499


@pytest.mark.parametrize("name", ["account", "key", "prices", "nothing"])
def test_a_form_with_a_null_character_is_refused(service: Service, name: str) -> None:
    client = operator(service)
    page = uploaded(client, "who,n\nada,1\n")
    assert pressed(client, page, "check", **{**PLAIN, name: "{who}\0"}).status_code == 400


def test_so_many_bad_rows_are_not_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.runs._MOST_BAD", 10_000)
    client = operator(service)
    told = pressed(client, uploaded(client, "who,n\n" + "ada,x\n" * 1_000), "check", **PLAIN)
    assert re.search(
        r"too many rows cannot be used, among them row \d+ .*: column &#39;n&#39; is &#39;x&#39;", told.text
    )
    assert client.get(f"{told.url.path}/bad_rows.csv").status_code == 404


def test_a_form_needs_its_token_before_its_file_is_read(service: Service) -> None:
    client = operator(service)
    before = rows(service, "SELECT count(*) FROM imports.uploads")
    answer = client.post(IMPORTS, data={"csrf": "0" * 64}, files={"file": ("a.csv", b"a,b\n")})
    assert answer.status_code == 403
    answer = client.post(IMPORTS, files={"file": ("a.csv", b"a,b\n")})
    assert answer.status_code == 403
    token = fields_of(client.get(IMPORTS))["csrf"]
    elsewhere = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    answer = client.post(IMPORTS, data={"csrf": token}, files={"file": ("a.csv", b"a,b\n")}, headers=elsewhere)
    assert answer.status_code == 403
    assert rows(service, "SELECT count(*) FROM imports.uploads") == before


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"csrf=1", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--\r\n", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 20_000, 400),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1', 400),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n' + b"x" * 20_000 + b"\r\n--b--",
            413,
        ),
        ("multipart/form-data; boundary=b", b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n' * 40, 400),
        (
            'multipart/form-data; boundary="b"',
            b'--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n1\r\n--b--',
            403,
        ),
    ],
)
def test_bodies_that_are_no_form_with_a_file(service: Service, content_type: str, body: bytes, status: int) -> None:
    answer = operator(service).post(IMPORTS, content=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text


def test_a_file_that_breaks_off_is_not_kept(service: Service) -> None:
    client = operator(service)
    token = fields_of(client.get(IMPORTS))["csrf"]
    head = b'--b\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n' + token.encode()
    head += b'\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\nwho,n\r\n'
    before = rows(service, "SELECT count(*) FROM imports.uploads")
    answer = client.post(
        IMPORTS, content=head + b"ada,1\r\n" * 1_000, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert (answer.status_code, "The form ends too early." in answer.text) == (400, True)
    assert rows(service, "SELECT count(*) FROM imports.uploads") == before


def test_a_file_is_no_larger_than_its_limit(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = operator(service)
    monkeypatch.setattr("api.dashboard.import_pages.import_list.MAX_UPLOAD", 1024 * 1024)
    assert uploaded(client, b"a,b\n" + b"1,2\n" * 100_000).status_code == 200
    for size in (300_000, 400_000):
        answer = uploaded(client, b"a,b\n" + b"1,2\n" * size)
        assert answer.status_code == 413
        assert "A file may have at most 1 MiB. Import it with the command line." in answer.text
    assert uploaded(client, b"").text.count("The file is empty.") == 1


def test_a_file_of_several_parts_is_kept_byte_for_byte(service: Service) -> None:
    """Also where the bytes look like the end of the form."""
    account = service.open_account(permanent=100_000)
    client = operator(service)
    content = "who,n,note\n" + "".join(f'{account},1,"\r\n--{"-" * (n % 400)}b"\n' for n in range(1_500))
    page = uploaded(client, content)
    ahead = pressed(client, page, "check", account="{who}", amount="n")
    assert "Record 1,500 deductions" in ahead.text
    assert (len(content.encode()),) in rows(service, "SELECT size FROM imports.uploads")
    done = pressed(client, ahead, "record")
    assert "Remove from the list" in done.text
    assert balance(service, account) == 98_500


# Work that was left behind.


def test_work_of_a_process_that_fell_silent_can_be_continued(service: Service) -> None:
    account = service.open_account(permanent=100)
    client = operator(service)
    ahead = pressed(
        client, uploaded(client, f"who,n\n{account},1\n{account},2\n"), "check", account="{who}", amount="n"
    )
    with psycopg.connect(service.conninfo) as connection:
        connection.execute(
            "UPDATE imports.uploads SET state = 'recording', changed_at = now() - interval '1 minute' "
            "WHERE upload_id = %s",
            [ahead.url.path.rpartition("/")[2]],
        )
    page = client.get(ahead.url.path)
    assert "The import was interrupted." in page.text
    assert "Remove from the list" in pressed(client, page, "record").text
    assert balance(service, account) == 97


def test_an_import_can_be_stopped_and_continued(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    account, rows_in_file = service.open_account(permanent=10_000), 3_000
    client = operator(service)
    page = uploaded(client, "who,n\n" + f"{account},1\n" * rows_in_file)
    ahead = pressed(client, page, "check", account="{who}", amount="n", job="stopped")
    with monkeypatch.context() as patch:
        patch.setattr("api.imports.runs._PACE", Pace(window=1, rows_at_once=1))  # each row waits for its commit
        client.post(ahead.url.path, data={**fields_of(ahead), "step": "record"})
        page = pressed(client, client.get(ahead.url.path), "stop")
    assert "It was stopped." in page.text, page.text
    assert 10_000 > balance(service, account) > 10_000 - rows_in_file
    assert "Remove from the list" in pressed(client, page, "record").text
    assert balance(service, account) == 10_000 - rows_in_file


def test_a_file_that_somebody_works_on_is_not_touched(service: Service) -> None:
    client = operator(service)
    ahead = pressed(client, uploaded(client, "who,n\nada,1\n"), "check", account="{who}", amount="n")
    upload_id = ahead.url.path.rpartition("/")[2]
    with psycopg.connect(service.conninfo) as connection:
        connection.execute("UPDATE imports.uploads SET state = 'recording' WHERE upload_id = %s", [upload_id])
    page = client.get(ahead.url.path)
    assert 'aria-label="Progress"' in page.text
    for step in ("record", "discard", "stop"):
        client.post(ahead.url.path, data={"csrf": fields_of(page)["csrf"], "step": step})
    found = rows(service, f"SELECT state, stop FROM imports.uploads WHERE upload_id = '{upload_id}'")
    assert found == [("recording", True)]
    with psycopg.connect(service.conninfo) as connection:
        connection.execute("DELETE FROM imports.uploads WHERE upload_id = %s", [upload_id])


def test_files_are_forgotten(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = operator(service)
    old = uploaded(client, "who,n\nada,1\n")
    with psycopg.connect(service.conninfo) as connection:
        connection.execute(
            "UPDATE imports.uploads SET created_at = now() - interval '8 days' WHERE upload_id = %s",
            [old.url.path.rpartition("/")[2]],
        )
    new = uploaded(client, "who,n\nada,1\n")
    assert client.get(old.url.path).status_code == 404
    assert client.get(new.url.path).status_code == 200
    monkeypatch.setattr(uploads, "MOST_WAITING", 1)
    assert re.search("Too many files wait here", uploaded(client, "a,b\n").text)
