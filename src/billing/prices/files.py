"""A price book as a file: `[[rates]]` in TOML, or the same as JSON. It is what people write, review and publish."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from billing.document_files import document_in, read_document
from billing.errors import WrongPriceBook
from billing.prices.document import BookDocument, RateBody


def read_book(path: Path) -> BookDocument:
    """Read a file. Raises WrongPriceBook, in one line, for one that cannot be read or is no price book."""
    return read_document(path, BookDocument, WrongPriceBook)


def book_in(name: str, content: bytes) -> BookDocument:
    """Read what is in a file with a name. Raises WrongPriceBook, in one line."""
    return document_in(name, content, BookDocument, WrongPriceBook)


def as_toml(rates: Iterable[RateBody], comments: Iterable[str] = ()) -> str:
    """The text of a file of rates, under some lines of comment."""
    heads = "".join(f"# {line}\n" if line else "#\n" for line in comments)
    return heads + "".join(f"\n{_rate(rate.model_dump(mode='json'))}" for rate in rates)


def _rate(rate: Mapping[str, Any]) -> str:
    lines = ["[[rates]]"]
    lines += [f"{name} = {_value(rate[name])}" for name in ("provider", "model", "metric") if rate[name] != "*"]
    lines += ["charges = [", *(f"  {_value(charge)}," for charge in rate["charges"]), "]"]
    if rate["minimum"] != "0":
        lines.append(f"minimum = {_value(rate['minimum'])}")
    if rate["free"]:
        lines.append(f"free = {_value(rate['free'])}")
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    match value:
        case str():
            return f'"{"".join(_escaped(value))}"'
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(f'{name} = {_value(part)}' for name, part in value.items() if part is not None)} }}"
        case _:
            return str(value)


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        yield f"\\{character}" if character in '"\\' else character
