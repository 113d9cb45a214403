"""The service with a certificate of its own: https on its one port, from the announcement to the cookies."""

from pathlib import Path

import httpx
import pytest

from api.runtime.listening.certificate import check_certificate
from api.runtime.settings import WrongSetting, load_settings
from tests.dashboard.proxies import Certificate
from tests.service import PLAIN, running_service


def test_it_is_reached_over_https_alone(database: str, tmp_path: Path) -> None:
    made = Certificate(tmp_path)
    settings = {"CREDIT_LEDGER_TLS_CERTIFICATE": str(made.certificate), "CREDIT_LEDGER_TLS_KEY": str(made.key)}
    with running_service(database, tmp_path, settings=settings, trusted=made.trusted) as service:
        account = service.open_account(permanent=5)
        assert f"Credit ledger: https://127.0.0.1:{service.port} " in service.log.read_text()
        link = service.post("/v1/portal_sessions", {"account_id": account}).json()["url"]
        assert link.startswith(f"{service.url}/dashboard/portal/")
        opened = httpx.get(link, verify=made.trusted, trust_env=False)
        assert opened.headers["set-cookie"].endswith("; Secure")
        assert "strict-transport-security" in opened.headers
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{service.port}/healthz", verify=PLAIN, trust_env=False)


def test_files_that_do_not_belong_together_stop_the_start(tmp_path: Path) -> None:
    one = Certificate(tmp_path)
    (other := tmp_path / "other").mkdir()
    for key in (Certificate(other).key, one.certificate, tmp_path / "none"):
        with pytest.raises(
            WrongSetting, match=r"^CREDIT_LEDGER_TLS_CERTIFICATE and CREDIT_LEDGER_TLS_KEY cannot be used: .+"
        ):
            check_certificate(load_settings(tls_certificate=one.certificate, tls_key=key))
    check_certificate(load_settings(tls_certificate=one.certificate, tls_key=one.key))
