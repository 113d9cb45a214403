"""The faults, in the order of the table."""

from tests.survival.faults import cut_connection, killed_service, promotion
from tests.survival.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (killed_service.FAULT, cut_connection.FAULT, promotion.FAULT)
