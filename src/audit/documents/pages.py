"""The PDF of a verified document: its figures in its template. A pure function of the document: so it is checked."""

from collections.abc import Sequence
from pathlib import Path

from audit.documents.payment_figures import payment_figures
from audit.documents.printing import Print, print_pdf
from audit.documents.statement_figures import statement_figures
from audit.documents.verifying import VerifiedDocument


def pdf_of(verified: VerifiedDocument, attachment: bytes, folders: Sequence[Path] = ()) -> bytes:
    """The PDF, the same bytes for the same document. `folders` have more fonts, for one that needs others.

    Raises LacksGlyphs when its fonts are too few, and CannotPrint.
    """
    claims, form = verified.document.claims, verified.document.form
    if verified.statement is not None:
        template, figures = "statement", statement_figures(verified)
    else:
        template, figures = "receipt", payment_figures(verified)
    return print_pdf(Print(template, form, figures, attachment, claims.seller.logo), claims.fonts, folders)
