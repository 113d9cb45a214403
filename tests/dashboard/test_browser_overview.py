"""The overview in a real browser: links, numbers, live updates, and access."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

from tests.api.stage import eventually
from tests.dashboard.browsing import (
    DESK,
    PHONE,
    WALL,
    Visit,
    barriers,
    barriers_at,
    barriers_in_light_and_dark,
    fits,
    resize,
)
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import portal_link
from tests.dashboard.histories import used_account
from tests.service import Service

HOSTILE = "<b>bold</b> \u202egnol yrev\u202c " + "W" * 200 + " 👩‍🚀 \"quoted' & <script>alert(1)</script>"


@pytest.fixture
def used(service: Service) -> str:
    return used_account(service)


def test_a_link_opens_once(visit: Visit, new_visit: NewVisit, service: Service) -> None:
    account = service.open_account(permanent=100)
    link = portal_link(service, account, return_url="https://product.example/")
    visit.page.goto(link)
    expect(visit.page).to_have_url(re.compile(f"/accounts/{account}$"))
    expect(visit.page.get_by_role("link", name="Back to the product")).to_have_attribute(
        "href", "https://product.example/"
    )
    other = new_visit()
    other.expected.add("410")
    other.page.goto(link)
    expect(other.page.get_by_role("heading", level=1)).to_have_text("This link was used already")


def test_the_numbers_are_those_of_the_api(visit: Visit, service: Service, used: str) -> None:
    page = visit.open_portal_link(used)
    summary = service.get(f"/v1/accounts/{used}/summary", tz="Europe/Berlin").json()
    expect(page.locator(".total .figure")).to_have_text(f"{summary['balance']['total']:,}")
    figures = page.locator(".facts .figure").all_inner_texts()
    kinds = [f"{kind.title()} {summary['balance'][f'{kind}_credits']:,}" for kind in ("subscription", "permanent")]
    assert page.locator(".hero .legend li").all_inner_texts() == kinds
    shown = [f"{summary['usage'][name]['deducted']:,}" for name in ("today", "this_week", "this_month")]
    assert figures[:4] == [*shown, summary["average_cost_per_task"]["average"].rstrip("0").rstrip(".")]
    changes = page.locator(".entries .signed").all_inner_texts()
    assert changes == [f"−{-entry['credits']:,}" for entry in summary["last_entries"]]


def test_the_split_is_shown_on_hover_on_focus_and_on_tap(new_visit: NewVisit, used: str) -> None:
    page = new_visit().open_portal_link(used)
    split = page.locator(".split")
    expect(split).to_be_hidden()
    page.locator(".total summary").hover()
    expect(split).to_be_visible()
    expect(split).to_contain_text("Subscription")
    page.mouse.move(0, 0)
    expect(split).to_be_hidden()
    page.locator(".total summary").focus()
    expect(split).to_be_visible()
    phone = new_visit(PHONE, has_touch=True, is_mobile=True).open_portal_link(used)
    phone.locator(".total summary").tap()
    expect(phone.locator(".split")).to_be_visible()


def test_a_deduction_moves_an_open_page_and_is_announced(visit: Visit, service: Service, used: str) -> None:
    page = visit.open_portal_link(used)
    before = service.get(f"/v1/accounts/{used}/balance").json()["total"]
    page.evaluate("window.stillHere = true")
    page.locator(".total summary").focus()
    service.post(f"/v1/accounts/{used}/deductions", {"amount": 7, "task_id": "moving", "description": "Moved"})
    expect(page.locator(".total .figure")).to_have_text(f"{before - 7:,}")
    expect(page.locator(".entries li").first).to_contain_text("Moved")
    expect(page.get_by_role("status")).to_have_text(f"{before - 7:,} credits")
    assert page.evaluate("window.stillHere")  # it is the same page, and the focus is where it was
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_what_happens_before_the_stream_begins_is_shown(visit: Visit, service: Service, used: str) -> None:
    """The page is there, and its stream of events is not yet: a slow line, or one that broke for a moment."""
    before = service.get(f"/v1/accounts/{used}/balance").json()["total"]

    def spend_first(route: Route) -> None:
        service.post(f"/v1/accounts/{used}/deductions", {"amount": 5, "task_id": "between"})
        route.continue_()

    visit.page.route("**/updates", spend_first)
    page = visit.open_portal_link(used)
    expect(page.locator(".total .figure")).to_have_text(f"{before - 5:,}")
    expect(page.locator(".entries li").first).to_contain_text("between")


def test_it_moves_by_asking_where_events_cannot_be_had(visit: Visit, service: Service, used: str) -> None:
    visit.context.add_init_script("delete window.EventSource")
    visit.page.clock.install()
    page = visit.open_portal_link(used)
    before = service.get(f"/v1/accounts/{used}/balance").json()["total"]
    service.post(f"/v1/accounts/{used}/deductions", {"amount": 3, "task_id": "polled"})
    page.clock.run_for(16_000)
    expect(page.locator(".total .figure")).to_have_text(f"{before - 3:,}")


def test_who_was_turned_away_asks_for_events_again(visit: Visit, service: Service, used: str) -> None:
    """A service that is full or stopping refuses new event streams for a while."""
    visit.expected.add("503")
    visit.page.clock.install()
    visit.page.route("**/updates", lambda route: route.fulfill(status=503))
    answers: list[int] = []
    visit.page.on("response", lambda answer: answers.append(answer.status) if answer.url.endswith("/updates") else None)
    with visit.page.expect_response(lambda answer: answer.url.endswith("/updates")):
        page = visit.open_portal_link(used)
    page.unroute("**/updates")

    def asked_again() -> bool:
        page.clock.run_for(4_000)
        return 200 in answers

    eventually(asked_again)
    before = service.get(f"/v1/accounts/{used}/balance").json()["total"]
    service.post(f"/v1/accounts/{used}/deductions", {"amount": 2, "task_id": "heard again"})
    page.clock.resume()
    expect(page.locator(".total .figure")).to_have_text(f"{before - 2:,}")


def test_a_hidden_tab_asks_for_nothing(visit: Visit, service: Service, used: str) -> None:
    page = visit.open_portal_link(used)
    expect(page.get_by_text("Europe/Berlin")).to_be_visible()  # it has told its zone and come back
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    position = service.post(f"/v1/accounts/{used}/deductions", {"amount": 1, "task_id": "unseen"}).json()["position"]
    service.get(f"/v1/accounts/{used}/summary", min_position=position)
    assert asked == []
    page.evaluate(hide, False)
    expect(page.locator(".entries li").first).to_contain_text("unseen")


def test_days_are_those_of_the_reader(visit: Visit, used: str) -> None:
    page = visit.open_portal_link(used)
    expect(page.get_by_text("Europe/Berlin")).to_be_visible()


def test_without_a_script_everything_is_there(new_visit: NewVisit, used: str) -> None:
    page = new_visit(java_script_enabled=False).open_portal_link(used)
    expect(page.locator(".total .figure")).to_have_text(re.compile(r"5,\d{3}"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")


def test_numbers_are_written_as_the_reader_does(new_visit: NewVisit, used: str) -> None:
    for locale, separator in (("de-DE", "."), ("fr-FR", "\u202f"), ("en-US", ",")):
        page = new_visit(locale=locale).open_portal_link(used)
        expect(page.locator(".total .figure")).to_have_text(re.compile(rf"^5\{separator}\d{{3}}$"))


def test_the_keyboard_reaches_everything(visit: Visit, used: str) -> None:
    page = visit.open_portal_link(used, return_url="https://product.example/")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # and from here on it is the browser's own
        reached.append(page.evaluate("document.activeElement.innerText.trim().split('\\n')[0]"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached
    assert reached[0] == "Skip to the content"
    for name in ("Back to the product", "Sign out", "Overview", "Usage", "Billing"):
        assert name in reached


def test_nothing_keeps_anybody_out(new_visit: NewVisit, used: str) -> None:
    page = new_visit(PHONE).open_portal_link(used)
    assert barriers_at(page, PHONE, DESK, WALL) == ""


def test_an_account_without_a_history_is_worth_looking_at(visit: Visit, service: Service) -> None:
    page = visit.open_portal_link(service.open_account(permanent=0))
    expect(page.get_by_text("There are no entries yet")).to_be_visible()
    expect(page.get_by_text("No credits are left.")).to_be_visible()
    expect(page.get_by_role("heading", name="Plan")).to_have_count(0)
    assert barriers(page) == ""


def test_hostile_text_is_text_and_breaks_nothing(new_visit: NewVisit, service: Service) -> None:
    account = f"<i>{HOSTILE[10:40]}</i>".replace("/", "_")
    assert service.post("/v1/accounts", {"account_id": account}).status_code == 201
    usage = {"provider": HOSTILE[:128], "model": HOSTILE[:128], "project": HOSTILE[:128], "member": HOSTILE[:128]}
    body = {"amount": 1, "task_id": HOSTILE[:128], "description": HOSTILE, "usage": usage}
    done = service.client.post(f"/v1/accounts/{quote(account, safe='')}/deductions", json=body)
    assert done.status_code == 201
    page = new_visit(PHONE).open_portal_link(account)
    expect(page.locator(".entries .about").first).to_have_text(HOSTILE, use_inner_text=False)
    assert page.locator("main b, main script, main i").count() == 0
    for size in (PHONE, DESK):
        resize(page, size)
        assert fits(page)
        assert barriers(page) == ""


def test_a_session_that_is_over_ends_an_open_page(visit: Visit, service: Service, used: str) -> None:
    page = visit.open_portal_link(used, return_url="https://product.example/")
    visit.expected.add("401")
    visit.context.request.post(
        f"{service.url}/dashboard/sign-out",
        form={"csrf": str(page.locator("input[name=csrf]").first.get_attribute("value"))},
    )
    visit.context.clear_cookies()
    service.post(f"/v1/accounts/{used}/deductions", {"amount": 1, "task_id": "late"})
    expect(page).to_have_url(re.compile("/sign-in$"))


def test_what_is_pale_in_the_dark_alone_is_found(visit: Visit) -> None:
    """The checks that find nothing above must be able to find something."""
    pale = "@media (prefers-color-scheme: dark) { p { color: #777; background: #666 } }"
    visit.page.set_content(f"<html lang=en><title>t</title><style>{pale}</style><main><h1>Pale</h1><p>text</p></main>")
    assert barriers(visit.page) == ""
    assert "color-contrast" in barriers_in_light_and_dark(visit.page)
