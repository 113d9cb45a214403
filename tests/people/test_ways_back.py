"""Ways back: where somebody goes on who signs in, and what no address makes of it."""

import pytest

from people.sign_in.ways_back import HOME, WayBack

SECRET = "aZ09_-" * 7
TEAM, USER = f"team_{'0a' * 10}", f"usr_{'9f' * 10}"
PAGES = [WayBack(account=TEAM, page=page) for page in ("overview", "usage", "team", "billing", "audit")]
PAGES += [WayBack(account=USER, page="keys")]
EVIL = ["", "https://evil.example", "//evil.example", "/\\evil", "a/b", "a b", "a\n", "x" * 201, "ä", "..", "%2F"]
EVIL += [f"{TEAM}.team", f"team.{TEAM}/..", f"team.{TEAM}0", f"events.{TEAM}", f".{TEAM}", "team./", f"team.{TEAM}\n"]


@pytest.mark.parametrize("back", [HOME, WayBack(SECRET), WayBack(settings=True), *PAGES])
def test_a_way_back_survives_an_address_and_a_cookie(back: WayBack) -> None:
    parameters = dict(part.split("=") for part in back.query.removeprefix("?").split("&") if part)
    assert WayBack.of(parameters.get("invitation", ""), parameters.get("to", "")) == back
    assert WayBack.of_word(back.word) == back


def test_what_is_no_way_back_leads_home() -> None:
    for text in EVIL:
        assert WayBack.of(text, text) == WayBack.of_word(text) == WayBack.of_word(f"invitation.{text}") == HOME, text
    assert (HOME.query, HOME.word) == ("", "")


def test_only_pages_that_people_open_are_ways_back() -> None:
    """Behind any prefix of a proxy, and as the page itself; those below the page of a team lead to that one."""
    for before in ("/dashboard", "/a/prefix/dashboard", ""):
        for back in PAGES:
            assert WayBack.of_path("/".join((f"{before}/accounts/{back.account}", *back.below))) == back
        for below in ("usage", "limits"):
            assert WayBack.of_path(f"{before}/accounts/{TEAM}/team/{below}") == WayBack(account=TEAM, page="team")
        assert WayBack.of_path(f"{before}/settings") == WayBack(settings=True)
    for other in ("/", "/events", "/settings", "/usage/limits", "/team/", "/keys.csv", "/team\n", "/team/usage/"):
        assert WayBack.of_path(f"/dashboard/accounts/{TEAM}{other}") == HOME, other
    for account in ("ada", f"{TEAM}x", "team_", "..", f"x/{TEAM}"):
        assert WayBack.of_path(f"/dashboard/accounts/{account}/team") == HOME, account
