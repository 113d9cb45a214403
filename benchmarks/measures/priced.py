"""`priced`: deductions that are priced by the price book, against the same deductions with an amount.

Both say the same usage, so that the difference is the price: it is computed, kept in the event, and answered. The turns
are interleaved on one service. CPU time decides: it holds on a busy machine.
"""

import asyncio

from benchmarks.accounts import open_accounts
from benchmarks.bench import CONNECTIONS, OURS, Bench
from benchmarks.figures import Figure, http_load, typical
from benchmarks.measures.limits import cpu
from benchmarks.progress import say
from benchmarks.report import Row, at_least
from benchmarks.services import running
from billing.prices.document import BookDocument
from billing.prices.table import publish
from ledger.postgres.connecting import connect_async

ACCOUNTS = 100
RATES = 200
KEPT = 0.90
_USAGE = '"usage":{"provider":"openai","model":"gpt-17-mini","input_tokens":1200,"output_tokens":800}'
ASKED = {"plain": f'"amount":7,{_USAGE}', "priced": f'"priced":true,{_USAGE}'}


def priced(bench: Bench) -> None:
    """Two turns in each round, in the other order in every second round."""
    asyncio.run(_publish(bench.stand.ours.conninfo))
    with running(bench.stand, OURS[0]) as service:
        for word in ASKED:
            open_accounts(bench.stand, service, [f"{word}-{number:05d}" for number in range(ACCOUNTS)])
        turns: dict[str, list[Figure]] = {word: [] for word in ASKED}
        for number in range(2 * bench.pace.rounds + 1):
            for word in sorted(turns, reverse=number % 2 == 1):
                say(f"priced, round {number} of {2 * bench.pace.rounds}: {word}")
                figure = http_load(
                    bench.stand,
                    service,
                    connections=CONNECTIONS,
                    seconds=bench.pace.seconds if number else bench.pace.warm_up,
                    accounts=ACCOUNTS,
                    word=word,
                    asked=ASKED[word],
                )
                if number:  # the first round warms up
                    turns[word].append(figure)
        _report(bench, turns["plain"], turns["priced"])


async def _publish(conninfo: str) -> None:
    """A book of many models, as products have them. The usage costs 6.6 credits."""
    charges = [
        {"charge": "per_unit", "of": "input_tokens", "credits": "1.5", "per": 1_000},
        {"charge": "per_unit", "of": "output_tokens", "credits": 6, "per": 1_000},
    ]
    rates = [{"provider": "openai", "model": f"gpt-{number}*", "charges": charges} for number in range(RATES)]
    async with await connect_async(conninfo) as connection:
        await publish(connection, BookDocument.model_validate({"rates": rates}), None, "benchmark")


def _report(bench: Bench, plain: list[Figure], of_book: list[Figure]) -> None:
    bench.report.add_load("priced: an amount", plain)
    bench.report.add_load("priced: a price", of_book)
    without, with_price = cpu(plain), cpu(of_book)
    bench.report.add(
        Row(
            "CPU time of a priced deduction",
            f"{with_price:,.0f} µs ({typical(of_book):,.0f}/s)",
            f"(with an amount: {without:,.0f} µs, {typical(plain):,.0f}/s)",
            f"{without / with_price:.2f}",
            f"{KEPT}",
            at_least(without / with_price, KEPT),
        )
    )
