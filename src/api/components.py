"""Whose tables the program has, in the order in which they are migrated. Migrations and rights are handed this list."""

from ledger.postgres.components import Component

COMPONENTS = (
    Component("ledger", "ledger.store", "ledger"),
    # Closed. What its migrations made in the schema of the log, the next two took over (docs/adr/0033-schemas.md).
    Component("api", "api", "ledger"),
    Component("people", "people", "people"),
    Component("outbox", "outbox", "outbox"),
    Component("measures", "measures", "measures"),
    Component("imports", "api.imports", "imports"),
    Component("jobs", "jobs", "jobs"),
    Component("billing", "billing", "billing"),
    Component("projections", "projections", "projections", builds="projection_"),
)
