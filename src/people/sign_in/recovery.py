"""Mailed links of users: to sign in, for a new password, for a new address, and back to the old one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from psycopg.errors import UniqueViolation

from people.audit_log import AuditEntry, by_user, note
from people.errors import AccessRefused
from people.sign_in import letters
from people.sign_in.letters import Letter
from people.sign_in.passwords import check_strength
from people.sign_in.sign_ins import SQL, Connection, Person, Purpose, SignIns, Surroundings, rows, user_of
from people.sign_in.throttle import note_letter, note_link, note_password, withdraw
from people.sign_in.ways_back import HOME, WayBack, mailable
from people.sign_in.words import MadeKey, Origin, User, digest, new_token, token_spent

FRESH = timedelta(minutes=15)
"""How long after a sign-in whoever has no password is taken to be who signed in."""
EVER = datetime.min.replace(tzinfo=UTC)
"""Since when keys are ended that are all ended."""
_MAILED: tuple[Purpose, ...] = ("reset", "link", "email")


class Recovery:
    """Changes of passwords and addresses. Every method raises psycopg.Error."""

    def __init__(self, around: Surroundings, sign_ins: SignIns) -> None:
        self._around = around
        self._sign_ins = sign_ins

    async def ask_reset(self, email: str, origin: Origin, back: WayBack = HOME) -> None:
        """Mail a link for a new password, if the address has a user. Raises AccessRefused: rate_limited."""
        await self._ask("reset", letters.RESET, letters.reset, email, origin, back)

    async def ask_link(self, email: str, origin: Origin, back: WayBack = HOME) -> None:
        """Mail a link that signs in, if the address has a user. Raises AccessRefused: rate_limited."""
        await self._ask("link", letters.LINK, letters.link, email, origin, back)

    async def _ask(
        self,
        purpose: Purpose,
        lasts: timedelta,
        letter: Callable[..., Letter],
        email: str,
        origin: Origin,
        back: WayBack,
    ) -> None:
        """The same rows are written whether the address is known or not."""
        around, now = self._around, self._around.clock()
        token, sha256 = new_token()
        page = around.page(f"{purpose}/{token}{(await mailable(back, email, around.log, around.is_invited)).query}")
        async with around.log.connection() as connection:
            allowed = await note_link(connection, email, origin.network, now)
            async with connection.transaction():
                found = await rows(connection, "user_by_email", email=email)
                user = user_of(found[0]) if found and allowed else None
                await self.keep_token(connection, sha256, purpose, email, user, now + lasts)
                await around.tell(connection, letter(email, f"{purpose}:{sha256.hex()}", page, wanted=user is not None))
                await connection.execute(SQL["forget"], {"now": now})

    async def keep_token(
        self,
        connection: Connection,
        sha256: bytes,
        purpose: Purpose,
        email: str,
        user: User | None,
        expires_at: datetime,
        new_email: str | None = None,
    ) -> None:
        """Write a mailed secret that may be used until a moment."""
        values = {"sha256": sha256, "purpose": purpose, "email": email, "new_email": new_email}
        bound = {"user_id": user and user.user_id, "password_set_at": user and user.password_set_at}
        times = {"now": self._around.clock(), "expires_at": expires_at}
        await connection.execute(SQL["make_token"], {**values, **bound, **times})

    async def keys_made(self, user_id: str) -> list[MadeKey]:
        """The API keys that a user made and that go on working with another password, those used last first."""
        async with self._around.log.connection() as connection:
            found = await rows(connection, "keys_made", user_id=user_id, now=self._around.clock())
        return [MadeKey(**row) for row in found]

    async def keys_behind(self, token: str) -> list[MadeKey]:
        """The same of whoever may set a new password with a mailed secret; nobody has any where it is of no use."""
        if not await self._sign_ins.is_usable(token, "reset"):
            return []
        async with self._around.log.connection() as connection:
            found = await rows(connection, "user_of_token", sha256=digest(token), purpose="reset")
        return await self.keys_made(found[0]["user_id"]) if found else []

    async def reset(self, token: str, password: str, *, revoke_keys: bool = False) -> None:
        """Set a new password. All sessions end, and nobody is signed in; with `revoke_keys`, the API keys end that the
        user made. Raises AccessRefused: token_spent, or password_too_weak."""
        around = self._around
        if not await self._sign_ins.is_usable(token, "reset"):  # before the work of a hash
            raise token_spent()
        check_strength(password, "")
        hashed = await around.passwords.hash(password)
        async with around.log.connection() as connection, connection.transaction():
            user = user_of(await self._sign_ins.use(connection, token, "reset"))
            check_strength(password, user.email)
            await self._set_password(connection, user, hashed, revoke_keys=revoke_keys)

    async def change_password(
        self, person: Person, password: str | None, new: str, origin: Origin, *, revoke_keys: bool = False
    ) -> None:
        """Set a new password, with the present one if there is one. Other sessions end; with `revoke_keys`, so do the
        API keys that the user made. Raises AccessRefused: password_too_weak, and what `confirm` raises."""
        user = person.user
        check_strength(new, user.email)
        await self.confirm(person, password, origin)
        hashed = await self._around.passwords.hash(new, origin.network)
        async with self._around.log.connection() as connection, connection.transaction():
            await self._set_password(connection, user, hashed, revoke_keys=revoke_keys, keep=person.session_id)

    async def _set_password(
        self, connection: Connection, user: User, hashed: str, *, revoke_keys: bool, keep: int | None = None
    ) -> None:
        around, now = self._around, self._around.clock()
        given = {"user_id": user.user_id, "now": now}
        await connection.execute(SQL["set_password"], {**given, "hash": hashed})
        if revoke_keys:  # before sessions: docs/adr/0101
            await self._end_keys(connection, user.user_id, EVER)
        await connection.execute(SQL["end_sessions"], {**given, "except": keep})
        await connection.execute(SQL["end_tokens"], {**given, "purposes": list(_MAILED)})
        await note(connection, now, by_user("user.password_changed", user.user_id))
        cause = f"password:{user.user_id}:{now.isoformat()}"
        await around.tell(connection, letters.password_changed(user.email, cause, around.page("reset")))

    async def confirm(self, person: Person, password: str | None, origin: Origin) -> None:
        """Make sure that it is the person who asks: by their password or, without one, by having just signed in.

        Raises AccessRefused: wrong_credentials, fresh_sign_in_required, or rate_limited.
        """
        if person.user.password_set_at is not None:
            await self._check_password(person.user, password, origin)
        elif not is_fresh(person, self._around.clock()):
            detail = "You have no password. Sign in again, by mail or at your provider, and ask within 15 minutes."
            raise AccessRefused("fresh_sign_in_required", detail)

    async def _check_password(self, user: User, password: str | None, origin: Origin) -> None:
        """Raise AccessRefused: wrong_credentials unless it is the password of a user; or rate_limited."""
        if password is None:
            raise AccessRefused("wrong_credentials", "This takes your password.")
        around = self._around
        async with around.log.connection() as connection:
            attempt = await note_password(connection, user.email, origin.network, around.clock())
            [found] = await rows(connection, "hash_of", user_id=user.user_id)
        if not await around.passwords.match(found["password_hash"], password, origin.network):
            raise AccessRefused("wrong_credentials", "The password is wrong.")
        async with around.log.connection() as connection:
            await withdraw(connection, attempt)

    async def ask_address(self, person: Person, password: str | None, new: str, origin: Origin) -> None:
        """Mail a link to the new address, and the way back to the present one. The answer does not tell whether the new
        address has an account. Raises AccessRefused, as `confirm` does."""
        around, user, now = self._around, person.user, self._around.clock()
        await self.confirm(person, password, origin)
        (token, sha256), (back, back_sha256) = new_token(), new_token()
        pages = around.page(f"email/{token}"), around.page(f"undo/{back}")
        async with around.log.connection() as connection:
            wanted = await note_letter(connection, new, origin.network, now)
            async with connection.transaction():
                taken = bool(await rows(connection, "user_by_email", email=new))
                kept = partial(self.keep_token, connection, user=user, new_email=new)
                await kept(sha256, "email", user.email, expires_at=now + letters.CHANGE)
                await kept(back_sha256, "undo", user.email, expires_at=now + letters.UNDO)
                cause = f"email:{sha256.hex()}"
                told = letters.new_address(new, cause, pages[0], taken=taken, wanted=wanted)
                await around.tell(connection, told)
                await around.tell(connection, letters.address_changes(user.email, f"undo:{cause}", pages[1]))
                await note(connection, now, by_user("user.email_change_requested", user.user_id))

    async def change_address(self, token: str) -> User:
        """The user has the new address from now on. Raises AccessRefused: token_spent."""
        async with self._around.log.connection() as connection, _address_is_free(), connection.transaction():
            found = await self._sign_ins.use(connection, token, "email")
            return await self._set_address(connection, found["user_id"], found["new_email"])

    async def keep_address(self, token: str) -> User:
        """The user has the address again at which this secret was told. All sessions and mailed links end, and whatever
        somebody left behind who took the account: see `_end_since`.

        Raises AccessRefused: token_spent.
        """
        async with self._around.log.connection() as connection, _address_is_free(), connection.transaction():
            found = await self._sign_ins.use(connection, token, "undo")
            await self._end_since(connection, found["user_id"], found["mailed_at"])
            return await self._set_address(connection, found["user_id"], found["told_at"])

    async def _end_since(self, connection: Connection, user_id: str, since: datetime) -> None:
        """End all sessions and mailed links of a user, and what was added since: keys, sign-ins at the provider, ways
        back to later addresses, and the wish to be erased."""
        now = self._around.clock()
        given = {"user_id": user_id, "now": now, "since": since}
        await self._end_keys(connection, user_id, since)  # before sessions: docs/adr/0101
        await connection.execute(SQL["end_sessions"], {**given, "except": None})
        await connection.execute(SQL["end_tokens"], {**given, "purposes": [*_MAILED, "keep"]})
        await connection.execute(SQL["end_undos_since"], given)
        await connection.execute(SQL["end_identities_since"], given)
        if await rows(connection, "stay", **given):
            await note(connection, now, by_user("user.deletion_taken_back", user_id))

    async def _end_keys(self, connection: Connection, user_id: str, since: datetime) -> None:
        """End the API keys that a user made or rotated since a moment."""
        now = self._around.clock()
        for key in await rows(connection, "end_keys_since", user_id=user_id, now=now, since=since):
            await note(connection, now, AuditEntry("key.revoked", user_id, f"key:{key['key_id']}", key["account_id"]))

    async def _set_address(self, connection: Connection, user_id: str, email: str) -> User:
        now = self._around.clock()
        [row] = await rows(connection, "set_email", user_id=user_id, email=email, now=now)
        await note(connection, now, by_user("user.email_changed", user_id))
        await connection.execute(SQL["drop_registrations"], {"email": email})
        return user_of(row)


def is_fresh(person: Person, now: datetime) -> bool:
    """Whether somebody signed in a moment ago."""
    return now - person.begun_at <= FRESH


@asynccontextmanager
async def _address_is_free() -> AsyncIterator[None]:
    """Somebody else may have got the address meanwhile: then the link is of no use. Raises AccessRefused."""
    try:
        yield
    except UniqueViolation as error:
        raise token_spent() from error
