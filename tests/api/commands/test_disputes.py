"""What an open dispute does is a setting; how it ends is not."""

from pathlib import Path

import pytest

from tests.postgres import TestServer
from tests.service import service_here

PAYMENT = {"payment_id": "pay-1", "provider": "stripe", "status": "paid", "amount_minor": 100, "currency": "EUR"}


@pytest.mark.parametrize(
    ("effect", "standing", "held"), [("hold", "active", 200), ("freeze", "frozen", 200), ("record", "active", 0)]
)
def test_what_a_dispute_does_from_its_opening_to_its_loss(
    server: TestServer, tmp_path: Path, effect: str, standing: str, held: int
) -> None:
    settings = {"CREDIT_LEDGER_ON_DISPUTE": effect}
    with server.database() as conninfo, service_here(conninfo, tmp_path, settings=settings) as service:
        account = service.open_account(permanent=5)
        path = f"/v1/accounts/{account}"
        paid = service.post(f"{path}/payments", {**PAYMENT, "grant": {"kind": "permanent", "amount": 200}})
        assert paid.status_code == 201
        disputes = f"{path}/payments/pay-1/disputes"

        opened = service.post(disputes, {"dispute_id": "dp-1", "state": "open"})
        assert (opened.status_code, opened.json()["dispute_state"], opened.json()["held"]) == (201, "open", held)
        assert service.post(disputes, {"dispute_id": "dp-1", "state": "open"}).status_code == 200
        assert service.get(path).json()["standing"] == standing
        if held:
            refused = service.post(f"{path}/holds/{opened.json()['hold_id']}/release", key="release")
            assert refused.json()["code"] == "hold_disputed"

        lost = service.post(disputes, {"dispute_id": "dp-1", "state": "lost"}).json()
        assert (lost["cancelled"], lost["balance"]["total"], lost["balance"]["held"]) == (held, 5, 0)
        won = service.post(disputes, {"dispute_id": "dp-1", "state": "won"}).json()
        assert won["code"] == "dispute_already_decided"
        assert service.get(path).json()["standing"] == standing
