"""Formulas and templates: exact, bounded, and with clear errors."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from api.imports.files.cell_numbers import number_reader
from api.imports.files.row import FileProblem, Row, RowProblem
from api.imports.formulas.errors import MAX_LENGTH, FormulaError
from api.imports.formulas.formula import Formula, Template, literal_template
from api.imports.formulas.parser import MAX_DEPTH
from api.imports.formulas.price_file import PriceFile, read_prices
from api.imports.formulas.vocabulary import Vocabulary

NAMES_OF_COLUMNS = ["Input", "Output", "Unit price", "größe", "row", "class", "a`b", "max"]
COLUMNS = Vocabulary(NAMES_OF_COLUMNS)
NAMES = ["Input", "Output", "`Unit price`", "größe", "`row`", "`class`", "`a``b`", "max"]
"""How a formula writes them."""


def row(*cells: str, number: int = 0) -> Row:
    return Row(number, number + 2, [*cells, *["0"] * (len(NAMES_OF_COLUMNS) - len(cells))])


def value(text: str, *cells: str, number: int = 0) -> int:
    return Formula("--amount", text, COLUMNS).integer(row(*cells, number=number))


# Against another way to work it out: trees of tuples, and fractions all the way.

Tree = tuple[Any, ...]
_LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "negative": 3}


def floor_of(number: Fraction) -> Fraction:
    return Fraction(number.numerator // number.denominator)


def worked_out(tree: Tree, cells: list[int], number: int) -> Fraction:
    """Raises ZeroDivisionError."""
    name, *parts = tree
    if name == "integer":
        return Fraction(tree[1])
    if name == "column":
        return Fraction(cells[tree[1]])
    if name == "row":
        return Fraction(number)
    values = [worked_out(part, cells, number) for part in parts]
    ways: dict[object, Callable[[], Fraction]] = {
        "+": lambda: values[0] + values[1],
        "-": lambda: values[0] - values[1],
        "*": lambda: values[0] * values[1],
        "/": lambda: values[0] / values[1],
        "//": lambda: floor_of(values[0] / values[1]),
        "%": lambda: values[0] - values[1] * floor_of(values[0] / values[1]),
        "negative": lambda: 0 - values[0],
        "abs": lambda: values[0] if values[0] > 0 else 0 - values[0],
        "ceil": lambda: 0 - floor_of(0 - values[0]),
        "floor": lambda: floor_of(values[0]),
        "min": lambda: next(one for one in values if all(one <= other for other in values)),
        "max": lambda: next(one for one in values if all(one >= other for other in values)),
    }
    return ways[name]()


def level(tree: Tree) -> int:
    return _LEVELS.get(str(tree[0]), 4)


def written(tree: Tree) -> str:
    """With no parentheses but those that it needs."""
    name, *parts = tree
    if name == "integer":
        return str(tree[1])
    if name == "column":
        return NAMES[int(tree[1])]
    if name == "row":
        return "row"
    texts = [written(part) for part in parts]
    if name == "negative":
        return "-" + (f"({texts[0]})" if level(tree[1]) < 3 else texts[0])
    if name not in _LEVELS:
        return f"{name}({', '.join(texts)})"
    left = f"({texts[0]})" if level(tree[1]) < level(tree) else texts[0]
    right = f"({texts[1]})" if level(tree[2]) <= level(tree) else texts[1]
    return f"{left} {name} {right}"


def larger(part: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    two = st.tuples(st.sampled_from(["+", "-", "*", "/", "//", "%"]), part, part)
    one = st.tuples(st.sampled_from(["negative", "abs", "ceil", "floor"]), part)
    many = st.lists(part, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from(["min", "max"]).map(lambda name: (name, *parts))
    )
    return st.one_of(two, one, many)


leaves: st.SearchStrategy[Tree] = st.one_of(
    st.tuples(st.just("integer"), st.integers(0, 1_000)),
    st.tuples(st.just("column"), st.integers(0, len(NAMES_OF_COLUMNS) - 1)),
    st.just(("row",)),
)
trees = st.recursive(leaves, larger, max_leaves=12)
cells_ = st.lists(st.integers(-50, 10_000), min_size=len(NAMES_OF_COLUMNS), max_size=len(NAMES_OF_COLUMNS))


@given(trees, cells_, st.integers(0, 10**7))
def test_a_formula_is_worked_out_exactly(tree: Tree, cells: list[int], number: int) -> None:
    text = written(tree)
    assume(len(text) <= MAX_LENGTH)
    formula = Formula("--amount", text, COLUMNS)
    this = Row(number, number + 2, [str(cell) for cell in cells])
    try:
        right = worked_out(tree, cells, number)
    except ZeroDivisionError:
        with pytest.raises(RowProblem, match="divides by zero"):
            formula.value(this)
        return
    assert formula.value(this) == right
    assert isinstance(formula.value(this), int | Fraction)
    if right.denominator == 1:
        assert formula.integer(this) == right
    else:
        with pytest.raises(RowProblem, match="not an integer"):
            formula.integer(this)


@given(st.text(alphabet="abIn +-*/%()`{}0129.,#'\\\n\"=:[]lambdceil", max_size=40))
@example("\0")
@example("\ud800")
@example("1if 1 else 2")
def test_any_text_is_a_formula_or_a_clear_error(text: str) -> None:
    """No other exception may come from a typed text."""
    try:
        Formula("--amount", text, Vocabulary(["a", "b", "In"]))
    except FormulaError as error:
        position = error.position
    else:
        position = 0
    assert 0 <= position <= len(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("ceil((Input + 3 * Output) / 100)", 6),
        ("Input // 100 - -Output", 47),
        ("(Input / 3) * 3", 374),
        ("max(Input, Output) % 100", 74),
        ("  row\n* 2", 14),
        ("1_000", 1_000),
        ("max(max, 3)", 3),
        ("ceil(0.0025 * Input)", 1),
        ("0.1 * 30 + 1.2e1", 15),
        ("round(Input / 4)", 94),
        ("round(-Input / 4)", -94),
        ("`Unit price` or 5", 0),
        ("lower('ABC') or 5 or Input", "abc"),
        ("or(replace(upper('a'), 'A', ''), Input)", 374),
        ("Output or (Input) or or(1)", 44),
    ],
)
def test_examples(text: str, right: int | str) -> None:
    if isinstance(right, str):
        assert Template("--task", f"{{{text}}}", COLUMNS).text(row("374", "44", number=7)) == right
    else:
        assert value(text, "374", "44", number=7) == right


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", "a formula is missing", 1),
        ("   ", "a formula is missing", 4),
        ("Input +", "invalid syntax", 8),
        ("(Input", "'(' was never closed", 1),
        ("Input)", "unmatched ')'", 6),
        ("größe + Tokens", "there is no column 'Tokens'; there are 'Input', 'Output', 'Unit price'", 9),
        ("2 * Unit price", "invalid syntax (write the column 'Unit price' as `Unit price`)", 10),
        ("2 * `Unit price", "this backtick has no partner", 5),
        ("2 * `Input`x", "there is no column", 5),
        ("Input ** 2", "this is not understood; a formula has columns, row, numbers", 1),
        ("1e999 * Input", "this number is too large or has too many digits", 1),
        ("0." + "0" * 80 + "1", "this number is too large or has too many digits", 1),
        ("Input * '2'", "a text is no number here", 9),
        ("'Input'", "a text is no number here", 1),
        ("Input * 'a\\b'", "is not allowed in a formula", 11),
        ("1j", "this is not understood", 1),
        ("b'x'", "this is not understood", 1),
        ("Input and Output", "this is not understood", 1),
        ("lower()", "lower() takes at least one value, not 0", 1),
        ("lower(Input, Output)", "lower() takes exactly one value, not 2", 1),
        ("replace(Input, 'a')", "replace() takes at least 3 values, not 2", 1),
        ("replace(Input, 'a', 'b', 'c')", "replace() takes a text, then pairs of an old and a new text, not 4", 1),
        ("lookup(Input, 'price')", "lookup() needs a file of prices: name it with --prices", 1),
        ("Input # tokens", "'#' is not allowed in a formula", 7),
        ("Input if row else 0", "this is not understood", 1),
        ("Input == 1", "this is not understood", 1),
        ("Input.real", "this is not understood", 1),
        ("+Input", "this is not understood", 1),
        ("True", "this is not understood", 1),
        ("sqrt(Input)", "there is no function 'sqrt'; there are abs, ceil, floor, lookup, lower, max, min, or,", 1),
        ("ceil(Input, 2)", "ceil() takes exactly one value, not 2", 1),
        ("1 + min()", "min() takes at least one value, not 0", 5),
        ("min(*Input)", "this is not understood", 5),
        ("min(Input, key=row)", "this is not understood", 1),
        ("9" * 50, "this number is too large", 1),
        ("-" * 200 + "1", f"it is nested more than {MAX_DEPTH} levels deep", 101),
        ("-" * 900 + "1", "", 1),
        ("(" * 300 + "1" + ")" * 300, "too many nested parentheses", 201),
        ("1" + "+1" * 500, "it has 1,001 characters; at most 1,000 are allowed", 1_001),
    ],
)
def test_a_bad_formula_is_refused_and_its_place_is_named(text: str, problem: str, position: int) -> None:
    with pytest.raises(FormulaError) as caught:
        Formula("--amount", text, COLUMNS)
    assert problem in caught.value.problem
    if problem:
        assert caught.value.position == position - 1


def test_an_error_marks_the_place() -> None:
    with pytest.raises(FormulaError) as caught:
        Formula("--amount", "ceil((Inpt + 3) / 100)", Vocabulary(["Input", "Output"]))
    assert str(caught.value) == (
        "--amount, position 7: there is no column 'Inpt'; there are 'Input', 'Output'\n"
        "    ceil((Inpt + 3) / 100)\n"
        "          ^"
    )


@pytest.mark.parametrize(
    ("text", "cells", "problem"),
    [
        ("Input + 1", ["12.5"], "--amount is 27/2, not an integer: use ceil(), floor() or round()"),
        ("Input + 1", [""], "column 'Input' is empty; write `or 0` after it if empty means 0"),
        ("Input + 1", ["1,00"], "column 'Input' is '1,00', and the decimal sign is '.': if it is another one, say"),
        ("Input + 1", ["٣"], "column 'Input' is '٣', not a number"),
        ("Input + 1", ["9" * 41], "which has too many digits or is not one number"),
        ("Input + 1", ["1e999999999"], "which has too many digits or is not one number"),
        ("lower(Input) + 1", ["Free"], "lower(Input) is 'free', not a number"),
        ("or(Input, Output) + 1", ["", ""], "or(Input, Output) is empty"),
        ("replace(Input, `Unit price`, 'b')", ["a", "0", ""], "replace() has an empty text to replace"),
        ("Input * (replace(`Unit price`, 'a', `row`) or 1)", ["1", "", "a" * 200, "0", "b" * 200], "10,000 characters"),
        ("Input / 100", ["374"], "--amount is 187/50, not an integer: use ceil(), floor() or round()"),
        ("Input / (Output - 44)", ["1", "44"], "--amount divides by zero: Output - 44 is 0 here"),
        ("Input % `Unit price`", ["1", "1", "0"], "--amount divides by zero: `Unit price` is 0 here"),
        ("*".join(["Input"] * 60), ["9" * 40], "--amount is a number of more than 40 digits"),
    ],
)
def test_a_row_that_cannot_be_worked_out_says_why(text: str, cells: list[str], problem: str) -> None:
    with pytest.raises(RowProblem) as caught:
        value(text, *cells)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("user-{row % 500}", "user-7"),
        ("{Input}", "Ann"),
        ("{`Unit price`}/{row}", "x y/7"),
        ("{{{Input}}}", "{Ann}"),
        ("{ `row` }", "0"),
        ("", ""),
        ("{lower(Input)}-{upper('é')}", "ann-É"),
        ("{Output or 'nobody'}", "3"),
        ("{`größe` or 'nobody'}", "0"),
        ("{replace(`Unit price`, ' ', '-', 'y', 'z')}", "x-z"),
    ],
)
def test_templates(text: str, right: str) -> None:
    assert Template("--account", text, COLUMNS).text(row("Ann", "3", "x y", number=7)) == right


@given(st.text(max_size=400))
def test_text_is_kept_literally(text: str) -> None:
    assert Template("--task", literal_template(text), COLUMNS).text(row()) == text


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("user-{row", "this brace has no partner", 6),
        ("user-row}", "this brace has no partner", 9),
        ("user-{}", "a formula is missing", 7),
        ("user-{customer}", "there is no column 'customer'", 7),
        ("a{row}b{1.5 * }", "invalid syntax", 14),
        ("{" + "`" * 900, "this brace has no partner", 1),
        ("x" * 1_001, "it has 1,001 characters", 1_001),
    ],
)
def test_a_bad_template_is_refused_and_its_place_is_named(text: str, problem: str, position: int) -> None:
    with pytest.raises(FormulaError) as caught:
        Template("--account", text, COLUMNS)
    assert problem in caught.value.problem
    assert caught.value.position == position - 1


PRICES = PriceFile(
    ["model", "input", "maker"],
    {
        "small": ["small", "0.5", "us"],
        "small-*": ["small-*", "0.25", "us"],
        "small-new*": ["small-new*", "1.2e-05", "them"],
        "*": ["*", "9", ""],
    },
    number_reader("."),
)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("small", Fraction(1, 2)),
        ("small-2026", Fraction(1, 4)),
        ("small-new-2026", Fraction(12, 10**6)),
        ("smaller", 9),
        ("*", 9),
    ],
)
def test_prices_are_looked_up_by_name_and_by_the_longest_beginning(model: str, price: Fraction) -> None:
    known = Vocabulary(["model"], prices=PRICES)
    assert Formula("--amount", "lookup(model, 'input') * 2", known).value(Row(0, 2, [model])) == 2 * price


def test_a_template_makes_no_text_without_bounds() -> None:
    template = Template("--task", "{Input}" * 100, COLUMNS)
    assert len(template.text(row("x" * 1_000))) == 100_000
    with pytest.raises(RowProblem, match="--task makes a text of more than 100,000 characters"):
        template.text(row("x" * 1_001))


def test_a_name_without_a_price() -> None:
    prices = PriceFile(["model", "input"], {"small": ["small", "1"]}, number_reader("."))
    known, this = Vocabulary(["model"], prices=prices), Row(0, 2, ["large"])
    with pytest.raises(RowProblem, match="the price file has no 'large'"):
        Formula("--amount", "lookup(model, 'input')", known).value(this)
    assert Formula("--amount", "lookup(model, 'input', 7)", known).value(this) == 7
    with pytest.raises(FormulaError, match="the price file has no column 'output'; it has 'input'"):
        Formula("--amount", "lookup(model, 'output')", known)


def test_a_price_file_has_a_dialect_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Modell;Preis\nklein;0,25\n")
    known = Vocabulary(["model"], prices=read_prices(path))
    assert Formula("--amount", "lookup(model, 'Preis')", known).value(Row(0, 2, ["klein"])) == Fraction(1, 4)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("model,input\na,1\na,2\n", "row 1 (line 3) has the name 'a' again"),
        ("model,input\na\n", "row 0 (line 2) has 1 values, and the first line names 2 columns"),
        ("model\na\n", "it has no prices: its only column is 'model'"),
        ("", "the first line must name the columns"),
    ],
)
def test_price_files_that_are_bad(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(content)
    with pytest.raises(FileProblem, match=re.escape(problem)) as caught:
        read_prices(path)
    assert str(path) in str(caught.value)


def test_the_names_of_a_profile_are_formulas() -> None:
    known = Vocabulary(["Cost", "n"], names={"cost": "replace(lower(Cost), 'free', '0') or 0", "n": "99"})
    assert Formula("--amount", "ceil(cost * 100) + n", known).value(Row(0, 2, ["$0.421", "1"])) == 44
    assert Formula("--amount", "ceil(cost * 100) + n", known).value(Row(0, 2, ["Free", "1"])) == 1
    with pytest.raises(FormulaError, match="there is no column 'spend'; there are 'Cost', 'n', 'cost'"):
        Formula("--amount", "spend", known)
