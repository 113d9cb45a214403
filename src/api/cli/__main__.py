"""`python -m api.cli`: the same as `credit-ledger`."""

from api.cli.main import start

start()
