"""Random rates, and usage that they may be for."""

from hypothesis import strategies as st

from ledger.domain.pricing.exact import Exact, exact
from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tier, Tiers
from ledger.domain.usage import QUANTITIES, Quantity, Usage

NAMES = ["a", "ab", "abc", "b", "gpt-5", "gpt-5-mini"]
GLOBS = ["*", *NAMES, "a*", "*b", "a*c", "g*", "gpt-*", "*-mini", "gpt-*mini", "*5*"]
NUMBERS: st.SearchStrategy[Exact] = st.sampled_from(
    ["0", "1", "3", "0.25", "0.000125", "1/3", "2/7", "12.5", "9007199254740991", "1/999999937"]
).map(exact)
UNITS = st.sampled_from([0, 1, 2, 3, 7, 9, 10, 11, 99, 100, 101, 1_000, 12_345])
SIZES = st.sampled_from([1, 2, 3, 10, 1_000, 1_000_000])


@st.composite
def tiers(draw: st.DrawFn, of: Quantity) -> Tiers:
    ends = sorted(draw(st.sets(st.sampled_from([1, 2, 7, 10, 100]), max_size=3)))
    made = [Tier(end, draw(NUMBERS)) for end in ends] + [Tier(None, draw(NUMBERS))]
    return Tiers(draw(st.sampled_from(["graduated", "volume"])), of, tuple(made), draw(SIZES))


@st.composite
def charges(draw: st.DrawFn, of: Quantity) -> Charge:
    match draw(st.integers(0, 3)):
        case 0:
            return PerUnit(of, draw(NUMBERS), draw(SIZES))
        case 1:
            return Package(of, draw(NUMBERS), draw(SIZES))
        case _:
            return draw(tiers(of))


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    counted = draw(st.lists(st.sampled_from(QUANTITIES), unique=True, max_size=3))
    made: list[Charge] = [draw(charges(of)) for of in counted]
    if not made or draw(st.booleans()):
        made.append(Flat(draw(NUMBERS)))
    others = [of for of in QUANTITIES if of not in counted]
    free = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
    provider, model, metric = (draw(st.sampled_from(GLOBS)) for _ in range(3))
    return Rate(provider, model, metric, tuple(made), draw(NUMBERS) if draw(st.booleans()) else exact("0"), tuple(free))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    usage: dict[str, str | int | bool] = {}
    for name in ("provider", "model", "metric"):
        if draw(st.integers(0, 3)):
            usage[name] = draw(st.sampled_from(NAMES))
    for quantity in QUANTITIES:
        if draw(st.booleans()):
            usage[quantity] = draw(UNITS)
    return usage
