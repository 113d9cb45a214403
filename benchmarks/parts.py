"""What each table and each of its indexes is for: printed beside the bytes that it takes for one event."""

PARTS = {
    "ledger.events": "the log: each event, receipt and hash; found by account, position, receipt, and subject",
    "ledger.snapshots": "states of accounts, so that few events are folded; may be deleted",
    "ledger.text_keys": "the key of each account's texts",
    "projection_balances.accounts": "the newest state of each account; sorted by credits, activity and expiry",
    "projection_balances.grants": "what became of each grant; by status",
    "projection_balances.holds": "what became of each hold; by status, and the open ones by expiry",
    "projection_history.entry_rows": "each change of a balance; in order, by task, and the rare types",
    "projection_history.history_accounts": "the numbers by which entries name accounts",
    "projection_history.history_groups": "what the usage of many entries has in common",
    "projection_payments.bought": "which grants a payment bought",
    "projection_payments.payments": "each payment; in order",
    "projection_rollups.rollups": "sums and balances of each account by quarter of an hour and by hour",
    "projection_usage.groups": "combinations of provider, model, project, member, metric, key and agent",
    "projection_usage.usage_accounts": "the numbers by which usage names accounts",
    "projection_usage.measured_rows": "quantities, failures and durations of usage that says them",
    "projection_usage.usage_rows": "sums of each account and group by quarter of an hour and by hour",
}
OTHERS = "positions, statistics, the Merkle tree, and what has one row"


def part(table: str) -> str:
    """What a table is for."""
    return PARTS.get(table, OTHERS)
