"""Teams in a process of the service: their accounts, which open without credits, and what becomes of the credits when a
team is deleted."""

from functools import partial

from api.http.people.teams.limits import TEAM
from api.runtime.people.hosts import own_page_in, page_in, telling
from api.runtime.people.sign_in import open_account_of
from api.runtime.settings import Settings
from ledger.commit.submission import Submission
from ledger.domain.commands import MergeAccount, OpenAccount
from ledger.domain.errors import Refusal
from ledger.explain.subscriptions.answer import active_of, subscriptions_now
from ledger.moves import move
from ledger.service import AccountAt, Ledger
from ledger.store import Metadata, fingerprint
from people.errors import AccessRefused
from people.teams.people_in_teams import PeopleInTeams
from people.teams.words import TeamSurroundings

SEATS = "seats"
"""The unit of a limit that says how many people a team may have. No usage counts against it."""
_WHY = "The team was deleted."


def all_teams(settings: Settings, ledger: Ledger) -> PeopleInTeams:
    """The teams of this service, whether or not their people sign in here."""

    async def open_account(team_id: str) -> None:
        key = f"open:{team_id}"
        await ledger.execute(
            Submission(OpenAccount(team_id, 0), Metadata("people", "open", key, key), fingerprint([key]))
        )

    async def hand_over(team_id: str, user_id: str) -> None:
        await open_account_of(settings, ledger, user_id)  # whom the product made may have none yet
        await merge_into(ledger, team_id, user_id)

    return PeopleInTeams.around(
        TeamSurroundings(
            ledger.log,
            ledger.clock,
            telling(ledger),
            page_in(settings),
            open_account,
            hand_over,
            partial(seats_of, ledger, settings.seats),
            own_page_in(settings),
        )
    )


async def seats_of(ledger: Ledger, default: int, team_id: str) -> int:
    """How many people a team may have: what its plan or an operator says with a limit in the unit `seats`, the tightest
    of several; or else the setting. Raises Overloaded, Unavailable and psycopg.Error."""
    found = await ledger.account_at(team_id)
    limits = found.account.limits if found is not None else None
    said = [one.amount for one in (limits.limits if limits else ()) if one.unit == SEATS and one.source != TEAM]
    return min(said, default=default)


async def merge_into(ledger: Ledger, team_id: str, user_id: str) -> None:
    """Merge the account of a team into that of a user; one that is closed already stays as it is.

    Raises AccessRefused: team_in_use, and Refusal, Overloaded and Unavailable.
    """
    found = await ledger.account_at(team_id)
    if found is None or found.account.standing == "closed":
        return
    _check_at_rest(found)
    key = f"delete:{team_id}:{user_id}"
    command = MergeAccount(team_id, user_id, _WHY)
    outcome = await move(ledger, Submission(command, Metadata("people", "merge", key, key), fingerprint([key])))
    if isinstance(outcome, Refusal):
        raise outcome


def _check_at_rest(found: AccountAt) -> None:
    """Raise AccessRefused while something of the team's goes on, which would come back to nobody."""
    subscription = active_of(subscriptions_now(found.account, found.as_of))
    if subscription is not None and subscription["cancel_at"] is None:
        detail = "The team has a subscription that renews. Cancel it first."
        raise AccessRefused("team_in_use", detail, subscription_id=subscription["subscription_id"])
    if found.account.first_hold is not None:
        detail = "Credits of the team are on hold. Capture or release the holds first."
        raise AccessRefused("team_in_use", detail, open_holds=len(found.account.holds))
