"""What people report of their billing: for each report there is a test whose docstring names it."""

from pathlib import Path

import pytest

REPORTS = [
    "adcontextprotocol/adcp#3184",
    "appstrate/appstrate#1327",
    "ccusage#1636",
    "dodopayments/dodo-adapters#128",
    "elizaOS/eliza#10997",
    "elizaOS/eliza#31449",
    "hackerai-tech/hackerai#956",
    "koala73/worldmonitor#4765",
    "koala73/worldmonitor#4772",
    "laravel/cashier-stripe#1201",
    "masumi-network/sokosumi#1846",
    "mickasmt/next-saas-stripe-starter#42",
    "opencollective-api#86",
    "polarsource/polar#7103",
    "restrictcontentpro#595",
    "singhharsh1708/scrollcraft#263",
    "theopenco/llmgateway#1713",
    "theopenco/llmgateway#2479",
    "theopenco/llmgateway#2909",
    "vm0-ai/vm0#10668",
    "wasp-lang/open-saas#688",
]


@pytest.fixture(scope="module")
def tests() -> str:
    """All other tests, as text."""
    here = Path(__file__)
    return "".join(path.read_text() for path in sorted(here.parents[1].rglob("test_*.py")) if path != here)


def test_each_report_has_a_test_that_names_it(tests: str) -> None:
    assert [report for report in REPORTS if report not in tests] == []
