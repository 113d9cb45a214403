"""A catalogue as a TOML file: the sample is one, and a file with a fault is refused in one line that names it."""

from pathlib import Path

import pytest

from billing.catalog_file import read_catalog
from billing.document_files import LARGEST
from billing.errors import WrongCatalog
from tests.billing.catalogs import SAMPLE


def test_the_sample_is_a_catalogue() -> None:
    found = read_catalog(SAMPLE)
    assert [(one.body.KIND, one.id) for one in found.wanted] == [
        *(("plan", name) for name in ("free", "pro", "max")),
        *(("package", name) for name in ("small", "middle", "large")),
    ]
    assert found.plans["free"].prices == ()
    assert [str(price.interval) for price in found.plans["pro"].prices] == ["month", "year"]
    assert found.packages["large"].needs_subscription
    assert found.plans["pro"].rank < found.plans["max"].rank


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.touch()
    assert read_catalog(file).wanted == []


def said_of(folder: Path, text: str) -> str:
    """What is said of a file, without its name."""
    file = folder / "catalog.toml"
    file.write_text(text)
    with pytest.raises(WrongCatalog) as refused:
        read_catalog(file)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"{file}: ")
    return line.removeprefix(f"{file}: ")


FAULTS = {
    "[plans.pro]\nname = 'Pro'": "plans.pro.credits is required",
    "[plans.pro]\nname = 'Pro'\ncredits = 'many'": "plans.pro.credits input should be a valid integer",
    "[plans.pro]\nname = 'Pro'\ncredits = 1\nprise = 2": "plans.pro.prise is not a field",
    "[plan.pro]\nname = 'Pro'\ncredits = 1": "plan is not a field",
    "[plans.'pro max']\nname = 'Pro'\ncredits = 1": "plans.pro max string should match pattern",
    "[plans.pro]\nname = 'Pro'\ncredits = 1\nevery = {}": "plans.pro.every must have `months` or `days`, and not both",
    "plans = 1": "plans input should be a valid dictionary",
    "[plans.pro]\nname = 'a'\nname = 'b'": "is not TOML: Cannot overwrite a value",
    "= 1": "is not TOML: Invalid statement",
    "[plans.pro]\nname = 2026-01-01\ncredits = 1": "plans.pro.name input should be a valid string",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_named_by_its_path(tmp_path: Path, text: str) -> None:
    assert said_of(tmp_path, text).startswith(FAULTS[text])


def test_many_faults_are_counted(tmp_path: Path) -> None:
    said = said_of(tmp_path, "".join(f"[plans.p{number}]\n" for number in range(4)))
    assert said.count("; ") == 5
    assert said.endswith("; and 3 more")


PRICE = "[[{0}.{1}.prices]]\nprice = 'once'\namount_minor = 1\ncurrency = 'EUR'\nproducts = {{ stripe = 'p' }}\n"


def test_two_entries_cannot_have_one_product(tmp_path: Path) -> None:
    entries = "".join(
        f"[{kind}.{name}]\nname = 'x'\ncredits = 1\n{PRICE.format(kind, name)}{more}"
        for kind, name, more in (("plans", "pro", "interval = { months = 1 }\n"), ("packages", "small", ""))
    )
    assert said_of(tmp_path, entries) == "plan pro and package small have the same product p of stripe"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(WrongCatalog, match="No such file or directory"):
        read_catalog(tmp_path / "none.toml")
    with pytest.raises(WrongCatalog, match="Is a directory"):
        read_catalog(tmp_path)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(WrongCatalog, match="more than 1048576 bytes"):
        read_catalog(large)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongCatalog, match="is not TOML"):
        read_catalog(binary)
    deep = tmp_path / "deep.toml"
    deep.write_text(f"plans = {'[' * 5_000}{']' * 5_000}")
    with pytest.raises(WrongCatalog):
        read_catalog(deep)
