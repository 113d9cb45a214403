"""The seats of a team: how many people it may have. An open invitation takes one."""

from typing import Literal

from people.errors import AccessRefused
from people.teams.changing import Change
from people.teams.words import Seats


async def check_free(change: Change, email: str, most: int) -> None:
    """Check that there is a seat for whoever has an address and no seat. Raises AccessRefused: already_member,
    seats_taken."""
    if await change.rows("member_with", email=email):
        raise already_member("active")
    if any(row["email"] == email for row in await change.rows("invitations")):
        raise already_member("invited")
    [taken] = await change.rows("seats")
    seats = Seats(most, taken["members"], taken["invited"])
    if not seats.free:
        facts = {"max_members": seats.most, "members": seats.members, "invited": seats.invited}
        raise AccessRefused("seats_taken", f"All {most} seats of the team are taken or promised.", **facts)


def already_member(status: Literal["active", "invited"]) -> AccessRefused:
    """The refusal of somebody who has a seat."""
    told = "is in the team already" if status == "active" else "is invited already"
    return AccessRefused("already_member", f"Whoever has this address {told}.", member_status=status)
