"""Imports in a real browser: with and without a script, on a desk and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import DESK, barriers_in_light_and_dark, fits, resize
from tests.dashboard.conftest import NewVisit
from tests.service import Service

SMALL_PHONE = (375, 740)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_file_becomes_deductions(new_visit: NewVisit, service: Service, tmp_path: Path, *, script: bool) -> None:
    account = service.open_account(permanent=1_000)
    path = tmp_path / "activity.csv"
    path.write_text(
        "generation_id,created_at,cost_total,tokens_prompt,user\n"
        f"gen-{account}-1,2026-11-02 09:14:03.123,0.0123,374,{account}\n"
        f"gen-{account}-2,2026-11-02 09:15:40.000,1.2e-05,8,{account}\n"
        f"gen-{account}-3,2026-11-02 09:15:40.000,free,8,{account}\n"
    )
    visit = new_visit(DESK if script else SMALL_PHONE, java_script_enabled=script)
    visit.enter_as_operator()
    page = visit.go("/imports")
    good(page, script=script)
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_label("Export")).to_have_value("openrouter")
    good(page, script=script)
    page.get_by_label("Amount").fill("ceil(cost * 1000)")
    page.get_by_role("button", name="Preview").click()
    wait_for_work(page)
    expect(page.get_by_role("heading", name="Rows that cannot be used")).to_be_visible()
    good(page, script=script)
    page.get_by_role("button", name="Record 2 deductions").click()
    wait_for_work(page)
    expect(page.get_by_role("button", name="Remove from the list")).to_be_visible()
    good(page, script=script)
    assert service.get(f"/v1/accounts/{account}/balance").json()["available"] == 1_000 - 13 - 1


def wait_for_work(page: Page) -> None:
    """Without a script, a page is looked at again by its link."""
    while (again := page.get_by_role("link", name="Look again")).is_visible():
        again.click()


def good(page: Page, *, script: bool) -> None:
    """No accessibility problem, and nothing wider than the window, also on a phone."""
    if not script:
        return
    assert barriers_in_light_and_dark(page) == "", page.url
    for size in (SMALL_PHONE, DESK):
        resize(page, size)
        assert fits(page), (page.url, size)
