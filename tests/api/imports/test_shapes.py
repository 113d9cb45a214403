"""Every shape of file that people have becomes the right deductions; profiles know them by their columns."""

import asyncio
from pathlib import Path
from tempfile import NamedTemporaryFile
from zoneinfo import ZoneInfo

import pytest

from api.cli.progress import Lines
from api.contract.operations import Defaults
from api.imports.checking import Checked, check
from api.imports.files.dialect import DialectOptions
from api.imports.formulas.errors import FormulaError
from api.imports.formulas.formula import Formula
from api.imports.formulas.vocabulary import Vocabulary
from api.imports.profiles import PROFILES, detect
from api.imports.rating import OptionProblem, Options, Rated
from api.imports.wishes import Recognised, Wishes, example_of, options_for, recognise
from tests.api.imports.shapes import SHAPES, Charge, Shape


def options_of(path: Path, shape: Shape) -> Options:
    said = dict(shape.options)
    told = DialectOptions(said.pop("encoding", None), said.pop("delimiter", None), said.pop("decimal", None))
    zone = said.pop("time_zone", None)
    wishes = Wishes("job", shape.profile, dialect=told, time_zone=ZoneInfo(zone) if zone else None, **said)
    return options_for(wishes, recognise(path, told))


def checked(folder: Path, shape: Shape) -> Checked:
    path = folder / "usage.csv"
    path.write_bytes(shape.content)
    return asyncio.run(check(path, options_of(path, shape), Defaults(), Lines()))


def charge(rated: Rated) -> Charge:
    said = rated.body.model_dump()
    usage, metadata = said["usage"] or {}, said["metadata"] or {}
    tokens = usage.get("input_tokens"), usage.get("output_tokens")
    return Charge(rated.account_id, rated.amount, *tokens, metadata.get("occurred_at"), usage.get("model"))


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_becomes_the_right_deductions(tmp_path: Path, name: str) -> None:
    shape = SHAPES[name]
    found = checked(tmp_path, shape)
    assert tuple(map(charge, found.first)) == shape.right
    tally = found.tally
    assert (tally.skipped, tally.empty, found.incidental.total_count) == (shape.skipped, shape.empty, shape.totals)
    assert len({rated.key for rated in found.first}) == len(shape.right)


def test_every_profile_has_a_file_here() -> None:
    assert {shape.profile for shape in SHAPES.values()} - {None} == set(PROFILES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_is_detected_by_its_columns(tmp_path: Path, name: str) -> None:
    path = tmp_path / "usage.csv"
    path.write_bytes(SHAPES[name].content)
    found = recognise(path, DialectOptions(SHAPES[name].options.get("encoding")))
    assert (found.profile.name if found.profile else None) == SHAPES[name].profile


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_needs_no_column_but_those_by_which_it_is_known(name: str) -> None:
    """Exports gain and lose columns: what a file lacks is left out."""
    profile = PROFILES[name]
    columns = list(profile.signature)
    assert detect(columns) == profile
    found = recognise_columns(columns)
    options = options_for(Wishes("job", name, "ada", "1"), found)
    known = Vocabulary(columns, names=options.names)
    for text in (*options.names.values(), example_of(profile, columns)):
        Formula("a name", text, known)
    for field in ("input_tokens", "output_tokens"):
        if field in options.usage:
            Formula(field, options.usage[field], known)


def recognise_columns(columns: list[str]) -> Recognised:
    """What a file with some columns is."""
    with NamedTemporaryFile("w", suffix=".csv") as file:
        file.write(",".join(f'"{name}"' for name in columns) + "\n")
        file.flush()
        return recognise(Path(file.name), DialectOptions())


@pytest.mark.parametrize("name", PROFILES)
def test_the_example_of_a_profile_works(name: str) -> None:
    shape = next(shape for shape in SHAPES.values() if shape.profile == name)
    columns = shape.content.decode("utf-8-sig").splitlines()[0].replace('"', "").split(",")
    options = options_for(Wishes("job", name, "ada", PROFILES[name].example), recognise_columns(columns))
    Formula("--amount", options.amount, Vocabulary(columns, names=options.names))


@pytest.mark.parametrize(
    ("wishes", "problem"),
    [
        (Wishes("job", "nobody"), "--from: there is no profile 'nobody'; there are openrouter, openai-usage,"),
        (Wishes("job", "litellm"), "--from litellm: the file lacks the columns 'request_id', 'spend', 'startTime' of"),
        (Wishes("job", "litellm"), "it looks like --from cursor"),
        (Wishes("job", "cursor"), "--account is missing: name the column of the account, such as '{user}'; there are"),
        (
            Wishes("job", "cursor", "ada"),
            "such as 'ceil(cost * 100)'; --from cursor knows cost, output_tokens, requests",
        ),
        (Wishes("job", account="ada"), "such as 'ceil(cost * 100)'; --from cursor knows cost"),
    ],
)
def test_what_is_missing_is_told_with_what_would_do(wishes: Wishes, problem: str) -> None:
    found = recognise_columns(list(PROFILES["cursor"].signature))
    with pytest.raises(OptionProblem) as caught:
        options_for(wishes, found)
    assert problem in str(caught.value)


def test_an_option_counts_before_the_profile(tmp_path: Path) -> None:
    shape = SHAPES["OpenRouter, activity"]
    said = {"account": "all", "amount": "tokens_prompt", "key": "{row}", "usage": {"model": "one"}}
    found = checked(tmp_path, Shape("openrouter", shape.content, (), said))
    assert [charge(rated)[:2] for rated in found.first] == [("all", 812), ("all", 30), ("all", 9)]
    assert [rated.key for rated in found.first] == ["import-key:0", "import-key:1", "import-key:2"]
    assert {charge(rated).model for rated in found.first} == {"one"}


def test_a_name_of_a_profile_is_told_when_it_is_misspelt(tmp_path: Path) -> None:
    shape = SHAPES["Cursor"]
    with pytest.raises(FormulaError, match="'cost', 'input_tokens', 'output_tokens', 'requests'"):
        checked(tmp_path, Shape("cursor", shape.content, (), {"amount": "costs"}))


# Keys.


def keyed(folder: Path, content: str, key: str) -> Checked:
    return checked(folder, Shape(None, content.encode(), (), {"account": "ada", "amount": "n", "key": key}))


def test_the_key_and_the_task_of_a_row_are_its_own(tmp_path: Path) -> None:
    """Wherever the row stands, and whatever the job is called."""
    [one, two] = keyed(tmp_path, "id,n\nx%é,1\ny,2\n", "{id}").first
    [again, _] = keyed(tmp_path, "n,id\n1,x%é\n3,z\n", "{id}").first
    assert (one.key, one.body) == (again.key, again.body)
    assert (one.key, two.key) == ("import-key:x%25%C3%A9", "import-key:y")
    assert one.body.model_dump()["task_id"] == "x%é"


def test_a_long_key_becomes_its_digest(tmp_path: Path) -> None:
    found = keyed(tmp_path, f"id,n\n{'x' * 129},1\n{'x' * 300}a,1\n{'x' * 300}b,1\n", "{id}")
    tasks = [rated.body.model_dump()["task_id"] for rated in found.first]
    assert [task.startswith("sha256:") for task in tasks] == [True] * 3
    assert [rated.key.startswith("sha256:") for rated in found.first] == [False, True, True]
    assert len({rated.key for rated in found.first}) == len(set(tasks)) == 3


def test_values_that_are_divided_in_another_way_are_another_row(tmp_path: Path) -> None:
    """The key of a profile joins the values of its columns, and people may choose these: their own name, for one."""
    head = "usage_date_utc,model,workspace,api_key,token_type,cost_usd\n2026-11-02,m,"
    rows = ["a|b,c,t,1", "a,b|c,t,1", "a|b|c,,t,1", ",a|b|c,t,1", "a,b,c|t,1", "a|b,c,t,2"]
    content = "".join(f"2026-11-02,m,{row}\n" for row in rows)
    told = {"account": "ada", "amount": "ceil(cost)"}
    keys = [
        one.key
        for one in checked(tmp_path, Shape("anthropic-cost", f"{head}x,y,t,1\n{content}".encode(), (), told)).first
    ]
    assert keys[0] == "import-key:anthropic-cost:2026-11-02|m|x|y|t"
    assert len(set(keys[1:6])) == 5
    assert keys[6] == keys[1]


def test_a_row_without_a_key_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"row 1 \(line 3\): --key is empty, so nothing says which row it is"):
        keyed(tmp_path, "id,n\na,1\n,1\n", "{id}")


def test_keys_that_a_file_has_twice_are_counted(tmp_path: Path) -> None:
    assert keyed(tmp_path, "id,n\na,1\na,1\nb,1\na,2\n", "{id}").keys_again == 2
