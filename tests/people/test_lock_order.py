"""An erasure beside what its user or their team does at the same moment: one waits for the other, and never both.

Somebody else holds rows that the erasure comes to in its middle, so it is known who has locked what when both meet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
import pytest

from ledger.service import Ledger
from people.sessions import Sessions
from people.sign_in.passwords import Passwords
from people.sign_in.users import UserChanges
from people.sign_in.words import User
from people.teams.words import Team
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.teams import PRODUCT, Village
from tests.people.test_teams import refusal
from tests.postgres import owner


@dataclass(frozen=True)
class Leaving:
    """Somebody whose time has come, and what they had: a team, an invitation into another one, a link that signs in."""

    village: Village
    name: str
    user: User
    team: Team
    other: Team
    """The one that they are invited into."""

    async def are_removed(self) -> None:
        """The owner of their team removes them."""
        ada = await self.village.actor("ada")
        await self.village.teams.members.remove(ada, self.team.team_id, self.user.user_id)

    async def are_suspended(self) -> None:
        """The owner of their team suspends them."""
        ada = await self.village.actor("ada")
        await self.village.teams.members.change(ada, self.team.team_id, self.user.user_id, None, "suspended")

    async def accept(self) -> None:
        """They join the other team."""
        await self.village.teams.invitations.accept(self.user, self.village.link(self.name))

    async def open_the_link(self) -> None:
        """They sign in with the mailed link."""
        people, token = self.village.town.people, self.village.town.token(self.user.email, "link")
        await people.sign_ins.with_link(token, HERE, "page")

    async def use_the_password(self) -> None:
        """They sign in with their password."""
        await self.village.town.people.sign_ins.with_password(self.user.email, PASSWORD, HERE, "page")

    async def ask_for_a_copy(self) -> None:
        """They want a copy, and have an old one that is forgotten now."""
        await self.village.town.people.profiles.ask_export(self.user.user_id)

    async def are_disabled(self) -> None:
        """The service of the product disables them."""
        users, changes = self.village.town.people.users, UserChanges(status="disabled")
        await users.change(PRODUCT.name, self.user.user_id, changes)

    async def are_added(self) -> None:
        """The service of the product puts them into the other team."""
        await self.village.teams.members.add(PRODUCT, self.other.team_id, self.user.user_id, "member")


CASES: list[tuple[str, Callable[[Leaving], Awaitable[None]], str]] = [
    ("tokens", Leaving.are_removed, ""),
    ("tokens", Leaving.are_suspended, ""),
    ("sessions", Leaving.accept, "token_spent"),
    ("sessions", Leaving.open_the_link, "token_spent"),
    ("sessions", Leaving.use_the_password, "unauthenticated"),
    ("sessions", Leaving.ask_for_a_copy, "unauthenticated"),
    ("sessions", Leaving.are_disabled, "not_found"),
    ("sessions", Leaving.are_added, "not_found"),
]
"""The table in the middle of the erasure that is held, what is done meanwhile, and what comes of it."""


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()), seats=100)


async def leaving(village: Village, name: str, team: Team, other: Team) -> Leaving:
    """A member of a team with a session in it, who is erased at the next look."""
    await village.join(team, name)
    people, signed_in = village.town.people, await village.signed_in(name)
    user_id = signed_in.user.user_id
    await people.profiles.ask_export(user_id)
    await people.deletions.ask(await people.sign_ins.person(signed_in.token, "page"), PASSWORD, HERE)
    assert await Sessions(village.town.ledger.log, village.town.clock).switch(signed_in.token, team.team_id)
    village.town.clock.forward(days=7, minutes=1)
    await village.invite(other, name)
    await people.recovery.ask_link(signed_in.user.email, HERE)
    return Leaving(village, name, signed_in.user, team, other)


async def test_whatever_meets_an_erasure_waits_for_its_end(village: Village, database: str) -> None:
    team, other = await village.team("ada", "one"), await village.team("ada", "two")
    for number, (table, act, code) in enumerate(CASES):
        one = await leaving(village, f"b{number}", team, other)
        async with held(database, table, one.user.user_id):
            erasing = asyncio.create_task(village.town.people.deletions.erase_due())
            await until_waiting(database, 1)
            acting = asyncio.create_task(refusal(act(one)))
            await until_waiting(database, 2)
        done = await asyncio.gather(erasing, acting, return_exceptions=True)
        assert [*done] == [1, code], (act, done)
        assert one.name not in await village.roles(team), act


@asynccontextmanager
async def held(database: str, table: str, user_id: str) -> AsyncIterator[None]:
    """The rows of a user in a table are locked until the block ends."""
    statement = f"SELECT FROM people.{table} WHERE user_id = %s FOR UPDATE"
    async with await psycopg.AsyncConnection.connect(owner(database)) as connection:
        found = await connection.execute(statement.encode(), [user_id])
        assert found.rowcount > 0
        yield


async def until_waiting(database: str, many: int) -> None:
    """Return when so many connections wait for somebody's lock."""
    waiting = """SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid IN (
        SELECT pid FROM pg_stat_activity WHERE datname = current_database())"""
    connecting = psycopg.AsyncConnection.connect(owner(database), autocommit=True)
    async with asyncio.timeout(20), await connecting as connection:
        while (await connection.execute(waiting.encode())).rowcount < many:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
