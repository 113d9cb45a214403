"""Lots, draws and returns in JSON, in events and in snapshots."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ledger.domain.holds import Fate, Return, Returns
from ledger.domain.lots import Draw, Draws, Lot
from ledger.store.records.stored_values import kind, number, reader_of, text, time


def lots_to_json(lots: Iterable[Lot]) -> list[dict[str, Any]]:
    return [
        {"grant_id": grant_id, "kind": kind, "remaining": remaining}
        if expires_at is None
        else {"expires_at": expires_at, "grant_id": grant_id, "kind": kind, "remaining": remaining}
        for grant_id, kind, remaining, expires_at in lots
    ]


def parts_to_json(parts: Iterable[Draw | Return]) -> list[dict[str, Any]]:
    return [{name: value for name, value in sorted(part._asdict().items()) if value is not None} for part in parts]


def draws_to_json(draws: Draws) -> list[dict[str, Any]]:
    return [
        {"amount": amount, "grant_id": grant_id, "kind": kind}
        if expires_at is None
        else {"amount": amount, "expires_at": expires_at, "grant_id": grant_id, "kind": kind}
        for grant_id, kind, amount, expires_at in draws
    ]


_fate = reader_of(Fate)


def _draw(data: dict[str, Any]) -> Draw:
    return Draw(text(data["grant_id"]), kind(data["kind"]), number(data["amount"]), _optional_time(data))


def _return(data: dict[str, Any]) -> Return:
    return Return(
        text(data["grant_id"]), kind(data["kind"]), number(data["amount"]), _optional_time(data), _fate(data["fate"])
    )


def lot_from_json(data: dict[str, Any]) -> Lot:
    return Lot(text(data["grant_id"]), kind(data["kind"]), number(data["remaining"]), _optional_time(data))


def _optional_time(data: dict[str, Any]) -> datetime | None:
    expires_at = data.get("expires_at")
    return None if expires_at is None else time(expires_at)


def draws_from_json(data: list[dict[str, Any]]) -> Draws:
    return tuple(map(_draw, data))


def returns_from_json(data: list[dict[str, Any]]) -> Returns:
    return tuple(map(_return, data))
