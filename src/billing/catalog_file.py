"""A catalogue as a TOML file: a table for each plan, `[plans.pro]`, and for each package, `[packages.small]`."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from billing.catalog_changes import Wanted
from billing.document_files import read_document
from billing.errors import WrongCatalog
from billing.plan_limits import Strictly
from billing.plans import EntryId, Package, Plan, products_of


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
    return read_document(path, CatalogFile, WrongCatalog)


def parsed(document: dict[str, Any]) -> CatalogFile:
    """A document that has been read. Raises ValidationError, with the path of each wrong field."""
    return CatalogFile.model_validate(document)
