"""The forms of documents: their bytes for ever, logos, and the command that verifies them."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from audit.documents.attachment import attachment_of
from audit.documents.pages import pdf_of
from audit.documents.verifying import check_document, named_key
from audit.verify.offline import Trusting, verify_path
from audit.verify.report import HOLDS, UNCHECKED
from ledger.proof.notes import SigningKey, VerifyingKey
from tests.api.documents.test_receipts import opened, paid, receipt, text_of
from tests.api.documents.tiny_font import tiny_font
from tests.api.stage import refused
from tests.postgres import TestServers
from tests.proof.evidence import Silence
from tests.service import service_here

GOLDEN = Path(__file__).parents[2] / "golden" / "documents"
BYTES = {
    "invoice.1": "a0469d3bd47fcff746a21028bddcb6fbb472af5ee87cdfb56076e02a111659fa",
    "statement.1": "6d1afb9e1f839d86a96b58a2afa2615add74f16224b9e8b30e64cdfe003199e6",
    "invoice.2": "344becb27a0e6c9b8574ae67e85f24ebbb8fddb279eb228778f7ea2796fe7986",
    "statement.2": "fbfc9eef26ccf7ece57204358fafc84baa8341fd15cc9cf44e280e1caec2cfad",
}
"""The SHA-256 of the PDF of each sample. Another print is another form, unless the printer has another version."""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000004000000040802000000269309290000001049444154789c63e0cd8e802306e238004d93"
    "0d01ef6f16740000000049454e44ae426082"
)


def pdf_of_sample(name: str) -> bytes:
    proof = (GOLDEN / f"{name}.json").read_bytes()
    return pdf_of(check_document(proof, [VerifyingKey.parse(named_key(proof))]), proof)


@pytest.mark.parametrize("name", BYTES)
def test_what_a_form_prints_never_changes(name: str) -> None:
    pdf = pdf_of_sample(name)
    assert sha256(pdf).hexdigest() == BYTES[name]
    assert attachment_of(pdf) == (GOLDEN / f"{name}.json").read_bytes()


def test_a_document_of_one_page_has_no_page_number_in_form_2() -> None:
    for kind in ("invoice", "statement"):
        assert "Page 1 of 1" in text_of(pdf_of_sample(f"{kind}.1"))
        assert "Page" not in text_of(pdf_of_sample(f"{kind}.2"))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, pdf = tmp_path / "invoice.pdf", pdf_of_sample("invoice.1")
    path.write_bytes(pdf)
    key = named_key(attachment_of(pdf))
    done = CliRunner().invoke(app, ["verify", "invoice.pdf", "--key", key, "--json"])
    said = json.loads(done.stdout)
    assert (done.exit_code, said["status"], said["keys_from"]) == (0, "holds", "given")
    assert (said["document"], said["number"], said["amount_minor"]) == ("invoice", "1-1", 1_000)
    stranger = SigningKey.generate(key.partition("+")[0]).verifying_key.text
    assert CliRunner().invoke(app, ["verify", "invoice.pdf", "--key", stranger]).exit_code == 1
    path.write_bytes(pdf.replace(b"/Lang(en)", b"/Lang(fr)"))
    done = CliRunner().invoke(app, ["verify", "invoice.pdf"])
    assert (done.exit_code, "pages are not those" in done.stdout) == (1, True)
    path.write_bytes(b"%PDF-1.7\n")
    assert CliRunner().invoke(app, ["verify", "invoice.pdf"]).exit_code == 1
    assert CliRunner().invoke(app, ["verify", "invoice.pdf", "--since", "latest"]).exit_code == 3


def test_names_are_printed_with_the_fonts_of_a_folder(servers: TestServers, tmp_path: Path) -> None:
    """Those of the printer have no Chinese. The document is PDF/A, and whoever has the fonts verifies it."""
    server, name, fonts = servers.get("embedded"), "李小龍 株式会社", tmp_path / "fonts"
    assert server is not None
    fonts.mkdir()
    (fonts / "tiny.ttf").write_bytes(tiny_font("Tiny Squares", name))
    settings = {"CREDIT_LEDGER_FONT_DIR": str(fonts)}
    with server.database() as conninfo, service_here(conninfo, tmp_path, settings=settings) as service:
        account = opened(service, name)
        pdf = receipt(service, account, paid(service, account)).content
    assert name in text_of(pdf)
    assert b"<pdfaid:part>3</pdfaid:part>" in pdf
    path = tmp_path / "receipt.pdf"
    path.write_bytes(pdf)
    assert verify_path(path, Trusting(fonts=[fonts]), Silence()).status == HOLDS
    assert verify_path(path, Trusting(), Silence()).status == UNCHECKED


@pytest.mark.parametrize(("logo", "status"), [(PIXEL, 200), (b"<svg this is none", 503)])
def test_logos(servers: TestServers, tmp_path: Path, logo: bytes, status: int) -> None:
    """Without a seller there is no head for a logo; one that cannot be drawn is said to the operator."""
    server = servers.get("embedded")
    assert server is not None
    (tmp_path / "logo").write_bytes(logo)
    settings = {"CREDIT_LEDGER_SELLER": "Example", "CREDIT_LEDGER_SELLER_LOGO": str(tmp_path / "logo")}
    with server.database() as conninfo, service_here(conninfo, tmp_path, settings=settings) as service:
        account = opened(service)
        answer = receipt(service, account, paid(service, account))
        assert answer.status_code == status, answer.text
        if status == 200:
            assert "Receipt" in text_of(answer.content)
            assert b"/Subtype/Image" in answer.content
            assert b"<pdfuaid:part>1</pdfuaid:part>" in answer.content
        else:
            refused(answer, 503, "document_unavailable")
            assert "cannot be printed" in service.log.read_text()
