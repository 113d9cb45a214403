"""One port, one ledger: who serves a port says so on this machine, and nobody else's ledger is served there.

Workers share their port by SO_REUSEPORT, and Linux lets every process of the same user join them: requests would be
spread over two ledgers. So a service claims its port before it does anything else. A claim is the name of an abstract
Unix socket: such names belong to the network namespace, as ports do; the kernel drops them with the last process that
holds them; and /proc/net/unix lists them. See docs/adr/0034-one-port-one-ledger.md.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import NamedTuple

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from api.runtime.listen_address import CannotListen, Ip, ListenAddress, bind, resolve
from api.runtime.settings import Settings, variable

_PREFIX = "credit-ledger"
_LONGEST = 107
"""Bytes of a name that the kernel takes, the first of which is 0."""
_PATIENCE = 10.0
"""Seconds for which another service may hold up a start: what it does meanwhile takes milliseconds."""
_numbers = count(1)


class Claim(NamedTuple):
    """What a service says of itself: where it listens, its process, and which ledger it serves."""

    ip: Ip
    process: int
    ledger: str
    """A digest, to compare."""
    shown: str
    """The end of its name, to show."""


@contextmanager
def claimed_address(settings: Settings) -> Iterator[ListenAddress]:
    """Where the settings let the service listen, claimed for their ledger until the block ends, and by the workers that
    are forked meanwhile. Services of the same ledger may claim it together. Raises CannotListen."""
    address = resolve(settings.host, settings.port)
    with ExitStack() as held:
        with _alone(address.port):
            ledger = served_ledger(settings)
            others = _claims_beside(address)
            _refuse_other_ledgers(address, others, ledger)
            _refuse_other_programs(address, beside_others=bool(others))
            for ip in address.ips if sys.platform == "linux" else ():
                name = _name(address.port, ip, ledger)
                held.enter_context(_named_socket(name))
        yield address


def served_ledger(settings: Settings) -> str:
    """Which ledger the settings name. No database is asked: a copy of a ledger has its id and is another one here. So
    is the same database under another name; a start that is refused for that does no harm."""
    if settings.database_url is None:
        return str(settings.data_dir.resolve())
    defaults = {default.keyword: default.val for default in pq.Conninfo.get_defaults()}
    given = {name: str(text) for name, text in conninfo_to_dict(settings.database_url.get_secret_value()).items()}

    def part(name: str) -> str:
        return given.get(name) or (defaults.get(name.encode()) or b"").decode()

    hosts = part("host") or part("hostaddr")
    return f"{part('dbname') or part('user')} at {hosts}:{part('port')}"


def _refuse_other_ledgers(address: ListenAddress, others: list[Claim], ledger: str) -> None:
    for other in others:
        if other.ledger != _digest(ledger):
            _refuse(address, other.ip, f"served by another ledger, {other.shown} (process {other.process})")


def _refuse_other_programs(address: ListenAddress, *, beside_others: bool) -> None:
    for ip in address.ips:
        try:
            bind(ip, address.port, beside_others=beside_others)
        except PermissionError as error:
            raise CannotListen(
                f"this user may not listen on port {address.port}: set {variable('port')} to 1024 or more, "
                "and let a proxy listen on that one"
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(f"nothing can listen on port {address.port} of {ip}: {error.strerror}") from error
            _refuse(address, ip, "taken by another program")


def _refuse(address: ListenAddress, ip: Ip, taken: str) -> None:
    where = address.host if str(ip) == address.host else f"{address.host} ({ip})"
    raise CannotListen(
        f"port {address.port} of {where} is {taken}: stop that one, or set {variable('port')} to another port"
    )


# Claims: the names of sockets -------------------------------------------------------------------------------------


def _claims_beside(address: ListenAddress) -> list[Claim]:
    """The claims to a port that overlap with an address."""
    beginning = f"@{_PREFIX}/{address.port}/"
    claims = [_claim(name.removeprefix(beginning)) for name in _names() if name.startswith(beginning)]
    return [claim for claim in claims if claim and any(_overlap(claim.ip, ip) for ip in address.ips)]


def _names() -> list[str]:
    """Of all sockets of the machine; the kernel shows the 0 at the beginning of a name as `@`."""
    try:
        lines = Path("/proc/net/unix").read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []  # then whoever listens is another program
    return [fields[7] for line in lines if len(fields := line.split(None, 7)) == 8]


def _name(port: int, ip: Ip, ledger: str) -> str:
    name = f"\0{_PREFIX}/{port}/{ip}/{os.getpid()}.{next(_numbers)}/{_digest(ledger)}/"
    room = _LONGEST - len(name)
    shown = ledger.encode("ascii", errors="replace").decode()
    return name + (shown if len(shown) <= room else f"...{shown[3 - room :]}")


def _claim(name: str) -> Claim | None:
    """None when it is no name of ours: anybody may give his socket any name."""
    try:
        ip, process, ledger, shown = name.split("/", 3)
        return Claim(ip_address(ip), int(process.partition(".")[0]), ledger, shown)
    except ValueError:
        return None


def _digest(ledger: str) -> str:
    return sha256(ledger.encode(errors="surrogateescape")).hexdigest()[:16]


def _overlap(one: Ip, other: Ip) -> bool:
    """Whether some connection may reach both. A socket on `::` takes those to IPv4 addresses too."""
    pairs = (one, other), (other, one)
    return one == other or any(a.is_unspecified and (a.version == 6 or b.version == 4) for a, b in pairs)


@contextmanager
def _alone(port: int) -> Iterator[None]:
    """Nobody else looks at the claims to a port meanwhile, to make one."""
    if sys.platform != "linux":
        yield
        return
    with _lock(port):
        yield


def _lock(port: int) -> socket.socket:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return _named_socket(f"\0{_PREFIX}/{port}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise CannotListen(f"another process claims port {port} and does not come to an end") from error
            time.sleep(0.01)


def _named_socket(name: str) -> socket.socket:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(name)
    except OSError:
        held.close()
        raise
    return held
