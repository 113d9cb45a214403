"""The faults, in the order of the table."""

from tests.survival.faults import (
    crashed_postgres,
    cut_connection,
    full_disk,
    killed_service,
    lost_owner,
    overload,
    promotion,
    repeated_request,
    stepped_clock,
)
from tests.survival.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    killed_service.FAULT,
    lost_owner.FAULT,
    crashed_postgres.FAULT,
    cut_connection.FAULT,
    repeated_request.FAULT,
    promotion.FAULT,
    full_disk.FAULT,
    stepped_clock.FAULT,
    overload.FAULT,
)
