"""Ways back: where somebody goes on who signs in, and what no address makes of it."""

import pytest

from people.sign_in.ways_back import HOME, WayBack

SECRET = "aZ09_-" * 7
EVIL = ["", "https://evil.example", "//evil.example", "/\\evil", "a/b", "a b", "a\n", "x" * 201, "ä", "..", "%2F"]


@pytest.mark.parametrize("back", [HOME, WayBack(SECRET), WayBack(settings=True)])
def test_a_way_back_survives_an_address_and_a_cookie(back: WayBack) -> None:
    parameters = dict(part.split("=") for part in back.query.removeprefix("?").split("&") if part)
    assert WayBack.of(parameters.get("invitation", ""), parameters.get("to", "")) == back
    assert WayBack.of_word(back.word) == back


def test_what_is_no_way_back_leads_home() -> None:
    for text in EVIL:
        assert WayBack.of(text, text) == WayBack.of_word(text) == WayBack.of_word(f"invitation.{text}") == HOME, text
    assert (HOME.query, HOME.word) == ("", "")
