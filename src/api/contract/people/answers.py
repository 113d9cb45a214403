"""What people are answered: in the shapes that front ends of such products expect, with more beside them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from people.sign_in.words import OwnSession, User

FREE = "free"
"""The tier of who has no subscription."""


class UserAnswer(Answer):
    """A person. The account from which they pay has the same id."""

    id: str
    email: str
    name: str
    tier: Annotated[str, Field(description="the plan of the active subscription; `free` without one")]


class RegisteredAnswer(Answer):
    """A registration, the same whether the address is known or not. Its mailed link makes the person."""

    user: UserAnswer
    token: Annotated[str, Field(description="opens nothing: it is answered 403 `email_not_verified`")]


class SignedInAnswer(Answer):
    """A new session."""

    user: UserAnswer
    token: Annotated[str, Field(description="send it as `Authorization: Bearer <token>`; shown this once")]
    expires_at: Annotated[datetime, Field(description="when it ends, unless it is used before: then later")]


class MessageAnswer(Answer):
    """What was done, in a sentence."""

    message: str


class SessionFields(TypedDict):
    """A session of a person."""

    session_id: int
    kind: Annotated[str, Field(description="`page`, a browser at our pages; or `token`")]
    client: Annotated[str | None, Field(description="the program, as it called itself")]
    created_at: datetime
    used_at: Annotated[datetime, Field(description="within a day of its last use")]
    expires_at: datetime
    current: bool


class SessionsAnswer(Answer):
    """The open sessions of a person, the newest first, at most 100."""

    sessions: list[SessionFields]


def user_answer(user: User, tier: str) -> UserAnswer:
    """A person as JSON."""
    return {"id": user.user_id, "email": user.email, "name": user.name, "tier": tier}


def session_fields(session: OwnSession) -> SessionFields:
    """A session as JSON."""
    return {
        "session_id": session.session_id,
        "kind": session.kind,
        "client": session.client,
        "created_at": session.created_at,
        "used_at": session.used_at,
        "expires_at": session.expires_at,
        "current": session.current,
    }
