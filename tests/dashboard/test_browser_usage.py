"""The usage page in a real browser: days, filters, sorting, pages, expanded rows, and the CSV file."""

import csv
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import DESK, PHONE, Visit, barriers, barriers_at, fits, resize
from tests.dashboard.conftest import NewVisit
from tests.dashboard.histories import used_account, visible
from tests.postgres import owner
from tests.service import Service

COUNT = 70


@pytest.fixture(scope="module")
def used(service: Service) -> str:
    return used_account(service, COUNT)


def usage_page(visit: Visit, account: str, query: str = "") -> Page:
    visit.enter(account)
    return visit.go(f"/accounts/{account}/usage{query}")


def rows(page: Page) -> list[list[str]]:
    found = page.locator("table.rows > tbody > tr:not(.why)").all()
    return [row.locator("> *").all_inner_texts() for row in found]


def credits_shown(page: Page) -> list[int]:
    return [int(row[8].replace("−", "-").replace(",", "")) for row in rows(page)]


def wait_for_rows(page: Page, count: int) -> None:
    expect(page.locator("table.rows > tbody > tr:not(.why)")).to_have_count(count)


def test_the_totals_are_those_of_the_api(visit: Visit, service: Service, used: str) -> None:
    page = usage_page(visit, used, "?range=7d")
    first, last = (page.get_by_label(name, exact=True).input_value() for name in ("From", "To"))
    asked = {"from": first, "to": last, "tz": "Europe/Berlin", "group_by": "provider", "granularity": "total"}
    found = service.get(f"/v1/accounts/{used}/usage", **asked).json()
    sums = found["totals"]
    figures = page.locator("[data-part=totals] .figure").all_inner_texts()
    tokens = sums["input_tokens"] + sums["output_tokens"] + sums["cached_tokens"]
    assert 0 < sums["cached_tokens"] < tokens
    assert figures == [f"{number:,}" for number in (sums["credits"], sums["count"], tokens)]
    legend = page.locator("[data-part=pictures] section").first.locator(".legend li").all_inner_texts()
    [groups] = [bucket["groups"] for bucket in found["buckets"]]
    assert [text.split()[:2] for text in legend] == [[g["provider"], f"{g['credits']:,}"] for g in groups]


def test_the_range_is_in_the_address_and_back_goes_back(visit: Visit, used: str) -> None:
    page = usage_page(visit, used)
    page.evaluate("window.stillHere = true")
    page.get_by_role("link", name="Last 7 days").click()
    expect(page).to_have_url(re.compile(r"range=7d"))
    expect(page.get_by_role("link", name="Last 7 days")).to_have_attribute("aria-current", "true")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_label("To", exact=True).fill("2026-01-31")
    page.get_by_label("Time zone", exact=True).fill("Asia/Tokyo")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("From 1 Jan 2026 to 31 Jan 2026, days in Asia/Tokyo.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"from=2026-01-01&to=2026-01-31&tz=Asia%2FTokyo"))
    expect(page.get_by_text("No entry matches in this time")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile(r"range=7d"))
    wait_for_rows(page, 50)
    assert page.evaluate("window.stillHere")  # without loading a page anew


def test_a_wrong_zone_and_a_wrong_date_are_said(visit: Visit, used: str) -> None:
    visit.expected.add("422")
    page = usage_page(visit, used, "?tz=Mars/Olympus")
    expect(page.get_by_text("must be a time zone of the IANA database")).to_be_visible()
    page = visit.go(f"/accounts/{used}/usage?from=2026-02-30&to=soon")
    expect(page.get_by_text(re.compile("from .*day value is outside expected range.* to .*date"))).to_be_visible()


@pytest.mark.parametrize(
    ("label", "value", "kept"),
    [
        ("Provider", "openai", lambda n: n % 3 == 0),
        ("Model", "claude", lambda n: n % 3 == 1),
        ("Project", "support", lambda n: n // 3 % 3 == 1),
        ("Member", "kenji", lambda n: n % 2 == 1),
    ],
)
def test_a_filter_leaves_what_it_says(visit: Visit, used: str, label: str, value: str, kept: Any) -> None:
    page = usage_page(visit, used)
    page.get_by_label(label, exact=True).select_option(value)  # at once, without the button
    expect(page).to_have_url(re.compile(f"{label.lower()}={value}"))
    expected = [-(10 + n) for n in reversed(range(COUNT)) if kept(n)]
    wait_for_rows(page, len(expected))
    assert credits_shown(page) == expected


def test_the_keyboard_stays_where_it_was(visit: Visit, used: str) -> None:
    page = usage_page(visit, used)
    provider = page.get_by_label("Provider", exact=True)
    provider.focus()
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("provider=openai"))
    wait_for_rows(page, len(range(0, COUNT, 3)))
    expect(provider).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Model", exact=True)).to_be_focused()


def test_too_many_entries_to_sort_by_size_are_told(visit: Visit, service: Service) -> None:
    account = used_account(service, 60)
    with psycopg.connect(owner(service.conninfo)) as connection:  # so many would take long to make
        counted = "UPDATE projection_rollups.rollups SET deductions = deductions + 20000 WHERE account_id = %s"
        connection.execute(counted, [account])
    visit.expected.add("422")
    page = usage_page(visit, account, "?range=7d&sort=largest")
    expect(page.get_by_role("alert")).to_contain_text("20,000 entries")
    assert barriers(page) == ""
    page.get_by_role("link", name="Sort by date").click()
    wait_for_rows(page, 50)


def test_filters_of_a_task_and_of_everything(visit: Visit, used: str) -> None:
    page = usage_page(visit, used)
    page.get_by_label("Task").fill("task-33")
    page.keyboard.press("Enter")
    wait_for_rows(page, 1)
    assert rows(page)[0][1:5] == ["task-33", "Write page 33", "board", "gpt-5"]
    page.get_by_label("Task").fill("")
    page.get_by_role("button", name="Filter").click()
    wait_for_rows(page, 50)
    page.get_by_label("Show").select_option("all")
    expect(page).to_have_url(re.compile("show=all"))
    page.get_by_role("link", name="Next page").click()
    wait_for_rows(page, COUNT + 2 - 50)
    expect(page.get_by_text("Welcome credits")).to_be_visible()
    expect(page.get_by_text("Subscription credits")).to_be_visible()


def test_sorting_by_date_and_by_credits(visit: Visit, used: str) -> None:
    page = usage_page(visit, used)
    newest = [-(10 + n) for n in reversed(range(COUNT))]
    assert credits_shown(page) == newest[:50]
    date, credits = (page.get_by_role("columnheader", name=name) for name in ("Date", "Credits"))
    expect(date).to_have_attribute("aria-sort", "descending")
    date.get_by_role("link").click()
    expect(date).to_have_attribute("aria-sort", "ascending")
    assert credits_shown(page) == newest[::-1][:50]
    credits.get_by_role("link").click()
    expect(credits).to_have_attribute("aria-sort", "descending")
    assert credits_shown(page) == newest[:50]  # the newest are the largest here
    credits.get_by_role("link").click()
    expect(credits).to_have_attribute("aria-sort", "ascending")
    assert credits_shown(page) == newest[::-1][:50]
    page.get_by_role("link", name="Next page").click()
    wait_for_rows(page, COUNT - 50)
    assert credits_shown(page) == newest[::-1][50:]
    page.get_by_role("link", name="First page").click()
    wait_for_rows(page, 50)


def test_a_row_opens_and_says_what_paid_and_why(new_visit: NewVisit, used: str) -> None:
    for options in ({}, {"java_script_enabled": False}):
        page = usage_page(new_visit(**options), used)
        row = page.locator("table.rows > tbody > tr").first
        opener = row.get_by_role("link")
        expect(opener).to_have_attribute("aria-expanded", "false")
        opener.focus()
        page.keyboard.press("Enter")
        why = page.locator("tr.why")
        expect(why).to_contain_text(f"{COUNT + 9} credits were deducted")
        expect(why).to_contain_text("the only open lot")
        expect(opener).to_have_attribute("aria-expanded", "true")
        opener.click()
        expect(why).to_have_count(0)


@pytest.mark.parametrize("query", ["", "?sort=smallest", "?provider=openai&show=all", "?sort=largest&show=all"])
def test_the_file_is_what_the_table_shows(visit: Visit, used: str, tmp_path: Path, query: str) -> None:
    page = usage_page(visit, used, query)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "usage.csv")
    with (tmp_path / "usage.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    assert head[-3:] == ["credits", "balance", "cached_tokens"]
    shown = rows(page)
    while page.get_by_role("link", name="Next page").count():
        first = shown[-1]
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("table.rows > tbody > tr").last).not_to_have_text("\t".join(first))
        expect(page.get_by_role("link", name="First page")).to_be_visible()
        shown += rows(page)
    assert [as_shown(line) for line in lines] == [[*row[:2], *row[2:]] for row in shown]


def as_shown(line: list[str]) -> list[str]:
    """A line of the file, formatted like the table."""
    date, task, what, description, project, model, *numbers = line
    moment = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d):.*\+0[12]:00", date)
    assert moment, date
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    day = f"{int(moment[3])} {months[int(moment[2]) - 1]} {moment[1]}, {moment[4]}"
    said = description if what.startswith("Credits used") else f"{what} {description}".strip()
    *tokens, credits, balance, cached = (f"{int(number):,}" if number else "" for number in numbers)
    said += f" {cached} cached tokens" if cached else ""
    signed = credits.replace("-", "−") if credits.startswith("-") else f"+{credits}"
    return [day, task, said, project, model, *tokens, signed, balance]


def test_it_moves_and_takes_nothing_from_under_the_readers_hands(visit: Visit, service: Service) -> None:
    account = used_account(service, 3)
    page = usage_page(visit, account)
    page.locator("table.rows > tbody > tr").first.get_by_role("link").click()
    expect(page.locator("tr.why")).to_be_visible()
    page.get_by_label("Task").fill("half a wor")
    service.post(f"/v1/accounts/{account}/deductions", {"amount": 500, "task_id": "while-reading"})
    expect(page.locator("table.rows")).to_contain_text("while-reading")
    expect(page.locator("tr.why")).to_be_visible()
    expect(page.get_by_label("Task")).to_have_value("half a wor")
    expect(page.get_by_label("Task")).to_be_focused()


def test_without_a_script_filters_have_their_button(new_visit: NewVisit, used: str) -> None:
    page = usage_page(new_visit(java_script_enabled=False), used)
    page.get_by_label("Provider", exact=True).select_option("mistral")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("provider=mistral"))
    assert len(rows(page)) == len([n for n in range(COUNT) if n % 3 == 2])
    page.get_by_role("link", name="Month to date").click()
    expect(page).to_have_url(re.compile("range=month.*provider=mistral|provider=mistral.*range=month"))


def test_nothing_keeps_anybody_out(new_visit: NewVisit, service: Service) -> None:
    page = usage_page(new_visit(PHONE), used_account(service))
    page.locator("table.rows > tbody > tr").first.get_by_role("link").click()
    expect(page.locator("tr.why")).to_be_visible()
    assert barriers_at(page, PHONE, DESK) == ""


def test_an_account_that_used_nothing(visit: Visit, service: Service) -> None:
    page = usage_page(visit, service.open_account(permanent=10))
    expect(page.get_by_text("No entry matches in this time")).to_be_visible()
    expect(page.get_by_role("heading", name="Credits per day")).to_be_visible()
    assert barriers(page) == ""


def test_hostile_names_are_text_everywhere(new_visit: NewVisit, service: Service) -> None:
    hostile = "<img src=x onerror=alert(1)> \u202egnol\u202c " + "W" * 90
    account = service.open_account(permanent=100)
    usage = dict.fromkeys(("provider", "model", "project", "member"), hostile)
    body = {"amount": 5, "task_id": hostile, "description": hostile * 3, "usage": usage}
    position = service.post(f"/v1/accounts/{account}/deductions", body).json()["position"]
    service.get(f"/v1/accounts/{account}/summary", min_position=position)
    page = usage_page(new_visit(PHONE), account)
    assert page.locator("main img").count() == 0
    for size in (PHONE, DESK):
        resize(page, size)
        assert fits(page)
        assert barriers(page) == ""
    page.get_by_label("Project", exact=True).select_option(hostile)
    wait_for_rows(page, 1)


def test_durations_failures_and_the_time_of_use_are_shown(visit: Visit, service: Service) -> None:
    """Where callers say them, and nothing of it on the page of an account that says none."""
    account, now = service.open_account(permanent=100), datetime.now(UTC)
    month_ago = (now - timedelta(days=30)).isoformat()
    usage = {"model": "gpt-5", "metric": "image", "quantity": 3, "duration_ms": 1_200}
    bodies = [
        {"amount": 1, "usage": usage},
        {"amount": 2, "usage": usage | {"success": False, "duration_ms": 65_000}},
        {"amount": 4, "usage": usage, "occurred_at": month_ago},
    ]
    path = f"/v1/accounts/{account}/deductions"
    positions = [service.post(path, body, key=str(body["amount"])).json()["position"] for body in bodies]
    visible(service, account, positions[-1])
    page = usage_page(visit, account, "?range=7d")
    totals = page.locator("[data-part=totals]")
    expect(totals).to_contain_text(re.compile(r"Units\s*9"))
    expect(totals).to_contain_text(re.compile(r"Failed\s*1\s*33% of tasks"))
    expect(totals).to_contain_text(re.compile(r"Median duration\s*1\.2 s\s*95 % within 1\.2 s"))
    table = page.get_by_role("region", name="Durations and failures by model")
    expect(table.locator("tbody tr")).to_have_text(re.compile(r"gpt-5\s*9\s*1\s*1\.2 s\s*1\.2 s"))
    expect(page.locator("table.rows tbody tr").nth(1)).to_contain_text("image 3 units · 1 min 5 s · failed")
    expect(page.locator("table.rows tbody tr").first).to_contain_text("used on")
    page.get_by_label("Count by", exact=True).select_option("time of use")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("by=occurred"))
    expect(totals).to_contain_text(re.compile(r"Credits\s*3"))
    assert barriers(page) == ""
    assert fits(page)
