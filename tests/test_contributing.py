"""The checklists of docs/contributing.md name the files that they should: no more, no fewer."""

import re
from typing import NamedTuple

import pytest

from tests.test_house import ROOT, listed, tracked

PAGE = ROOT / "docs" / "contributing.md"
_SECTION = re.compile(
    r"^### (?P<kind>[^\n]+)\n\n[^`]*(?P<example>(?:`[^`]+`(?:, | and )?)+)(?P<rest>.*?)(?=^##|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ITEM = re.compile(r"^- `([^`]+)`", re.MULTILINE)
_COUNTED = ("src/", "docs/")
_NOT_COUNTED = ("docs/adr/", "docs/contributing.md", "docs/performance.md", "docs/reliability.md", "src/api/demo/")
"""Decisions, reports, the page itself, and the demo, which uses everything and has to know of nothing."""


class Checklist(NamedTuple):
    """One list: what its example is called in the code, and the files that it names."""

    kind: str
    example: tuple[str, ...]
    files: frozenset[str]


def checklists() -> list[Checklist]:
    return [
        Checklist(
            found["kind"],
            tuple(re.findall(r"`([^`]+)`", found["example"])),
            frozenset(_ITEM.findall(found["rest"])),
        )
        for found in _SECTION.finditer(PAGE.read_text().partition("## Checklists")[2])
    ]


LISTS = checklists()


def mentioning(words: tuple[str, ...]) -> set[str]:
    """The files whose text or name has one of some words."""
    word = re.compile("|".join(map(_as_word, words)))
    return {
        name
        for path in tracked()
        if path.suffix in {".py", ".md", ".sql", ".html", ".txt", ".toml", ".json"}
        if word.search(name := str(path.relative_to(ROOT))) or word.search(path.read_text())
    }


def _as_word(one: str) -> str:
    """A pattern that does not begin or end within a longer word."""
    before, after = (r"(?<!\w)" if one[0].isalnum() else ""), (r"(?!\w)" if one[-1].isalnum() else "")
    return f"{before}{re.escape(one)}{after}"


def test_every_kind_has_its_list() -> None:
    kinds = [one.kind for one in LISTS]
    assert kinds == [
        "A new event type",
        "A new command",
        "A new read model",
        "A new query",
        "A new page",
        "A new setting",
        "A new error code",
        "A new command of the command line",
    ]


@pytest.mark.parametrize("checklist", LISTS, ids=[one.kind for one in LISTS])
def test_a_list_names_the_files_that_mention_its_example(checklist: Checklist) -> None:
    found = mentioning(checklist.example)
    wanted = {path for path in found if path.startswith(_COUNTED) and not path.startswith(_NOT_COUNTED)}
    named = {path for path in checklist.files if path.startswith(_COUNTED)}
    offenders = [f"{path} is not in the list" for path in sorted(wanted - named)]
    offenders += [f"{path} does not mention {checklist.example}" for path in sorted(checklist.files - found)]
    assert not offenders, listed(offenders)
