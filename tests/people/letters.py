"""People with a ledger, and what they are told by mail."""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from psycopg import AsyncConnection

from api.runtime.people.erasing import erase_account
from ledger.commit.submission import Submission, Unavailable
from ledger.domain.commands import OpenAccount
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from outbox.mails import forget_recipients
from people.sign_in.letters import Letter
from people.sign_in.passwords import Passwords
from people.sign_in.people import People
from people.sign_in.sign_ins import Surroundings
from people.sign_in.words import Origin
from people.teams.invitations import is_invited
from tests.conftest import Clock

HERE = Origin("192.0.2.0/24", "A browser")
THERE = Origin("198.51.100.0/24", "Another browser")
PASSWORD = "correct horse battery"


@dataclass
class Town:
    """People who sign in, the letters that they get, and the clock."""

    ledger: Ledger
    clock: Clock
    passwords: Passwords
    registration: Literal["open", "invited"] = "open"
    away: bool = False
    """Whether the ledger opens no accounts now."""
    letters: list[Letter] = field(default_factory=list)

    @property
    def people(self) -> People:
        """A process of the service."""
        return People.around(
            Surroundings(
                self.ledger.log,
                self.clock,
                self.passwords,
                self.tell,
                self.open_account,
                _page,
                self.registration,
                partial(erase_account, self.ledger),
                forget_recipients,
                partial(is_invited, self.ledger.log, self.clock),
            )
        )

    async def tell(self, connection: AsyncConnection[Any], letter: Letter) -> None:
        """Put a letter down."""
        self.letters.append(letter)

    async def open_account(self, user_id: str) -> None:
        """Open an account with the credits of a new one."""
        if self.away:
            raise Unavailable
        metadata = Metadata("people", "open", user_id, user_id)
        await self.ledger.execute(Submission(OpenAccount(user_id, 100), metadata, fingerprint([user_id])))

    def mails(self, to: str) -> list[str]:
        """The kinds of the letters that somebody got."""
        return [letter.kind for letter in self.letters if letter.recipient == to and letter.wanted]

    def token(self, to: str, kind: str) -> str:
        """The secret of the newest letter of a kind."""
        told = [letter for letter in self.letters if (letter.recipient, letter.kind, letter.wanted) == (to, kind, True)]
        body = told[-1].body
        found = re.search(r"https://ledger\.example/\w+/(\S+)", body)
        assert found is not None, body
        return found[1]


def _page(path: str) -> str:
    return f"https://ledger.example/{path}"
