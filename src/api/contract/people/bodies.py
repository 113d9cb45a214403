"""The bodies of people: what they register and sign in with."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from api.contract.bodies import ONE_LINE, Body
from ledger.domain.periods import UnknownZone, zone
from people.sign_in.passwords import LONGEST, SHORTEST
from people.sign_in.profile import AVATAR, LANGUAGES, MAIL_KINDS, MAX_AVATAR, MAX_ZONE, MailKind
from people.sign_in.words import EMAIL, MAX_EMAIL, MAX_NAME

Email = Annotated[str, StringConstraints(max_length=MAX_EMAIL, pattern=EMAIL)]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=SHORTEST, max_length=LONGEST),
    Field(description="no password that is tried first, and not the address"),
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
OwnPassword = Annotated[
    Password | None,
    Field(description="of whoever has one. Whoever has none needs a session of the last 15 minutes"),
]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
MailedToken = Annotated[Token, Field(description="the last part of the address in the mail")]


RevokeKeys = Annotated[bool, Field(description="true: the API keys that the person made end too")]
Name = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=ONE_LINE)]


def _known_zone(name: str) -> str:
    try:
        return name and zone(name).key
    except UnknownZone as error:
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin, or empty") from error


def _known_language(tag: str) -> str:
    if tag and tag not in LANGUAGES:
        raise ValueError(f"must be empty or one of {', '.join(LANGUAGES)}")
    return tag


ZoneName = Annotated[
    str,
    StringConstraints(max_length=MAX_ZONE, pattern=r"^[A-Za-z0-9_+/-]*$"),
    AfterValidator(_known_zone),
    Field(description="IANA time zone"),
]
Language = Annotated[str, AfterValidator(_known_language), WithJsonSchema({"type": "string", "enum": ["", *LANGUAGES]})]


class RegisterBody(Body):
    """Register an address."""

    email: Email
    password: NewPassword
    name: Name = ""
    invitation: Token | None = Field(
        None, description="the last part of the address in the mail of an invitation into a team, for this address"
    )


class LoginBody(Body):
    """Sign in with a password."""

    email: Email
    password: Password


class VerificationBody(Body):
    """Open the mailed link of a registration."""

    token: MailedToken
    password: Annotated[Password, Field(description="that of the registration: nobody else's makes an account of it")]


class EmailBody(Body):
    """An address to which a mail goes."""

    email: Email


class TokenBody(Body):
    """A mailed link."""

    token: MailedToken


class ResetBody(Body):
    """A mailed link, and a new password."""

    token: MailedToken
    password: NewPassword
    revoke_keys: RevokeKeys = False


class ChangeEmailBody(Body):
    """Ask for another address."""

    email: Email
    password: OwnPassword = None


class ChangePasswordBody(Body):
    """Change the password, or set the first one."""

    password: OwnPassword = None
    new_password: NewPassword
    revoke_keys: RevokeKeys = False


class ProfileBody(Body):
    """Change what is known of a person. What is absent or null stays; an empty text removes."""

    name: Name | None = None
    avatar_url: Annotated[str, StringConstraints(max_length=MAX_AVATAR, pattern=AVATAR)] | None = None
    zone: ZoneName | None = None
    language: Language | None = Field(None, description="whose way to write numbers the pages take")
    mails_off: Annotated[list[MailKind], Field(max_length=len(MAIL_KINDS))] | None = Field(
        None, description="kinds of mails that are not wanted. Those about the safety of the account always come"
    )


class PasswordBody(Body):
    """What is asked for is asked for by whoever knows the password, or has none and has just signed in."""

    password: OwnPassword = None


PEOPLE_BODIES = (
    *(RegisterBody, LoginBody, VerificationBody, EmailBody, TokenBody, ResetBody),
    *(ChangeEmailBody, ChangePasswordBody, ProfileBody, PasswordBody),
)
