"""The bodies of people: what they register and sign in with."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.contract.bodies import ONE_LINE, Body
from people.sign_in.passwords import LONGEST, SHORTEST
from people.sign_in.words import EMAIL, MAX_EMAIL, MAX_NAME

Email = Annotated[str, StringConstraints(max_length=MAX_EMAIL, pattern=EMAIL)]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=SHORTEST, max_length=LONGEST),
    Field(description="no password that is tried first, and not the address"),
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
MailedToken = Annotated[Token, Field(description="the last part of the address in the mail")]


class RegisterBody(Body):
    """Register an address."""

    email: Email
    password: NewPassword
    name: Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=ONE_LINE)] = ""


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


class ChangeEmailBody(Body):
    """Ask for another address."""

    email: Email
    password: Password


class ChangePasswordBody(Body):
    """Change the password."""

    password: Password
    new_password: NewPassword


PEOPLE_BODIES = (
    *(RegisterBody, LoginBody, VerificationBody, EmailBody, TokenBody, ResetBody),
    *(ChangeEmailBody, ChangePasswordBody),
)
