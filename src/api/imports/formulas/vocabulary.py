"""What the formulas of an import can name: the columns of the file, the names of its profile, the prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api.imports.files.cell_numbers import ReadNumber, number_reader
from api.imports.formulas.price_file import PriceFile


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one file, and how its cells become numbers."""

    columns: Sequence[str]
    read_number: ReadNumber = field(default_factory=lambda: number_reader("."))
    names: Mapping[str, str] = field(default_factory=dict)
    """Formulas by the names that a profile gives them. A column of the same name counts before."""
    prices: PriceFile | None = None
