"""The histograms for Prometheus.

This module imports nothing, because the first process of a service reads it: with the import of the library it is
decided whether several processes share their metrics.
"""

PROJECTOR_METRICS = "CREDIT_LEDGER_PROJECTOR_METRICS"
"""The variable that tells a worker the folder in which the projector writes its metrics. It is not a setting."""
