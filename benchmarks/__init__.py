"""The load benchmark, and the yardstick that it compares the ledger with. `python -m benchmarks.run` runs all of it."""
