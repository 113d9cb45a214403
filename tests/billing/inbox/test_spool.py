"""The spool keeps deliveries on a disk: sealed, whole or not at all, and never more than it may."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.inbox.sealing import Seal
from billing.inbox.spool import Spool, SpoolFull
from billing.inbox.webhook import Arrival
from billing.providers.provider import Delivery

SEAL = Seal(bytes(range(32)))
NOW = datetime(2026, 11, 30, 12, 0, 0, 1, tzinfo=UTC)


def arrival(number: int = 1, body: bytes = b'{"who": "ada"}\n') -> Arrival:
    delivery = Delivery("stripe", f"evt_{number}", "invoice.paid", body, None, True)
    return Arrival(delivery, {"stripe-signature": "t=1"}, NOW)


def spool(folder: Path, **limits: int) -> Spool:
    return Spool(folder / "webhooks", lambda: SEAL, **limits)


def test_a_delivery_comes_back_as_it_was(tmp_path: Path) -> None:
    kept, one = spool(tmp_path), arrival()
    kept.keep(one)
    [name] = kept.names()
    assert name == one.digest
    assert kept.read(name) == one
    path = tmp_path / "webhooks" / name
    assert b"stripe-signature" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    kept.drop(name)
    kept.drop(name)
    assert kept.names() == []
    assert kept.read(name) is None


def test_the_same_delivery_is_kept_once(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    for _ in range(3):
        kept.keep(arrival())
    kept.keep(arrival(body=b"{}"))
    assert len(kept.names()) == 2


def test_nothing_is_there_before_anything_was_kept(tmp_path: Path) -> None:
    assert spool(tmp_path).names() == []


def test_it_has_limits(tmp_path: Path) -> None:
    few, small = spool(tmp_path / "few", most_files=2), spool(tmp_path / "small", most_bytes=1_000)
    for number in range(2):
        few.keep(arrival(number))
    with pytest.raises(SpoolFull, match="2 deliveries"):
        few.keep(arrival(3))
    few.keep(arrival(1))  # it is there
    with pytest.raises(SpoolFull):
        small.keep(arrival(body=b"x" * 1_000))
    assert small.names() == []


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes a part of a file, and no more. What was kept before is whole, and nothing half is left."""
    kept = spool(tmp_path)
    kept.keep(arrival(1))
    write = os.write
    left = [10]

    def nearly_full(file: int, content: bytes) -> int:
        taken = min(left[0], len(content))
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= taken
        return write(file, bytes(content[:taken]))

    with monkeypatch.context() as full:
        full.setattr(os, "write", nearly_full)
        with pytest.raises(SpoolFull, match="No space left"):
            kept.keep(arrival(2))
    assert kept.names() == [arrival(1).digest]
    assert [path.name for path in (tmp_path / "webhooks").iterdir()] == [arrival(1).digest]
    assert kept.read(arrival(1).digest) == arrival(1)
    kept.keep(arrival(2))
    assert len(kept.names()) == 2


def test_a_file_that_the_ledger_did_not_write_is_set_aside(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.keep(arrival(1))
    folder = tmp_path / "webhooks"
    forged = arrival(2).digest
    (folder / forged).write_bytes((folder / arrival(1).digest).read_bytes())
    assert kept.read(forged) is None
    assert kept.names() == [arrival(1).digest]
    assert (folder / f"{forged}.unreadable").exists()
