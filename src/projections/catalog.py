"""All projections, in the order in which a page names them."""

from projections.balances import BALANCES
from projections.history import HISTORY
from projections.payments import PAYMENTS
from projections.projection import Projection
from projections.rollups import ROLLUPS
from projections.statistics import STATISTICS
from projections.usage import USAGE

PROJECTIONS: tuple[Projection, ...] = (BALANCES, HISTORY, ROLLUPS, USAGE, PAYMENTS, STATISTICS)
BY_NAME = {projection.name: projection for projection in PROJECTIONS}
