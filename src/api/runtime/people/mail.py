"""Mail in a process of the service: which way it goes, and who sends it."""

from api.runtime.settings import Settings, variable
from api.runtime.telemetry.telemetry import OFF, Telemetry
from ledger.service import Ledger
from outbox.mail_files import MailFiles
from outbox.mailer import Mailer
from outbox.sending import Send
from outbox.smtp_server import SmtpServer


def sending_of(settings: Settings, telemetry: Telemetry = OFF) -> Send:
    """How mails are sent: to the SMTP server, or into files."""
    if settings.smtp_url is None:
        return MailFiles(settings.mail_folder, settings.mail_from).send
    from outbox.smtp import Smtp

    assert settings.mail_from is not None, "the settings need it with a server"
    server = SmtpServer.from_url(settings.smtp_url.get_secret_value())
    return telemetry.of(Smtp)(server, settings.mail_from).send


def mailer_of(settings: Settings, ledger: Ledger, conninfo: str, telemetry: Telemetry = OFF) -> Mailer:
    """What sends mails in this process, while it leads."""
    return telemetry.of(Mailer)(conninfo, ledger.clock, sending_of(settings, telemetry))


def where_mail_goes(settings: Settings) -> str | None:
    """One line for the start when nobody gets mail: it is in files. None when a server takes it."""
    if settings.smtp_url is not None:
        return None
    return f"{variable('smtp_url')} is not set, so mails are files in {settings.mail_folder}"
