"""Whose tables the program has, in the order in which they are migrated. Migrations and rights are handed this list."""

from ledger.postgres.components import Component

COMPONENTS = (
    Component("ledger", "ledger.store", "ledger"),
    Component("api", "api", "ledger"),
    Component("projections", "projections", "projections", schemas_of_service="projection_"),
)
