"""Registrations: they make no user. The mailed link does, together with the password of that registration.

So an address that is registered by a stranger is not taken. Its owner who opens the stranger's link does not know the
stranger's password, so the account never gets it. And credits are given to a mailbox, not to a request.
"""

from people.audit_log import by_user, note
from people.errors import AccessRefused
from people.sign_in import letters
from people.sign_in.passwords import check_strength
from people.sign_in.sign_ins import PENDING, SQL, SignIns, Surroundings, rows, user_of
from people.sign_in.throttle import note_letter, note_password, withdraw
from people.sign_in.ways_back import WayBack, mailable
from people.sign_in.words import Kind, Origin, Pending, SignedIn, digest, new_token, new_user_id, token_spent

_LASTS = letters.VERIFICATION


class Registrations:
    """Registers people. Every method raises psycopg.Error."""

    def __init__(self, around: Surroundings, sign_ins: SignIns) -> None:
        self._around = around
        self._sign_ins = sign_ins

    async def register(self, email: str, password: str, name: str, origin: Origin, invitation: str = "") -> Pending:
        """The same answer, after the same work, whether the address is known or not.

        `invitation` is the secret of one into a team. The mail leads back to it, if it is one of this address.
        Raises AccessRefused: registration_closed, password_too_weak, or rate_limited.
        """
        around, back = self._around, (await self._way_back(email, invitation)).query
        check_strength(password, email)
        now, user_id = around.clock(), new_user_id()
        token, sha256 = new_token()
        pending, pending_sha256 = new_token(PENDING)
        pages = around.page(f"verify/{token}{back}"), around.page(f"sign-in{back}")
        async with around.log.connection() as connection:
            wanted = await note_letter(connection, email, origin.network, now)
        hashed = await around.passwords.hash(password, origin.network)
        row = {"user_id": user_id, "sha256": sha256, "pending": pending_sha256, "email": email, "name": name}
        async with around.log.connection() as connection, connection.transaction():
            is_known = bool(await rows(connection, "user_by_email", email=email))
            await connection.execute(SQL["register"], {**row, "hash": hashed, "now": now, "expires_at": now + _LASTS})
            letter, page = (letters.known, pages[1]) if is_known else (letters.verification, pages[0])
            await around.tell(connection, letter(email, f"register:{user_id}", page, wanted=wanted))
            await connection.execute(SQL["forget"], {"now": now})
        return Pending(user_id, email, name, pending)

    async def _way_back(self, email: str, invitation: str) -> WayBack:
        """The way back to an invitation of an address; home without one.

        Raises AccessRefused: registration_closed without one, where only who is invited registers.
        """
        back = await mailable(WayBack(invitation), email, self._around.log, self._around.is_invited)
        if not back.invitation and self._around.registration != "open":
            detail = "Only who is invited into a team registers here, from the link of the invitation, for its address."
            raise AccessRefused("registration_closed", detail)
        return back

    async def _check_still_invited(self, email: str) -> None:
        """Raise AccessRefused: registration_closed where only who is invited registers, and the address is not."""
        if self._around.registration != "open" and not await self._around.is_invited(email, None):
            detail = "The invitation with which you registered was withdrawn or has expired. Ask for another one."
            raise AccessRefused("registration_closed", detail)

    async def mail_again(self, email: str, origin: Origin) -> None:
        """Mail another link for the newest registration of an address. Raises AccessRefused: rate_limited."""
        around, now = self._around, self._around.clock()
        token, sha256 = new_token()
        page = around.page(f"verify/{token}")
        async with around.log.connection() as connection:
            wanted = await note_letter(connection, email, origin.network, now)
            async with connection.transaction():
                given = {"email": email, "sha256": sha256, "now": now, "expires_at": now + _LASTS}
                found = await rows(connection, "remail", **given)
                cause = f"register:{sha256.hex()}"
                letter = letters.verification(email, cause, page, wanted=wanted and bool(found))
                await around.tell(connection, letter)

    async def verify(self, token: str, password: str, origin: Origin, kind: Kind, mark: str = "") -> SignedIn:
        """Make the user of a registration, and sign them in.

        Raises AccessRefused: token_spent, wrong_credentials, registration_closed, or rate_limited.
        """
        around, now = self._around, self._around.clock()
        async with around.log.connection() as connection:
            waiting = await rows(connection, "registration", sha256=digest(token), now=now)
            if not waiting:
                raise token_spent()
            attempt = await note_password(connection, waiting[0]["email"], origin.network, now)
        if not await around.passwords.match(waiting[0]["password_hash"], password, origin.network):
            detail = "This is not the password with which this address was registered. Register again if you forgot it."
            raise AccessRefused("wrong_credentials", detail)
        await self._check_still_invited(waiting[0]["email"])
        async with around.log.connection() as connection, connection.transaction():
            await withdraw(connection, attempt)
            found = await rows(connection, "verify", sha256=digest(token), now=now)
            if not found:
                raise token_spent()
            user = user_of(found[0])
            await connection.execute(SQL["drop_registrations"], {"email": user.email})
            await note(connection, now, by_user("user.registered", user.user_id))
            made = await self._sign_ins.begin(connection, user, origin, kind, mark)
        return await self._sign_ins.with_account(made)

    async def is_open(self, token: str) -> bool:
        """Whether a mailed link would make a user now."""
        async with self._around.log.connection() as connection:
            return bool(await rows(connection, "registration", sha256=digest(token), now=self._around.clock()))
