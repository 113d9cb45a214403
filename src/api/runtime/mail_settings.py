"""The settings of mail: the server that takes it, and who it is from."""

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from outbox.smtp_server import SmtpServer

_FROM = r"^([^<>\s\"@,;:]([^<>\"@,;:\r\n]*[^<>\s\"@,;:])? )?<?[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,255}>?$"


class MailSettings(BaseModel, defer_build=True):
    """A part of the settings (settings.py)."""

    smtp_url: SecretStr | None = Field(
        None,
        description="the server that takes mail, smtp://user:password@host:587, with STARTTLS, or smtps://host:465; "
        "`?starttls=off` at its end is for a server on this machine; without it, mails are files in `mail` in the data "
        "directory",
    )
    mail_from: str | None = Field(
        None,
        pattern=_FROM,
        max_length=320,
        validate_default=True,
        description="who mail is from, such as Credits <credits@example.com>, which that server needs",
    )

    @field_validator("smtp_url")
    @classmethod
    def _is_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SmtpServer.from_url(value.get_secret_value())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_told_with_the_server(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("smtp_url") is not None:
            raise ValueError
        return value
