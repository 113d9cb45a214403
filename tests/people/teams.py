"""People in teams, for tests: who founds one, who is invited, who joins."""

from dataclasses import dataclass, field

from api.runtime.people.teams import merge_into, seats_of
from ledger.commit.submission import Submission
from ledger.domain.commands import Command, OpenAccount
from ledger.domain.errors import Refusal
from ledger.store import Metadata, fingerprint
from people.sign_in.words import SignedIn, User
from people.teams.people_in_teams import PeopleInTeams
from people.teams.roles import Role
from people.teams.words import Actor, Invitation, InvitedRole, Team, TeamSurroundings
from tests.people.letters import HERE, PASSWORD, Town

OPERATOR = Actor("operator:01234567", None)
PRODUCT = Actor("key:01234567", None)


def acting(user: User) -> Actor:
    """A person who changes a team."""
    return Actor(user.user_id, user.user_id)


@dataclass
class Village:
    """People and their teams, at one service."""

    town: Town
    seats: int = 5
    users: dict[str, User] = field(default_factory=dict)

    @property
    def teams(self) -> PeopleInTeams:
        """A process of the service."""
        return PeopleInTeams.around(self.teams_around)

    @property
    def teams_around(self) -> TeamSurroundings:
        """What teams need of the rest of the service."""
        town = self.town
        return TeamSurroundings(
            town.ledger.log,
            town.clock,
            town.tell,
            lambda path: f"https://ledger.example/{path}",
            self._open,
            self._hand_over,
            self._seats,
            lambda path: f"https://ledger.example/own/{path}",
        )

    async def _open(self, team_id: str) -> None:
        await self.run(OpenAccount(team_id, 0), "open", team_id)

    async def _seats(self, team_id: str) -> int:
        return await seats_of(self.town.ledger, self.seats, team_id)

    async def _hand_over(self, team_id: str, user_id: str) -> None:
        await merge_into(self.town.ledger, team_id, user_id)

    async def run(self, command: Command, operation: str, key: str) -> None:
        """Carry out a command of the ledger."""
        submission = Submission(command, Metadata("test", operation, key, key), fingerprint([key]))
        outcome = await self.town.ledger.execute(submission)
        assert not isinstance(outcome, Refusal), outcome

    async def signed_in(self, name: str) -> SignedIn:
        """A person with a verified address, who has just signed in at our pages."""
        people, email = self.town.people, f"{name}@example.com"
        if name not in self.users:
            await people.registrations.register(email, PASSWORD, name.title(), HERE)
            made = await people.registrations.verify(self.town.token(email, "verification"), PASSWORD, HERE, "page")
            self.users[name] = made.user
            return made
        return await people.sign_ins.with_password(email, PASSWORD, HERE, "page")

    async def user(self, name: str) -> User:
        """A person with a verified address."""
        return self.users[name] if name in self.users else (await self.signed_in(name)).user

    async def actor(self, name: str) -> Actor:
        """A person who changes a team."""
        return acting(await self.user(name))

    async def team(self, owner: str = "ada", slug: str = "one", **others: Role) -> Team:
        """A team with its owner, and others in their roles."""
        made = await self.teams.teams.make((await self.user(owner)).user_id, slug.title(), slug)
        for name, role in others.items():
            assert role != "owner"
            await self.join(made, name, role, by=owner)
        return made

    async def invite(self, team: Team, name: str, role: InvitedRole = "member", by: str = "ada") -> Invitation:
        """Invite somebody."""
        return await self.teams.invitations.invite(
            await self.actor(by), team.team_id, f"{name}@example.com", role, HERE
        )

    def link(self, name: str) -> str:
        """The secret in the newest invitation to somebody."""
        return self.town.token(f"{name}@example.com", "invitation")

    async def join(self, team: Team, name: str, role: InvitedRole = "member", by: str = "ada") -> None:
        """Invite somebody, who accepts."""
        user = await self.user(name)
        await self.invite(team, name, role, by)
        await self.teams.invitations.accept(user, self.link(name))

    async def roles(self, team: Team) -> dict[str, str]:
        """Who is in a team, and as what."""
        return {one.email.partition("@")[0]: one.role for one in await self.teams.members.of(team.team_id)}

    async def told(self) -> list[str]:
        """What the audit log tells of teams, in the order in which it was done."""
        async with self.town.ledger.log.connection() as connection:
            found = await connection.execute(
                "SELECT action FROM people.audit WHERE account_id LIKE 'team%' ORDER BY entry_id"
            )
            return [row[0] for row in await found.fetchall()]
