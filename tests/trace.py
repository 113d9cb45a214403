"""The usage that the tests import: a real trace of requests to a language model, or one that is made up like it.

The real one (Azure LLM inference trace 2023, CC-BY, Patel et al., ISCA 2024) is not a part of the project. It is looked
for in the folder that CREDIT_LEDGER_TEST_SHARED names, else in `../shared/data` beside the clone.
"""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
PRICE = "ceil((ContextTokens + 3 * GeneratedTokens) / 100)"
ACCOUNTS = 500


def real_trace() -> Path | None:
    """The file, where it is."""
    named = os.environ.get("CREDIT_LEDGER_TEST_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    path = folder / "azure_llm_conv.csv"
    return path if path.is_file() else None


def make_trace(path: Path, rows: int = 19_366, seed: int = 2023) -> Path:
    """A trace of the same form: the same columns, lines that end in CR LF, and none after the last."""
    random = Random(seed)
    at = datetime(2023, 11, 16, 18, 15, 46)  # noqa: DTZ001 - the real one names no zone either
    lines = [HEADER]
    for _ in range(rows):
        at += timedelta(microseconds=random.randrange(400_000))
        lines.append(f"{at.isoformat(' ', 'microseconds')}0,{random.randrange(1, 3_000)},{random.randrange(1, 500)}")
    path.write_bytes("\r\n".join(lines).encode())
    return path


@dataclass(frozen=True)
class Expected:
    """What an import of a trace must come to, worked out without the importer."""

    prices: list[int]
    times: list[str]

    @property
    def total(self) -> int:
        """Credits in all."""
        return sum(self.prices)

    def spent(self, account: int) -> int:
        """Credits of one account."""
        return sum(self.prices[account::ACCOUNTS])

    def draws(self, subscription: int) -> Counter[tuple[str, str]]:
        """Credits by account and kind, when each account begins with so many subscription credits."""
        found: Counter[tuple[str, str]] = Counter()
        for account in range(min(ACCOUNTS, len(self.prices))):
            first = min(self.spent(account), subscription)
            found[f"user-{account}", "subscription"] = first
            found[f"user-{account}", "permanent"] = self.spent(account) - first
        return +found


def expected(path: Path) -> Expected:
    """Read a trace in the plainest way."""
    rows = [line.split(",") for line in path.read_text().split("\n")[1:] if line]
    return Expected([(int(context) + 3 * int(made) + 99) // 100 for _, context, made in rows], [row[0] for row in rows])
