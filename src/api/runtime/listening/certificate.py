"""The certificate of a service that speaks https itself."""

import ssl
from datetime import datetime

from cryptography import x509

from api.runtime.settings import Settings, WrongSetting, variable


def check_certificate(settings: Settings) -> None:
    """Raise WrongSetting if nothing can be served with the certificate of the settings: every worker would end."""
    if settings.tls_certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except (OSError, ValueError) as error:
        reason = error.strerror or "they are no certificate and its key" if isinstance(error, OSError) else str(error)
        names = f"{variable('tls_certificate')} and {variable('tls_key')}"
        raise WrongSetting(f"{names} cannot be used: {reason}") from None


def end_of_certificate(settings: Settings) -> datetime | None:
    """When the certificate of the settings ends; None without one. Raises WrongSetting."""
    check_certificate(settings)
    if settings.tls_certificate is None:
        return None
    return x509.load_pem_x509_certificate(settings.tls_certificate.read_bytes()).not_valid_after_utc
