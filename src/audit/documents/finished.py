"""A document from its evidence to its PDF, with other fonts where those of the printer are too few."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from audit.documents.document import Claims, Kind
from audit.documents.making import Evident, Signed, sign_document
from audit.documents.pages import pdf_of
from audit.documents.printing import LacksGlyphs


def finished(kind: Kind, evident: Evident, claims: Claims, signed: Signed, folders: Sequence[Path] = ()) -> bytes:
    """The PDF of a signed document. If the fonts of the printer lack a character, it is signed again, and says so.

    Raises CannotPrint, and Breach when the log is not intact.
    """
    try:
        return pdf_of(signed.verified, signed.attachment)
    except LacksGlyphs:
        again = sign_document(kind, evident, replace(claims, fonts="others"))
        return pdf_of(again.verified, again.attachment, folders)
