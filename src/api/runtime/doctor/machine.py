"""What the machine and the settings are like: names of variables, addresses, folders, disks, limits of the kernel."""

import os
import resource
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.runtime.doctor.finding import Finding, State, listed
from api.runtime.embedded.moved import moved_ledger
from api.runtime.listening.certificate import end_of_certificate
from api.runtime.listening.listen_address import links_need_public_url
from api.runtime.people.sign_in import registration_of
from api.runtime.settings import Settings, WrongSetting, given_settings, unknown_variables, variable
from billing.catalog_file import read_catalog
from billing.errors import WrongCatalog

ENOUGH = 2 * 2**30
"""Bytes of a disk that should be free: the embedded database alone may have a WAL of this size."""
TOO_LITTLE = 200 * 2**20
_RENEWED = timedelta(days=14)
"""A certificate should be renewed this long before its end."""
_FILES = 4_096
"""The limit on open files below which few connections fit."""


def machine_findings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything that needs no database."""
    yield _settings(environ)
    yield _addresses(settings)
    yield from _proxies(settings)
    yield from _certificate(settings)
    yield from _catalog(settings)
    yield _files()
    for check, folder in (("data", settings.data_dir), ("checkpoints", settings.checkpoints)):
        yield _folder(check, folder)
    yield _disk(settings.data_dir)
    yield from _left_behind(settings)


def _settings(environ: Mapping[str, str]) -> Finding:
    if unknown := unknown_variables(environ):
        advice = "correct the name, or remove it (`credit-ledger settings` prints all settings)"
        return Finding("settings", "warning", f"no setting has the name {listed(unknown)}", advice)
    return Finding("settings", "ok", f"{len(given_settings(environ))} have a value that is not the default")


def _addresses(settings: Settings) -> Finding:
    here = f"{settings.host}, port {settings.port}"
    if links_need_public_url(settings):
        found = f"the service listens beyond this machine ({here}) and does not know its public address"
        return Finding("address", "warning", found, f"set {variable('public_url')}, or no portal link can be made")
    if not settings.https and settings.public_url is not None:
        advice = f"let a proxy speak https, or set {variable('tls_certificate')}"
        return Finding("address", "warning", "browsers reach the service without https", advice)
    return Finding("address", "ok", here)


def _proxies(settings: Settings) -> Iterator[Finding]:
    """A service whose https is somebody else's is behind a proxy: whose wrong passwords are counted?"""
    if registration_of(settings) == "off" or not settings.https or settings.tls:
        return
    if settings.proxy_networks:
        yield Finding("proxies", "ok", f"{settings.trusted_proxies} tell where requests come from")
        return
    found = "people sign in here behind a proxy that is not named, so all of them share one count of wrong passwords"
    yield Finding("proxies", "warning", found, f"set {variable('trusted_proxies')} to the network of the proxy")


def _certificate(settings: Settings) -> Iterator[Finding]:
    try:
        end = end_of_certificate(settings)
    except WrongSetting as error:
        yield Finding("certificate", "problem", str(error))
        return
    if end is not None:
        left = end - datetime.now(UTC)
        found = f"it ends on {end:%d %B %Y}"
        if left < _RENEWED:
            state: State = "problem" if left < timedelta() else "warning"
            yield Finding("certificate", state, found, "renew it, then start a new service and stop the old one")
        else:
            yield Finding("certificate", "ok", found)


def _catalog(settings: Settings) -> Iterator[Finding]:
    if settings.catalog is None:
        return
    try:
        wanted = read_catalog(settings.catalog).wanted
    except WrongCatalog as error:
        yield Finding("catalogue", "problem", str(error), f"correct the file of {variable('catalog')}")
    else:
        yield Finding("catalogue", "ok", f"{settings.catalog} has {len(wanted)} plans and packages")


def _files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _FILES:
        found = f"a process may open {hard:,} files, and each connection is one"
        return Finding("files", "warning", found, "raise the hard limit to 20,000 (systemd: LimitNOFILE)")
    return Finding("files", "ok", "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,} may be open")


def _folder(check: str, folder: Path) -> Finding:
    """Whether this user may write into a folder, or make it."""
    place = _existing(folder)
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Finding(check, "problem", f"this user may not write into {place}", "run this as the user of the service")
    owner = place.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        advice = "run commands that write files as that user: it cannot read those of root"
        return Finding(check, "warning", f"{place} belongs to user {owner}, and this is root", advice)
    made = "" if place == folder else ", which the first start makes"
    return Finding(check, "ok", f"{folder}{made}")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{free / 2**30:,.1f} GiB are free for {folder}"
    if free >= ENOUGH:
        return Finding("disk", "ok", found)
    return Finding("disk", "problem" if free < TOO_LITTLE else "warning", found, "free space, or use a larger disk")


def _left_behind(settings: Settings) -> Iterator[Finding]:
    """The embedded database of a ledger that was moved to a server: erasures do not reach it."""
    embedded = settings.data_dir / "postgres"
    try:
        moved = moved_ledger(settings.data_dir)
        if settings.database_url is None or moved is None or not embedded.is_dir():
            return
    except OSError:
        return  # the line about the folder says so
    found = f"{embedded} has the ledger as it was on {moved.at}, with texts that are erased since"
    yield Finding("copy", "warning", found, "make a backup of the server, then delete that folder")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())
