"""`credit-ledger prices`: the book in force is shown and compared, a file is published, and a draft is a valid book."""

import json
from pathlib import Path
from typing import Any

import pytest

from billing.prices.document import UnitCharge
from billing.prices.files import as_toml, read_book
from tests.commands import Finished, command

SAMPLE = Path(__file__).parents[3] / "docs" / "prices.toml"
LITELLM = """{
  "sample_spec": {"litellm_provider": "one of the providers", "input_cost_per_token": 1},
  "gpt-5": {
    "litellm_provider": "openai", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
    "cache_read_input_token_cost": 1.25e-07, "input_cost_per_token_above_200k_tokens": 2.5e-06,
    "web_search_cost": 0.01, "mode": "chat"
  },
  "openai/dall-e": {"litellm_provider": "openai", "output_cost_per_image": 0.04},
  "whisper": {"litellm_provider": "openai", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0},
  "free": {"litellm_provider": "openai", "input_cost_per_token": 0.0},
  "openai/*": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
  "claude": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05}
}"""


def run(database: str, *words: str | Path) -> Finished:
    return command(database, "prices", *words)


def report(database: str, *words: str | Path) -> Any:
    done = run(database, *words, "--json")
    assert done.status == 0, done.err
    return done.report


def test_a_book_is_compared_published_and_shown(database: str, tmp_path: Path) -> None:
    assert run(database, "show").out == "no price book is published\n"
    diff = run(database, "diff", SAMPLE)
    assert "openai / gpt-5-nano / *\n  + 0.05 per 1,000 input tokens" in diff.out
    assert diff.out.endswith("5 rates would change\n")
    assert run(database, "diff", SAMPLE, "--exit-code").status == 1
    published = run(database, "publish", SAMPLE)
    assert published.out.startswith("published version 1: from ")
    assert run(database, "publish", SAMPLE).out.startswith("as before: version 1: ")
    assert run(database, "diff", SAMPLE, "--exit-code").out == "0 rates would change\n"
    shown = run(database, "show").out
    free = "input tokens, output tokens and cached tokens cost nothing"
    assert f"  * / * / image: 20 per unit, 15 for those beyond 10 units; {free}\n" in shown
    assert "  * / * / speech: 2 for each minute begun; units cost nothing\n" in shown

    dearer = tmp_path / "dearer.toml"
    dearer.write_text(SAMPLE.read_text().replace("credits = 200 ", "credits = 250 "))
    [change] = report(database, "diff", dearer)["changes"]
    assert (change["metric"], change["before"]["charges"][0]["credits"]) == ("enhance", "200")
    past = run(database, "publish", dearer, "--effective-at", "2020-01-01")
    assert past.status == 1
    assert "nothing is changed: The version would take effect at 2020-01-01" in past.err
    assert run(database, "publish", dearer, "--effective-at", "2999-01-01").out.startswith(
        "published version 2: from 2999"
    )
    again = run(database, "publish", SAMPLE).out.splitlines()
    assert again[1:] == ["version 2 takes its place from 2999-01-01 00:00:00 UTC"], "it was planned before"
    found = report(database, "show")
    assert (len(found["versions"]), found["shown"]["version"]) == (2, 1)
    assert report(database, "show", "--version", "2")["shown"]["rates"][-2]["charges"] == [
        {"charge": "flat", "credits": "250"}
    ]
    assert "The price book has no version 3." in run(database, "show", "--version", "3").err


def test_a_file_as_json_or_toml_is_the_same_book(database: str, tmp_path: Path) -> None:
    book = read_book(SAMPLE)
    (tmp_path / "book.json").write_text(json.dumps(book.as_json()))
    (tmp_path / "book.toml").write_text(as_toml(book.rates, ["A comment", "", 'with "quotes"']))
    for name in ("book.json", "book.toml"):
        assert read_book(tmp_path / name) == book
        assert read_book(tmp_path / name).digest == book.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rates = 3", "rates input should be a valid list"),
        (
            "[[rates]]\ncharges = [{ charge = 'flat', credits = 0.5 }]",
            "rates.0.charges.0.flat.credits must be an integer",
        ),
        ("[[rates]]\ncharges = []", "rates.0.charges"),
        ("[[rates]]\n", "rates.0.charges is required"),
        ("[[rates", "is not TOML"),
        ("colour = 1", "colour is not a field"),
    ],
)
def test_what_is_no_book_is_told_in_a_line(database: str, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "book.toml"
    file.write_text(text)
    for word in ("diff", "publish"):
        done = run(database, word, file)
        assert done.status == 1
        assert said in done.err
    assert run(database, "show").out == "no price book is published\n"


def test_a_draft_of_a_price_file_is_a_book_with_the_mark_up(database: str, tmp_path: Path) -> None:
    file, book = tmp_path / "model_prices.json", tmp_path / "draft.toml"
    file.write_text(LITELLM)
    made = run(database, "draft", "--credit-usd", "0.001", "--mark-up", "30", "--provider", "openai", "--litellm", file)
    assert made.status == 0, made.err
    book.write_text(made.out)
    rates = {rate.model: rate for rate in read_book(book).rates}
    assert set(rates) == {"gpt-5", "dall-e", "whisper"}
    of_gpt = {
        charge.of: (charge.credits, charge.per) for charge in rates["gpt-5"].charges if isinstance(charge, UnitCharge)
    }
    assert of_gpt == {
        "input_tokens": ("3250", 1_000_000),
        "output_tokens": ("13000", 1_000_000),
        "cached_tokens": ("162.5", 1_000_000),
    }
    [image], [second] = rates["dall-e"].charges, rates["whisper"].charges
    assert image.model_dump() == {"charge": "per_unit", "of": "quantity", "credits": "52", "per": 1}
    assert second.model_dump() == {"charge": "per_unit", "of": "duration_ms", "credits": "0.13", "per": 1_000}
    for remark in ("input_cost_per_token has tiers, and this is the dearest", "not in the rate: web_search_cost"):
        assert f"# {remark}:\n#   openai / gpt-5\n" in made.out
    assert "Left out: 1 name" in made.out
    assert run(database, "publish", book).status == 0


def test_a_draft_of_the_library(database: str, tmp_path: Path) -> None:
    """Its numbers change with its versions; that it is a book, and says what it does not cover, does not."""
    book = tmp_path / "draft.toml"
    made = run(database, "draft", "--credit-usd", "0.0003", "--mark-up", "12.5", "--provider", "anthropic")
    assert made.status == 0, made.err
    book.write_text(made.out)
    rates = read_book(book).rates
    assert len(rates) > 10
    for rate in rates:
        assert rate.provider == "anthropic"
        assert {charge.charge for charge in rate.charges} == {"per_unit"}
    assert "cache_write_mtok" in made.out
    assert run(database, "publish", book).status == 0


def test_a_draft_that_cannot_be_made(database: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text("[1]")
    for words, said in (
        (("--credit-usd", "zero"), "'zero' is not a number"),
        (("--credit-usd", "0"), "'0' is not a number"),
        (("--credit-usd", "1", "--mark-up", "-5"), "'-5' is not a number"),
        (
            ("--credit-usd", "1", "--provider", "nobody"),
            "there is no provider 'nobody' in the source; it has anthropic, ",
        ),
        (("--credit-usd", "1"), "name providers"),
        (("--credit-usd", "1", "--litellm", str(file)), "is no price file of LiteLLM"),
        (("--credit-usd", "1", "--litellm", str(tmp_path / "gone.json")), "No such file"),
    ):
        done = run(database, "draft", *words)
        assert (done.status, done.out) == (1, "")
        assert said in done.err
