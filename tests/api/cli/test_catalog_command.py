"""`credit-ledger catalog`: what a file would change and for whom, all of it or nothing, and the file of a start."""

from pathlib import Path
from typing import Any

import pytest

from api.demo.offers import SAMPLE_CATALOG
from api.runtime.catalog import CannotUseCatalog, put_catalog
from api.runtime.settings import load_settings
from tests.billing.catalogs import SAMPLE
from tests.commands import Finished, command
from tests.service import free_port


def run(database: str, *words: str | Path) -> Finished:
    return command(database, "catalog", *words)


def report(database: str, *words: str | Path) -> Any:
    done = run(database, *words, "--json")
    assert done.status == 0, done.err
    return done.report


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    """The sample with other texts."""
    text = SAMPLE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = folder / "catalog.toml"
    file.write_text(text)
    return file


DEARER = (
    ("credits = 2_000", "credits = 2_500"),
    ("amount_minor = 19_00", "amount_minor = 24_00"),
    ("price_pro_", "price_pro_2027_"),
    ("pdt_pro_", "pdt_pro_2027_"),
    ('"41000', '"51000'),
)


def test_a_file_is_compared_put_there_and_shown(database: str) -> None:
    assert run(database, "show").out == "the catalogue is empty\n"
    diff = run(database, "diff", SAMPLE)
    assert diff.status == 0
    assert run(database, "show").out == "the catalogue is empty\n", "a comparison writes nothing"
    applied = run(database, "apply", SAMPLE)
    assert applied.out == diff.out
    lines = applied.out.splitlines()
    assert lines[:2] == ["plan free: new, version 1", "  100 credits every month, free"]
    assert "  yearly: EUR 190.00 every year, dodo pdt_pro_yearly, lemonsqueezy 410002, stripe price_pro_yearly" in lines
    assert "  25,000 permanent credits, with a subscription only" in lines
    assert lines[-1] == "6 new versions, 0 as before"
    shown = run(database, "show").out.splitlines()
    place = shown.index("plan pro: Pro, version 1")
    assert shown[place + 1] == "  2,000 credits every month, up to 500 roll over, trial of 14 days with 200 credits"
    again = run(database, "apply", SAMPLE).out.splitlines()
    assert again[0] == "plan free: as before (version 1)"
    assert again[-1] == "0 new versions, 6 as before"


def test_a_difference_says_for_whom(database: str, tmp_path: Path) -> None:
    run(database, "apply", SAMPLE)
    file = edited(tmp_path, *DEARER)
    diff = run(database, "diff", file)
    assert diff.out.splitlines()[1:9] == [
        "plan pro: version 1 -> 2",
        "  for who buys from now on; who has bought before keeps the earlier terms:",
        "    credits: 2,000 -> 2,500",
        "  on the pages:",
        "    prices.monthly.amount_minor: 1,900 -> 2,400",
        "    prices.monthly.products.dodo: pdt_pro_monthly -> pdt_pro_2027_monthly",
        "    prices.monthly.products.lemonsqueezy: 410001 -> 510001",
        "    prices.monthly.products.stripe: price_pro_monthly -> price_pro_2027_monthly",
    ]
    assert diff.out.splitlines()[-1] == "1 new version, 5 as before"
    assert (run(database, "diff", SAMPLE, "--exit-code").status, run(database, "diff", file, "--exit-code").status) == (
        0,
        1,
    )
    found = report(database, "apply", file)
    [pro] = [change for change in found["changes"] if change["state"] != "same"]
    assert (pro["kind"], pro["id"], pro["state"], pro["version"]) == ("plan", "pro", "changed", 2)
    assert pro["fields"][0] == {"field": "credits", "before": 2_000, "after": 2_500, "for": "new"}
    [shown] = [one for one in report(database, "show")["entries"] if one["id"] == "pro"]
    assert (shown["version"], shown["credits"], shown["created_by"][:9]) == (2, 2_500, "operator:")


def test_what_a_file_does_not_mention_stays(database: str, tmp_path: Path) -> None:
    run(database, "apply", SAMPLE)
    file = tmp_path / "one.toml"
    file.write_text("[plans.extra]\nname = 'Extra'\ncredits = 1\n")
    said = run(database, "diff", file).out
    assert "plan pro: not in the file, and stays as it is (version 1)\n" in said
    assert len(report(database, "diff", file)["not_in_file"]) == 6
    run(database, "apply", file)
    assert len(report(database, "show")["entries"]) == 7


@pytest.mark.parametrize("name", ["diff", "apply"])
def test_of_a_file_with_one_wrong_entry_nothing_is_used(database: str, tmp_path: Path, name: str) -> None:
    file = edited(tmp_path, ('name = "Large"', ""))
    done = run(database, name, file)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"credit-ledger: {file}: packages.large.name is required\n"
    assert run(database, "show").out == "the catalogue is empty\n"


@pytest.mark.parametrize("name", ["diff", "apply"])
def test_a_product_with_other_terms_is_refused(database: str, tmp_path: Path, name: str) -> None:
    run(database, "apply", SAMPLE)
    file = edited(tmp_path, ("credits = 12_000", "credits = 9_000"), ('name = "Free"', 'name = "Nothing"'))
    done = run(database, name, file)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(
        "credit-ledger: nothing is changed: The product 'price_max_monthly' of stripe already means"
    )
    assert {one["version"] for one in report(database, "show")["entries"]} == {1}


def test_a_file_that_is_not_there_is_one_line(database: str, tmp_path: Path) -> None:
    done = run(database, "apply", tmp_path / "none.toml")
    assert (done.status, done.err) == (1, f"credit-ledger: {tmp_path / 'none.toml'}: No such file or directory\n")
    assert run(database, "apply").status == 2


# The setting --------------------------------------------------------------------------------------------------------


def test_a_start_puts_the_file_of_the_settings_there(database: str) -> None:
    for _ in range(2):
        put_catalog(load_settings(catalog=SAMPLE), database)
    entries = report(database, "show")["entries"]
    assert {(one["version"], one["created_by"]) for one in entries} == {(1, "setting:CREDIT_LEDGER_CATALOG")}
    put_catalog(load_settings(), database)


def test_a_file_that_cannot_be_used_stops_the_start(database: str, tmp_path: Path) -> None:
    file = edited(tmp_path, ("credits = 100\n", ""))
    settings = {"CREDIT_LEDGER_CATALOG": str(file), "CREDIT_LEDGER_DATA_DIR": str(tmp_path)}
    done = command(database, "serve", "--port", str(free_port()), settings=settings)
    assert done.status == 1
    assert done.err.splitlines()[-1] == f"credit-ledger: CREDIT_LEDGER_CATALOG: {file}: plans.free.credits is required"
    put_catalog(load_settings(catalog=SAMPLE), database)
    with pytest.raises(CannotUseCatalog, match=r"^CREDIT_LEDGER_CATALOG: .*: The product 'price_max_monthly'"):
        put_catalog(load_settings(catalog=edited(tmp_path, ("credits = 12_000", "credits = 9_000"))), database)


def test_the_demo_sells_the_sample_of_the_docs() -> None:
    assert SAMPLE_CATALOG.read_bytes() == SAMPLE.read_bytes()
