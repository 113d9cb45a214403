"""The listen address: the host of the settings is resolved to addresses of this machine, or refused in one line."""

import errno
import json
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings, variable

Ip = IPv4Address | IPv6Address


class CannotListen(OperatorError):
    """The service cannot listen on the address of the settings. The message explains why."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The host of the settings, and the addresses that it resolves to."""

    host: str
    """An address without its brackets, or a name."""
    ips: tuple[Ip, ...]
    """Its addresses of this machine. The service listens on the first; no other program may listen on the others."""
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """The URL that is printed."""
        return self._url(self.host)

    @property
    def reachable_ip(self) -> str:
        """The address at which this machine reaches the service."""
        ip = self.ips[0]
        loopback = "127.0.0.1" if ip.version == 4 else "::1"
        return loopback if ip.is_unspecified else str(ip)

    @property
    def reachable_url(self) -> str:
        """The URL at which this machine reaches the service, with the host name of the settings."""
        return self._url(self.reachable_ip if self.ips[0].is_unspecified else self.host)

    def _url(self, host: str) -> str:
        return f"{'https' if self.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"


def resolve(host: str, port: int, setting: str = "host") -> ListenAddress:
    """Resolve the host of a setting. Raises CannotListen if it is unknown or not an address of this machine."""
    bare = _without_brackets(host)
    found = _look_up(bare, setting)
    ours = [ip for ip in found if _is_ours(ip)]
    if not ours:
        listed = ", ".join(map(str, found))
        means = "" if listed == bare else f" ({listed})"
        raise CannotListen(f"{_named(host, setting)}{means}, which is not an address of this machine")
    return ListenAddress(bare, tuple(ours), port)


def links_need_public_url(settings: Settings) -> bool:
    """Whether the service can be reached from other machines, while it does not know at which address."""
    return settings.public_url is None and not is_loopback(settings.host)


def is_loopback(host: str) -> bool:
    """Whether all addresses of a host are loopback addresses. A name that cannot be resolved may be any address."""
    try:
        return all(ip.is_loopback for ip in _look_up(_without_brackets(host), "host"))
    except CannotListen:
        return False


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _look_up(host: str, setting: str) -> list[Ip]:
    """All addresses, IPv4 first: clients of a name try both kinds, but clients of 127.0.0.1 only that one."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise CannotListen(f"{_named(host, setting)}, which cannot be resolved: {reason}") from error
    if any(len(where) == 4 and where[3] for *_, where in found):
        raise CannotListen(
            f"{_named(host, setting)}, a link-local address of one network interface, which is not supported"
        )
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
    """Bind a socket and close it. Unless `beside_others`, this fails if a program listens there. Raises OSError."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not block the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(beside_others))
        probe.bind((str(ip), port))


def _named(host: str, setting: str) -> str:
    return f"{variable(setting)} is {json.dumps(host, ensure_ascii=False)}"
