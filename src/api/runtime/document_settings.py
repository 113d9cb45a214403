"""The settings of documents: who sells, and with which fonts receipts, invoices and statements are printed."""

from base64 import b64encode
from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from audit.documents.printing import PNG
from ledger.proof.files import read_file
from ledger.proof.notes import BadNote

LARGEST_LOGO = 65_536
"""Bytes. Every document has the logo, and its proof has it again."""


class DocumentSettings(BaseModel, defer_build=True):
    """A part of the settings (settings.py)."""

    seller: str | None = Field(
        None,
        max_length=500,
        description="who is paid, on the page of a bank transfer, receipts, invoices and statements: the name, and in "
        "further lines the address",
    )
    seller_tax_id: str | None = Field(
        None, max_length=50, pattern=r"^[^\x00-\x1f\x7f]*$", description="the tax id of the seller, on documents"
    )
    seller_logo: Path | None = Field(
        None,
        validate_default=True,
        description="an SVG or PNG file of at most 64 KiB, on documents in place of the name in their head",
    )
    bank_details: str | None = Field(
        None, max_length=1_000, description="where the money goes, on the page of a bank transfer: IBAN and BIC"
    )
    invoice_note: str | None = Field(
        None, max_length=1_000, description="what invoices say below the amounts, such as which tax is in them"
    )
    font_dir: Path | None = Field(
        None,
        description="a folder of fonts for names in scripts that documents have no letters for, such as Chinese, "
        "beside the fonts of the system",
    )

    @field_validator("seller_logo")
    @classmethod
    def _is_picture(cls, value: Path | None) -> Path | None:
        if value is not None:
            _read_logo(value)
        return value

    @property
    def logo(self) -> str | None:
        """The file of the logo in base64."""
        return b64encode(_read_logo(self.seller_logo)).decode() if self.seller_logo is not None else None


def _read_logo(path: Path) -> bytes:
    """An SVG or PNG file. Raises ValueError."""
    try:
        content = read_file(path, LARGEST_LOGO)
    except (OSError, BadNote) as problem:
        raise ValueError(str(problem)) from problem
    if not content.startswith(PNG) and b"<svg" not in content:
        raise ValueError(f"{path} is neither SVG nor PNG")
    return content
