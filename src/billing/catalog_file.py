"""A catalogue as a TOML file: a table for each plan, `[plans.pro]`, and for each package, `[packages.small]`."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from billing.catalog_changes import Wanted
from billing.errors import WrongCatalog
from billing.plan_limits import Strictly
from billing.plans import EntryId, Package, Plan, products_of

LARGEST = 1024 * 1024
"""The size of the largest file, in bytes."""
_SHOWN = 5
"""The faults of a file that its refusal names."""
_NAME = "[key]"
"""What pydantic puts behind a name that is wrong itself."""


class CatalogFile(Strictly):
    """Plans and packages by their ids."""

    plans: dict[EntryId, Plan] = Field({})
    packages: dict[EntryId, Package] = Field({})

    @property
    def wanted(self) -> list[Wanted]:
        """All entries, the plans first."""
        return [Wanted(name, body) for group in (self.plans, self.packages) for name, body in group.items()]

    @model_validator(mode="after")
    def _sells_each_product_once(self) -> "CatalogFile":
        owners: dict[tuple[str, str], Wanted] = {}
        for one in self.wanted:
            for product in products_of(one.body):
                first = owners.setdefault(product, one)
                if first is not one:
                    pair = f"{first.body.KIND} {first.id} and {one.body.KIND} {one.id}"
                    raise ValueError(f"{pair} have the same product {product[1]} of {product[0]}")
        return self


def read_catalog(path: Path) -> CatalogFile:
    """Read a file. Raises WrongCatalog, in one line, for one that cannot be read or is no catalogue."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise WrongCatalog(f"{path}: has more than {LARGEST} bytes")
        return parsed(tomllib.loads(content.decode()))
    except OSError as error:
        raise WrongCatalog(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise WrongCatalog(f"{path}: is not TOML: {error}") from error
    except ValidationError as error:
        raise WrongCatalog(f"{path}: {'; '.join(_faults(error))}") from error


def parsed(document: dict[str, Any]) -> CatalogFile:
    """A document that has been read. Raises ValidationError, with the path of each wrong field."""
    return CatalogFile.model_validate(document)


def _faults(error: ValidationError) -> Iterator[str]:
    """Each fault as a sentence that begins with the path of its field."""
    details = error.errors(include_url=False)
    for detail in details[:_SHOWN]:
        path = ".".join(str(part) for part in detail["loc"] if part != _NAME)
        yield f"{path} {_message(detail)}".strip()
    if len(details) > _SHOWN:
        yield f"and {len(details) - _SHOWN} more"


def _message(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "is not a field"
        case "missing":
            return "is required"
        case "value_error":
            return str((detail.get("ctx") or {})["error"])
    return detail["msg"][:1].lower() + detail["msg"][1:]
