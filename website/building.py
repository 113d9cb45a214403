"""From the repository to the site: the pages are laid out with the reference, and Sphinx makes HTML of them."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sphinx.cmd.build import build_main

from website.pages import lay_out

_HERE = Path(__file__).parent
_FIRST = "docs/index.html"
_MENDED = {
    ' role="heading"': ' role="heading" aria-level="2"',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    '<th class="head"><p></p></th>': '<td class="head"></td>',
}
"""What the generator and its theme do not tell screen readers: the level of captions, which landmark is which, and that
a column without a name has no header."""


class BuildFailed(Exception):
    """Something is wrong with a page; the generator has said what."""


def build(root: Path, site: Path, document: dict[str, Any]) -> Path:
    """Make the site of a repository, with a reference of an OpenAPI document, in a folder, whose content is replaced.

    Returns its first page. Raises BuildFailed for anything that the generator warns of: a link to nothing, a page in no
    list.
    """
    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="docs-") as made:
        pages = Path(made, "pages")
        lay_out(root, pages, document)
        if build_main(_arguments(pages, Path(made, "doctrees"), site)) != 0:
            raise BuildFailed("The site is not built: see the warnings above.")
    for page in site.rglob("*.html"):
        page.write_text(_mended(page.read_text(encoding="utf-8")), encoding="utf-8")
    (site / "index.html").write_text(_redirect(), encoding="utf-8")
    return site / _FIRST


def _arguments(pages: Path, doctrees: Path, site: Path) -> list[str]:
    options = ["--builder", "html", "--fail-on-warning", "--quiet", "--jobs", "auto"]
    return [*options, "--conf-dir", str(_HERE), "--doctree-dir", str(doctrees), str(pages), str(site)]


def _mended(html: str) -> str:
    for wrong, right in _MENDED.items():
        html = html.replace(wrong, right)
    return html


def _redirect() -> str:
    """The page of the folder itself. Pages keep their places in the repository, so the first one is in `docs`."""
    head = f'<meta charset="utf-8"><title>Credit ledger</title><meta http-equiv="refresh" content="0; url={_FIRST}">'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><a href="{_FIRST}">Credit ledger</a></body></html>'
