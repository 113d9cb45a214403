"""Where the service listens: a host of the settings becomes addresses of this machine, or one line about why not."""

import errno
import json
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.runtime.operator_error import OperatorError
from api.runtime.settings import variable

Ip = IPv4Address | IPv6Address


class CannotListen(OperatorError):
    """The service cannot listen where the settings say. Its text says why."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host as the settings have it, and what it stands for."""

    host: str
    """An address without its brackets, or a name."""
    ips: tuple[Ip, ...]
    """What of it belongs to this machine. The service listens on the first; the others must not lead elsewhere."""
    port: int

    @property
    def url(self) -> str:
        """As it is printed."""
        return _url(self.host, self.port)

    @property
    def reachable_ip(self) -> str:
        """Where this machine itself reaches the service."""
        ip = self.ips[0]
        loopback = "127.0.0.1" if ip.version == 4 else "::1"
        return loopback if ip.is_unspecified else str(ip)

    @property
    def reachable_url(self) -> str:
        """The same as an address to open, with the name that somebody chose."""
        return _url(self.reachable_ip if self.ips[0].is_unspecified else self.host, self.port)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def resolve(host: str, port: int) -> ListenAddress:
    """What a host stands for. Raises CannotListen when it is unknown, or no address of this machine."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    found = _look_up(bare)
    ours = [ip for ip in found if _is_ours(ip)]
    if not ours:
        listed = ", ".join(map(str, found))
        means = "" if listed == bare else f" ({listed})"
        raise CannotListen(f"{_named(host)}{means}, and that is no address of this machine")
    return ListenAddress(bare, tuple(ours), port)


def _look_up(host: str) -> list[Ip]:
    """IPv4 first: clients that are given a name try both kinds, and those that are given 127.0.0.1 only one."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise CannotListen(f"{_named(host)}, for which no address is found: {reason}") from error
    if any(len(where) == 4 and where[3] for *_, where in found):
        raise CannotListen(f"{_named(host)}, an address of one network link; such an address is not supported")
    ips = dict.fromkeys(ip_address(where[0]) for *_, where in found)
    return sorted(ips, key=lambda ip: ip.version)


def _is_ours(ip: Ip) -> bool:
    try:
        bind(ip, 0)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return False
        raise CannotListen(f"nothing can listen on {ip}: {error.strerror}") from error
    return True


def bind(ip: Ip, port: int, *, beside_others: bool = False) -> None:
    """Bind and let go. Without others, that fails where anybody listens; raises OSError."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an ended connection holds nothing up
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(beside_others))
        probe.bind((str(ip), port))


def _named(host: str) -> str:
    return f"{variable('host')} is {json.dumps(host, ensure_ascii=False)}"
