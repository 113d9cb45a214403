"""The body of a portal session: for whom a product asks for a link to the pages, and what that person may see."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.contract.bodies import (
    DEFAULT_SESSION,
    LONGEST_SESSION,
    ONE_LINE,
    SHORTEST_SESSION,
    Body,
    CheckoutIdText,
    Id,
    Named,
    PortalPage,
    WebAddress,
)
from people.sign_in.words import EMAIL, MAX_EMAIL, MAX_NAME
from people.teams.roles import Role


class PortalUserBody(Body):
    """Who the person is: what the pages call them."""

    user_id: Named
    email: Annotated[str, StringConstraints(max_length=MAX_EMAIL, pattern=EMAIL)] | None = None
    name: Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=ONE_LINE)] | None = None


class PortalSessionBody(Body):
    """A one-time link to the dashboard for the holder of an account."""

    account_id: Id
    expires_in_seconds: int = Field(
        DEFAULT_SESSION, ge=SHORTEST_SESSION, le=LONGEST_SESSION, description="how long the session lasts"
    )
    return_url: WebAddress | None = Field(None, description="where the page links back to")
    page: PortalPage | None = Field(None, description="the page that it opens; default: the overview")
    checkout_id: CheckoutIdText | None = Field(None, description="the checkout whose page it opens, in place of `page`")
    member: Named | None = Field(
        None, description="the `member` in the usage that is the person's own; default: the `user_id` of `user`"
    )
    role: Role | None = Field(
        None, description="what they may see: a `member` sees their own usage and limits; default: all of the account"
    )
    user: PortalUserBody | None = None
