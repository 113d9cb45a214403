"""Mail in a process of the service: which way it goes, and who sends it."""

from collections.abc import Callable

from api.runtime.settings import Settings, variable
from ledger.service import Ledger
from outbox.mail_files import MailFiles
from outbox.mailer import Mailer
from outbox.sending import Send
from outbox.smtp_server import SmtpServer


def sending_of(settings: Settings) -> Send:
    """How mails are sent: to the SMTP server, or into files."""
    if settings.smtp_url is None:
        return MailFiles(settings.mail_folder, settings.mail_from).send
    from outbox.smtp import Smtp

    assert settings.mail_from is not None, "the settings need it with a server"
    return Smtp(SmtpServer.from_url(settings.smtp_url.get_secret_value()), settings.mail_from).send


def mailer_of(settings: Settings, ledger: Ledger, conninfo: str, new_mailer: Callable[..., Mailer] = Mailer) -> Mailer:
    """What sends mails in this process, while it leads."""
    return new_mailer(conninfo, ledger.clock, sending_of(settings))


def where_mail_goes(settings: Settings) -> str | None:
    """One line for the start when nobody gets mail: it is in files. None when a server takes it."""
    if settings.smtp_url is not None:
        return None
    return f"{variable('smtp_url')} is not set, so mails are files in {settings.mail_folder}"
