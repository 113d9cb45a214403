"""What the service says about itself, if it runs on this machine with these settings."""

import http.client
import json
from dataclasses import replace
from typing import Any

from api.runtime.doctor.finding import Finding, listed
from api.runtime.listening.announcement import connection_to
from api.runtime.listening.listen_address import CannotListen, ListenAddress, resolve
from api.runtime.settings import Settings

_PATIENCE = 10.0
"""Seconds for its answer: while the database is away, it takes five."""
_ADVICE = "docs/runbook.md, What /readyz says, has what to do for each"


def service_finding(settings: Settings) -> Finding:
    """Ask /readyz of a running service. That none runs is no fault: it may be that it is to be started."""
    try:
        address = _address(settings)
    except CannotListen as error:
        return Finding("service", "problem", str(error))
    try:
        return _finding(_ready(address))
    except TimeoutError:
        advice = "look into its log and restart it"
        return Finding("service", "problem", f"it has not answered for {_PATIENCE:.0f} seconds", advice)
    except OSError:
        return Finding("service", "ok", f"none runs on {address.host}, port {address.port}")
    except (http.client.HTTPException, ValueError):
        found = f"another program answers on {address.host}, port {address.port}"
        return Finding("service", "warning", found, "stop it, or choose another port")


def _address(settings: Settings) -> ListenAddress:
    """Where its details are. Raises CannotListen."""
    if settings.ops_port is None:
        return replace(resolve(settings.host, settings.port), tls=settings.tls)
    return resolve(settings.ops_host, settings.ops_port, "ops_host")


def _ready(address: ListenAddress) -> dict[str, Any]:
    """The answer of /readyz. Raises OSError, HTTPException, and ValueError if it is not that of a ledger."""
    connection = connection_to(address, _PATIENCE)
    try:
        connection.request("GET", "/readyz")
        found = json.loads(connection.getresponse().read(100_000))
    finally:
        connection.close()
    if not isinstance(found, dict) or not isinstance(found.get("checks"), dict):
        raise http.client.HTTPException("this is not the answer of a ledger")
    return found


def _finding(ready: dict[str, Any]) -> Finding:
    wrong = [name for name, right in ready["checks"].items() if not right]
    if wrong:
        return Finding("service", "problem", f"it runs and is not ready ({listed(wrong)})", _ADVICE)
    if ready.get("status") == "draining":
        return Finding("service", "ok", "it is about to stop")
    return Finding("service", "ok", "it runs and is ready")
