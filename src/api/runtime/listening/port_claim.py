"""Port claims: a service claims its port on this machine, so that a port serves one ledger only.

Workers share their port with SO_REUSEPORT, and Linux lets every process of the same user join them: without a claim,
requests could be spread over two ledgers. So a service claims its port before it does anything else. A claim is the
name of an abstract Unix socket: such names belong to the network namespace, as ports do; the kernel removes them when
the last process that holds them ends; and /proc/net/unix lists them. See docs/adr/0034-one-port-one-ledger.md.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import NamedTuple

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from api.runtime.listening.listen_address import CannotListen, Ip, ListenAddress, bind, resolve
from api.runtime.settings import Settings, variable

_PREFIX = "credit-ledger"
_LONGEST = 107
"""The longest name that the kernel accepts, in bytes. The first byte is 0."""
_TIMEOUT = 10.0
"""Seconds to wait while another service makes its claim, which takes milliseconds."""
_numbers = count(1)


class Claim(NamedTuple):
    """The claim of a service: its address, its process, and its ledger."""

    ip: Ip
    process: int
    ledger: str
    """A digest, for comparison."""
    shown: str
    """The end of the ledger's name, for messages."""


@contextmanager
def claimed_address(settings: Settings) -> Iterator[ListenAddress]:
    """Claim the address of the settings for their ledger, until the block and workers forked in it end.

    Several services of the same ledger may claim the same address. Raises CannotListen.
    """
    address = replace(resolve(settings.host, settings.port), tls=settings.tls)
    with ExitStack() as held:
        with _claim_lock(address.port):
            ledger = served_ledger(settings)
            others = _claims_beside(address)
            _refuse_other_ledgers(address, others, ledger)
            _refuse_other_programs(address, beside_others=bool(others))
            for ip in address.ips if sys.platform == "linux" else ():
                name = _name(address.port, ip, ledger)
                held.enter_context(_named_socket(name))
        yield address


def served_ledger(settings: Settings) -> str:
    """The name of the ledger of the settings. The id in the database is not used: copies of a ledger have it too.

    The same database under another name counts as another ledger; refusing that start does no harm.
    """
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
                "and let a proxy listen on the lower port"
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(f"nothing can listen on port {address.port} of {ip}: {error.strerror}") from error
            _refuse(address, ip, "taken by another program")


def _refuse(address: ListenAddress, ip: Ip, taken: str) -> None:
    where = address.host if str(ip) == address.host else f"{address.host} ({ip})"
    raise CannotListen(
        f"port {address.port} of {where} is {taken}: stop that program, or set {variable('port')} to another port"
    )


# Claims: the names of sockets -------------------------------------------------------------------------------------


def _claims_beside(address: ListenAddress) -> list[Claim]:
    """The claims to a port that overlap with an address."""
    beginning = f"@{_PREFIX}/{address.port}/"
    claims = [_claim(name.removeprefix(beginning)) for name in _names() if name.startswith(beginning)]
    return [claim for claim in claims if claim and any(_overlap(claim.ip, ip) for ip in address.ips)]


def _names() -> list[str]:
    """The names of all Unix sockets. The kernel shows the 0 at the beginning of a name as `@`."""
    try:
        lines = Path("/proc/net/unix").read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []  # without the list, every listener counts as another program
    return [fields[7] for line in lines if len(fields := line.split(None, 7)) == 8]


def _name(port: int, ip: Ip, ledger: str) -> str:
    name = f"\0{_PREFIX}/{port}/{ip}/{os.getpid()}.{next(_numbers)}/{_digest(ledger)}/"
    room = _LONGEST - len(name)
    shown = ledger.encode("ascii", errors="replace").decode()
    return name + (shown if len(shown) <= room else f"...{shown[3 - room :]}")


def _claim(name: str) -> Claim | None:
    """The claim with this name; None if the socket belongs to another program."""
    try:
        ip, process, ledger, shown = name.split("/", 3)
        return Claim(ip_address(ip), int(process.partition(".")[0]), ledger, shown)
    except ValueError:
        return None


def _digest(ledger: str) -> str:
    return sha256(ledger.encode(errors="surrogateescape")).hexdigest()[:16]


def _overlap(one: Ip, other: Ip) -> bool:
    """Whether a connection may reach both. A socket on `::` also accepts connections to IPv4 addresses."""
    pairs = (one, other), (other, one)
    return one == other or any(a.is_unspecified and (a.version == 6 or b.version == 4) for a, b in pairs)


@contextmanager
def _claim_lock(port: int) -> Iterator[None]:
    """Hold the lock for claims to a port."""
    if sys.platform != "linux":
        yield
        return
    with _lock(port):
        yield


def _lock(port: int) -> socket.socket:
    until = time.monotonic() + _TIMEOUT
    while True:
        try:
            return _named_socket(f"\0{_PREFIX}/{port}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise CannotListen(
                    f"another process has held the claim lock of port {port} for {_TIMEOUT:.0f} seconds"
                ) from error
            time.sleep(0.01)


def _named_socket(name: str) -> socket.socket:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(name)
    except OSError:
        held.close()
        raise
    return held
