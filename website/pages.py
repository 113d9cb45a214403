"""The pages as the generator reads them: where they are in the repository, so that their links mean the same.

A page is in the site if it is below `docs`, or if a page of the site links to it. What else is linked is a file to
download. `docs/index.md` lists the pages, and the menu of the site is made from it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from website.reference import reference_pages

INDEX = Path("docs/index.md")
DECISIONS = Path("docs/adr/README.md")
REFERENCE = Path("docs/reference")
"""Pages that are in the site alone."""

_ORPHAN = "---\norphan: true\n---\n\n"
"""Put before a page that is in no menu: what leads to it are links of other pages."""
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
_ENTRY = re.compile(r"^- \[([^]]+)\]\(([^)#]+)\.md\)", re.MULTILINE)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_SECTION = re.compile(r"^## (.+)\n", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def lay_out(root: Path, folder: Path, document: dict[str, Any]) -> None:
    """Put all pages of a repository, and those of the API reference, into an empty folder."""
    reference = {REFERENCE / name: text for name, text in reference_pages(document).items()}
    listed = {place.relative_to(root) for place in linked(root / INDEX)}
    places = found(root)
    texts = {place: (root / place).read_text(encoding="utf-8") for place in places if place.suffix == ".md"}
    texts = {place: text if _is_in_the_menu(place, listed) else _ORPHAN + text for place, text in texts.items()}
    texts[DECISIONS] += _list({place: text for place, text in texts.items() if _is_decision(place)}, DECISIONS)
    texts[INDEX] = _index(texts[INDEX], reference)
    for place, text in {**texts, **reference}.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    for place in places - texts.keys():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / place, folder / place)


def _is_decision(place: Path) -> bool:
    return place.parent == DECISIONS.parent and place != DECISIONS


def _is_in_the_menu(place: Path, listed: set[Path]) -> bool:
    """A page of docs belongs there, listed or not, so that the generator finds one that is in no list."""
    return place in listed or (place.is_relative_to("docs") and not _is_decision(place))


def found(root: Path) -> set[Path]:
    """The pages and files of the site, relative to the repository."""
    waiting = sorted((root / "docs").rglob("*.md"))
    seen = set(waiting)
    while waiting:
        new = linked(waiting.pop()) - seen
        seen |= new
        waiting += [place for place in new if place.suffix == ".md"]
    return {place.relative_to(root) for place in seen}


def linked(page: Path) -> set[Path]:
    """The files that a page links to and shows. What is not there is left to the generator to find."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    targets = (Path(os.path.normpath(page.parent / target)) for target in _LINK.findall(text))
    return {target for target in targets if target.is_file()}


def _index(text: str, reference: dict[Path, str]) -> str:
    """The list of all pages, with the reference, and the menu that follows from it."""
    text += "\n## API reference\n" + _list(reference, INDEX)
    return text + "".join(_menu(caption, entries) for caption, entries in _sections(text))


def _list(pages: dict[Path, str], page: Path) -> str:
    """Links to pages by their titles, for another page."""
    titles = {place: _TITLE.findall(text)[0] for place, text in sorted(pages.items())}
    return "".join(["\n", *(f"- [{title}]({place.relative_to(page.parent)})\n" for place, title in titles.items())])


def _sections(index: str) -> Iterator[tuple[str, list[str]]]:
    """Each section of the list, with the pages that it names, as entries of a menu."""
    _, *parts = _SECTION.split(index)
    for caption, text in zip(parts[::2], parts[1::2], strict=True):
        yield caption, [f"{title} <{place}>" for title, place in _ENTRY.findall(text)]


def _menu(caption: str, entries: list[str]) -> str:
    lines = [":hidden:", f":caption: {caption}", "", *entries]
    return "\n```{toctree}\n" + "\n".join(lines) + "\n```\n"
