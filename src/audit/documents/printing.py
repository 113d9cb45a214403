"""Prints a document as PDF: the same figures make the same bytes, on every machine with the same printer.

The printer is Typst, which is imported with the first document. What it is given is data, never markup. It prints
PDF/A-3b with PDF/UA-1, whose fonts must have every character. Those that Typst brings have Latin, Greek and Cyrillic
letters; a document with others is printed with the fonts of the machine, and without the standards if these lack some.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import local
from typing import Any, Literal

import orjson

from audit.documents.document import Fonts, Form

FONT = "Libertinus Serif"
"""The font of texts, which Typst brings, as it brings the one of ids."""
PNG = b"\x89PNG\r\n\x1a\n"
"""The beginning of a PNG file."""
_PAGE = re.compile(rb"/Type/Page\b")
_LISTS, _MORE_THAN_A_PAGE = ("lots", "entries", "money"), 100
"""The figures that have a row for each, and how many rows no page can have."""
_NO_GLYPH = "could not be displayed with"
_Standards = tuple[Literal["a-3b", "ua-1"], ...]


class CannotPrint(Exception):
    """The PDF cannot be made. The message says why."""


class LacksGlyphs(CannotPrint):
    """The fonts that Typst brings lack a character of the document."""


@cache
def printer() -> str:
    """The program that prints, with its version."""
    return f"typst {version('typst')}"


@dataclass(frozen=True, slots=True)
class Print:
    """What is printed: a template, its figures, and the proof that is attached. `logo` is an SVG or PNG in base64."""

    template: str
    form: Form
    figures: dict[str, Any]
    proof: bytes
    logo: str | None = None


def print_pdf(wanted: Print, fonts: Fonts, folders: Sequence[Path] = ()) -> bytes:
    """The PDF. `folders` have fonts beside those of the system. Raises LacksGlyphs, and CannotPrint for all else."""
    if wanted.form > 1 and sum(len(wanted.figures.get(name, ())) for name in _LISTS) < _MORE_THAN_A_PAGE:
        pdf = _print(wanted, {"page_numbers": False}, fonts, folders)
        if pages_in(pdf) == 1:
            return pdf
    return _print(wanted, {"page_numbers": True}, fonts, folders)


def pages_in(pdf: bytes) -> int:
    """The number of pages of a PDF of this printer."""
    return len(_PAGE.findall(pdf))


def _print(wanted: Print, more: Mapping[str, Any], fonts: Fonts, folders: Sequence[Path]) -> bytes:
    """The PDF, with `more` figures."""
    logo = "logo.svg" if wanted.logo is not None else None
    figures = {**wanted.figures, "form": wanted.form, "logo": logo, "fonts": [FONT], **more}
    sources = {**_sources(wanted.template), "figures.json": orjson.dumps(figures), "proof.json": wanted.proof}
    if wanted.logo is not None:
        sources["logo.svg"] = _as_svg(wanted.logo)
    compiler = _compiler(fonts, tuple(folders))
    try:
        return _printed(compiler, sources, ("a-3b", "ua-1"))
    except LacksGlyphs:
        if fonts == "embedded":
            raise
        return _printed(compiler, sources, ())


def _as_svg(logo: str) -> bytes:
    """A picture as SVG. The printer takes only texts, so a PNG is put into one, with the size that its head says."""
    content = b64decode(logo)
    if not content.startswith(PNG):
        return content
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    size = f'width="{width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="data:image/png;base64,{logo}"/></svg>'
    ).encode()


def _printed(compiler: Any, sources: Any, standards: _Standards) -> bytes:

    try:
        pdf = compiler.compile(sources, pdf_standards=[*standards])
    except RuntimeError as error:  # TypstError is one, and some are plain
        problem = str(error)
        raise (LacksGlyphs if _NO_GLYPH in problem else CannotPrint)(problem) from error
    assert isinstance(pdf, bytes)
    return pdf


class _Compilers(local):
    """The compilers of a thread: they keep their fonts, and let other threads run."""

    def __init__(self) -> None:
        self.made: dict[tuple[Fonts, tuple[Path, ...]], Any] = {}


_compilers = _Compilers()


def _compiler(fonts: Fonts, folders: tuple[Path, ...]) -> Any:
    from typst import Compiler

    made = _compilers.made
    if (fonts, folders) not in made:
        empty: Any = {"main.typ": b""}
        made[fonts, folders] = Compiler(
            empty, ignore_system_fonts=fonts == "embedded", font_paths=[str(folder) for folder in folders]
        )
    return made[fonts, folders]


def _sources(template: str) -> dict[str, bytes]:
    return {"main.typ": _source(f"{template}.typ"), "house.typ": _source("house.typ")}


@cache
def _source(name: str) -> bytes:
    return (files("audit.documents") / name).read_bytes()
