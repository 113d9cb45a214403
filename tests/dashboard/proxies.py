"""A real nginx or Caddy before a service, configured as in docs/operations.md, on loopback, in a folder of its own."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.service import PLAIN

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "operations.md"
_UNPACKED = ROOT / ".venv"
# As root it would make its workers another user's, who may not enter the folder of a test.
_MAIN = """
daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def nginx_program() -> str | None:
    """The path of nginx: CREDIT_LEDGER_TEST_NGINX, or from the PATH, or where scripts/test unpacks it."""
    return program("nginx", "CREDIT_LEDGER_TEST_NGINX", "nginx/usr/sbin/nginx", "/usr/sbin/nginx")


def program(name: str, variable: str, unpacked: str, *places: str) -> str | None:
    """The path of a program: what a variable names, or from the PATH, or where scripts/test unpacks it."""
    named = os.environ.get(variable) or shutil.which(name)
    others = (*places, str(_UNPACKED / unpacked))
    return named or next((place for place in others if os.access(place, os.X_OK)), None)


def example() -> str:
    """The configuration in the manual for a service below a path."""
    return recipes("nginx")[0]


def recipes(kind: str) -> list[str]:
    """The blocks of a kind in the manual."""
    return re.findall(rf"^```{kind}\n(.*?)^```", MANUAL.read_text(), flags=re.MULTILINE | re.DOTALL)


def with_the_path_taken_away(server: str) -> str:
    """The example with the one change that the manual names."""
    [passed_on] = re.findall(r"proxy_pass http://127\.0\.0\.1:8000;", server)
    [taken_away] = set(re.findall(r"proxy_pass http://127\.0\.0\.1:8000/;", MANUAL.read_text()))
    return server.replace(passed_on, taken_away)


class Certificate:
    """A certificate for loopback, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "loopback.pem", folder / "loopback.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.trusted = ssl.create_default_context(cafile=str(self.certificate))


def server_at(port: int, server: str, upstream: int, certificate: Certificate) -> str:
    """The example configuration with the ports and files of a test in place of the manual's."""
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{upstream}",
        "/etc/ssl/product.example.pem": str(certificate.certificate),
        "/etc/ssl/product.example.key": str(certificate.key),
    }
    for written, meant in changes.items():
        assert server.count(written) == 1, written
        server = server.replace(written, meant)
    return server


@contextmanager
def running_nginx(program: str, folder: Path, servers: Mapping[str, str], trusted: ssl.SSLContext) -> Iterator[None]:
    """Run nginx until the block ends, with a configuration for each address."""
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder, servers="\n".join(servers.values())))
    with _running([program, "-p", str(folder), "-c", str(main)], folder, list(servers), trusted):
        yield


@contextmanager
def nginx(port: int, upstream: int, folder: Path) -> Iterator[None]:
    """A real nginx with the recipe of the manual for a service on this machine."""
    path = nginx_program()
    assert path is not None
    recipe = _on_ports(recipes("nginx")[1], port, upstream)
    with running_nginx(path, folder, {f"http://127.0.0.1:{port}": recipe}, PLAIN):
        yield


def caddy_program() -> str | None:
    """The path of Caddy: CREDIT_LEDGER_TEST_CADDY, or from the PATH, or where scripts/test unpacks it."""
    return program("caddy", "CREDIT_LEDGER_TEST_CADDY", "caddy/usr/bin/caddy")


@contextmanager
def caddy(port: int, upstream: int, folder: Path) -> Iterator[None]:
    """A real Caddy with the recipe of the manual."""
    path = caddy_program()
    assert path is not None
    [recipe] = recipes("caddyfile")
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + _on_ports(recipe, port, upstream))
    command = [path, "run", "--config", str(file), "--adapter", "caddyfile"]
    with _running(command, folder, [f"http://127.0.0.1:{port}/healthz"], PLAIN):
        yield


def _on_ports(recipe: str, port: int, upstream: int) -> str:
    return recipe.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}").replace(":8080", f":{port}")


Run = Callable[[int, int, Path], AbstractContextManager[None]]
PROXIES: dict[str, tuple[Callable[[], str | None], Run]] = {
    "nginx": (nginx_program, nginx),
    "caddy": (caddy_program, caddy),
}
"""Each proxy of the manual: its program, if it is here, and what runs it on a port before a service on another one."""


@contextmanager
def _running(command: list[str], folder: Path, urls: list[str], trusted: ssl.SSLContext) -> Iterator[None]:
    """Run a proxy until the block ends, which begins when it answers at all of these addresses."""
    log = folder / "proxy.log"
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **homes}, stdout=output, stderr=output)
    try:
        for url in urls:
            _wait(process, url, trusted, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", url: str, trusted: ssl.SSLContext, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, verify=trusted, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the proxy does not answer:\n{log.read_text()}")
