"""The form with which operators set limits: what people type, what is set, and the errors at their fields."""

import pytest

from api.dashboard.limits.lengths import length_of, seconds_of
from tests.dashboard.acting import done, fields_of, filled_in, path_of, sent
from tests.dashboard.guests import operator
from tests.service import Service


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 minutes", 5_400),
        ("5 hours", 18_000),
        ("1 day 12 h", 129_600),
        ("1 hour, 30 min", 5_400),
        ("90s", 90),
        ("2 Weeks", 1_209_600),
        ("366 days", 366 * 86_400),
    ],
)
def test_lengths_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
    assert seconds_of(length_of(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "hours", "5 fortnights", "1.5 hours", "-5 hours", "59 s", "367 days", "٥ hours"]
)
def test_other_texts_are_no_lengths(text: str) -> None:
    with pytest.raises(ValueError, match=r"window lasts"):
        seconds_of(text)


def limits_of(service: Service, account: str) -> dict[str, dict[str, object]]:
    return {one["limit_id"]: one for one in service.get(f"/v1/accounts/{account}/limits").json()["limits"]}


def test_a_form_that_is_sent_as_it_is_changes_nothing(service: Service) -> None:
    """Windows in minutes, values with commas and every percent come back as they are, and counters go on."""
    account, client = service.open_account(permanent=100), operator(service)
    limit = {
        "limit_id": 'O\'Neil "1" <b>',
        "amount": 50,
        "only": {"member": "Doe, Jane", "model": "gpt\u20285"},
        "period": {"seconds": 5_400},
        "near": [50, 95],
    }
    body = {"source": "operator", "limits": [limit, {"limit_id": "quiet", "amount": 1, "near": [], "hard": False}]}
    assert service.post(f"/v1/accounts/{account}/limits", body, key="l").status_code == 201
    before = limits_of(service, account)
    for name in before:
        path = path_of(account, "limit")
        ahead = sent(client, path, client.get(path, params={"limit_id": name}), "preview")
        assert "Its counters go on." in ahead.text
        assert sent(client, path, ahead, "confirm").status_code == 200
        assert sent(client, path, ahead, "confirm").status_code == 200, "it is the same command"
    assert limits_of(service, account) == before


def test_a_new_limit_is_told_in_words_before_it_is_set(service: Service) -> None:
    account, client = service.open_account(permanent=100), operator(service)
    path = path_of(account, "limit")
    typed = {"limit_id": "short", "amount": "20", "period": "timed", "length": "90 minutes", "only": "model=gpt-5"}
    ahead = filled_in(client, path, **typed)
    assert "20 credits, only of model gpt-5. It resets 90 minutes after the first use." in ahead.text
    assert "Beyond it, usage is refused. Its counters begin at 0." in ahead.text
    sent(client, path, ahead, "confirm")
    limit = limits_of(service, account)["short"]
    assert (limit["period"], limit["near"], limit["unit"]) == ({"seconds": 5_400}, [80], "credits")
    removed = filled_in(client, path_of(account, "limits", "short", "remove"))
    assert "short</bdi></strong>: It is removed, with its counters." in removed.text
    done(client, path_of(account, "limits", "short", "remove"))
    assert limits_of(service, account) == {}
    assert "There is no limit" in filled_in(client, path_of(account, "limits", "short", "remove")).text


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("limit_id", "a/b", "A name has no slash."),
        ("limit_id", "x" * 129, "This string should have at most 128 characters."),
        ("only", "member=ada, model=gpt-5", "Enter one on each line, such as model=gpt-5."),
        ("only", "colour=red", "Usage has no colour."),
        ("only", "model=a\nmodel=b", "There are two lines for model."),
        ("zone", "Mars", "This must be a time zone of the IANA database"),
        ("starts", "8", "This must be absent or from 1 to 7."),
        ("near", "101", "Enter at most 10 percents from 1 to 100, such as 50, 80."),
    ],
)
def test_an_error_is_at_its_field(service: Service, field: str, text: str, sentence: str) -> None:
    account, client = service.open_account(), operator(service)
    typed = {"limit_id": "x", "amount": "5", "period": "week", field: text}
    page = filled_in(client, path_of(account, "limit"), **typed)
    assert page.status_code == 422
    assert page.text.partition(f'id="{field}-wrong">')[2].startswith(sentence.partition(",")[0])
    assert fields_of(page)[field] == text
