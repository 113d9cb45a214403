"""The move of an embedded ledger to a server: a copy of everything, and the proof that it is equal."""
