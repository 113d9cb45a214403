"""All projections, in the order in which pages list them."""

from projections.models.balances.projection import BALANCES
from projections.models.history.projection import HISTORY
from projections.models.payments.projection import PAYMENTS
from projections.models.projection import Projection
from projections.models.rollups.projection import ROLLUPS
from projections.models.statistics.projection import STATISTICS
from projections.models.subscriptions.projection import SUBSCRIPTIONS
from projections.models.uncollected.projection import UNCOLLECTED
from projections.models.usage.projection import USAGE

PROJECTIONS: tuple[Projection, ...] = (
    BALANCES,
    HISTORY,
    ROLLUPS,
    USAGE,
    PAYMENTS,
    SUBSCRIPTIONS,
    UNCOLLECTED,
    STATISTICS,
)
BY_NAME = {projection.name: projection for projection in PROJECTIONS}
