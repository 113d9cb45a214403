"""Prices against a second model of them, in fractions: exact, rounded once, from the most specific rate."""

from fractions import Fraction
from itertools import combinations, permutations, product
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.pricing.book import AmbiguousRates, PriceBook, check_rates
from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.globs import matches, overlap
from ledger.domain.pricing.price import NoPrice, Price
from ledger.domain.pricing.rates import Flat, Package, PerUnit, Rate, Tier, Tiers
from ledger.domain.pricing.rating import price
from ledger.domain.usage import Usage
from tests.domain.pricing import fraction_model
from tests.domain.pricing.books import GLOBS, NAMES, rates, usages
from tests.long_form import times

DIGEST = "ab" * 32


def book_of(*wanted: Rate) -> PriceBook:
    return PriceBook.of(7, DIGEST, wanted)


@settings(max_examples=times(200, 20_000))
@given(st.lists(rates(), max_size=8), usages(), st.randoms())
def test_a_price_is_that_of_the_model_in_any_order_of_rates(wanted: list[Rate], usage: dict[str, int], chance) -> None:  # type: ignore[no-untyped-def]
    kept: list[Rate] = []
    for rate in wanted:
        try:
            check_rates([*kept, rate])
        except AmbiguousRates:
            continue
        kept.append(rate)
    expected = fraction_model.price(kept, usage)
    shuffled = chance.sample(kept, len(kept))
    check_rates(shuffled)
    found = price(book_of(*shuffled), usage)
    assert found == price(book_of(*kept), usage)
    assert found == price(book_of(*shuffled).sharing(book_of(*kept[1::2])), usage)
    if isinstance(expected, str):
        assert isinstance(found, NoPrice)
        assert found.why == expected
    elif expected > MAX_AMOUNT:
        assert found == NoPrice("too_much", 7)
    else:
        assert isinstance(found, Price)
        assert Fraction(*exact(found.exact)) == expected
        assert sum(Fraction(*exact(line.credits)) for line in found.lines) == expected
        assert found.credits - 1 < expected <= found.credits
        assert str(exact(found.exact)) == found.exact


@given(st.lists(rates(), min_size=2, max_size=2))
def test_two_rates_that_nothing_tells_apart_are_refused(pair: list[Rate]) -> None:
    """Exactly when they are equally narrow, and some text of a few letters fits each of their globs."""
    parts = ["", "a", "b", "c", "g", "5", "gpt-", "-mini"]
    texts = [None, *NAMES, *map("".join, product(parts, repeat=3))]
    equal = fraction_model.narrowness(pair[0]) == fraction_model.narrowness(pair[1])
    meet = all(
        any(fraction_model.fits(one, text) and fraction_model.fits(other, text) for text in texts)
        for one, other in zip(pair[0].fits, pair[1].fits, strict=True)
    )
    for some in permutations(pair):
        if equal and meet:
            with pytest.raises(AmbiguousRates):
                check_rates(some)
        else:
            check_rates(some)


@given(st.lists(rates(), max_size=8))
def test_a_book_is_refused_for_two_of_its_rates(some: list[Rate]) -> None:
    """Exactly when it would be with these two alone, which are named."""
    pairs = [(one, other) for one, other in combinations(range(len(some)), 2) if _refused([some[one], some[other]])]
    found = _refused(some)
    assert found in pairs if pairs else found is None


def _refused(some: list[Rate]) -> tuple[int, int] | None:
    """The places of two rates that cannot be in one book; None if it is accepted."""
    try:
        check_rates(some)
    except AmbiguousRates as problem:
        return problem.places
    return None


def test_globs_overlap_where_a_text_exists() -> None:
    letters = ["".join(word) for size in range(5) for word in product("ab", repeat=size)]
    globs = ["".join(word) for size in range(1, 4) for word in product("ab*", repeat=size)]
    for one, other in product(globs, repeat=2):
        met = any(matches(one, text) and matches(other, text) for text in letters)
        assert overlap(one, other) == met or len(one + other) > 5, (one, other)
    for glob, text in product([*globs, *GLOBS], [*letters, *NAMES]):
        assert matches(glob, text) == fraction_model.fits(glob, text), (glob, text)


def test_a_large_book_of_equally_specific_rates_is_compared_at_once() -> None:
    """Thousands of globs that differ at one end alone: an operator's file must not keep a process busy."""
    pieces, count = "*a" * 40, 4_000
    for first, last in (("", "{:04}"), ("{:04}", "")):
        some = [
            Rate("*", f"{first.format(number)}{pieces}*{last.format(number)}", "*", (Flat(exact("1")),))
            for number in range(count)
        ]
        began = process_time()
        check_rates(some)
        assert process_time() - began < 2, "all pairs are compared"
        meets = Rate("*", f"{first.format(7)}{pieces}*{last.format(7)}".replace("*a", "*b", 1), "*", some[0].charges)
        with pytest.raises(AmbiguousRates) as raised:
            check_rates([*some, meets])
        assert raised.value.places == (7, count)


def test_a_version_has_the_very_rates_of_the_one_before_where_they_are_equal() -> None:
    def rates_at(credits: int) -> list[Rate]:
        names = [("*", f"model-{number}") for number in range(20)] + [
            (f"provider-{number}", "m*") for number in range(20)
        ]
        price_of = {("*", "model-3"): credits, ("provider-3", "m*"): credits}
        return [Rate(*fits, "*", (Flat(exact(str(price_of.get(fits, 1)))),)) for fits in names]

    first, alone = book_of(*rates_at(1)), book_of(*rates_at(5))
    shared = alone.sharing(first)
    assert (shared.named, shared.others) == (alone.named, alone.others)
    kept = {id(rate) for rates in (*first.named.values(), first.others) for rate in rates}
    new = [rate for rates in (*shared.named.values(), shared.others) for rate in rates if id(rate) not in kept]
    assert [rate.fits[:2] for rate in new] == [("*", "model-3"), ("provider-3", "m*")]
    assert book_of(*rates_at(1)).sharing(first).others is first.others


def test_the_metric_goes_before_the_model_and_the_model_before_the_provider() -> None:
    def of(credits: str, provider: str = "*", model: str = "*", metric: str = "*") -> Rate:
        return Rate(provider, model, metric, (Flat(exact(credits)),), free=("quantity",))

    narrow = [
        of("1"),
        of("2", provider="openai"),
        of("3", model="gpt-*"),
        of("4", model="gpt-*", provider="openai"),
        of("5", model="gpt-5*"),
        of("6", model="gpt-5"),
        of("7", metric="im*"),
        of("8", metric="image"),
        of("9", metric="image", provider="o*"),
    ]
    usage: Usage = {"provider": "openai", "model": "gpt-5", "metric": "image", "quantity": 3}
    for count in range(1, len(narrow) + 1):
        for some in (narrow[:count], narrow[:count][::-1]):
            check_rates(some)
            found = price(book_of(*some), usage)
            assert isinstance(found, Price)
            assert found.credits == count
    assert price(book_of(*narrow[1:]), {}) == NoPrice("no_rate", 7)
    assert price(None, usage) == NoPrice("no_book")


def test_each_line_says_how_it_came_about() -> None:
    rate = Rate(
        "openai",
        "gpt-5*",
        "*",
        (
            PerUnit("input_tokens", exact("1.5"), 1_000),
            Package("output_tokens", exact("2"), 500),
            Tiers("graduated", "quantity", (Tier(2, exact("1")), Tier(None, exact("0.5")))),
            Tiers("volume", "cached_tokens", (Tier(100, exact("1")), Tier(None, exact("1/3"))), 100),
            Flat(exact("0.25")),
        ),
        minimum=exact("20"),
    )
    usage: Usage = {
        "provider": "openai",
        "model": "gpt-5-mini",
        "input_tokens": 1_201,
        "output_tokens": 501,
        "quantity": 5,
    }
    found = price(book_of(rate), {**usage, "output_tokens": 501, "cached_tokens": 200})
    assert isinstance(found, Price)
    assert [tuple(line) for line in found.lines] == [
        ("per_unit", "1.8015", "input_tokens", 1_201, "1.5", 1_000, None),
        ("package", "4", "output_tokens", 501, "2", 500, None),
        ("graduated", "2", "quantity", 2, "1", 1, 1),
        ("graduated", "1.5", "quantity", 3, "0.5", 1, 2),
        ("volume", "2/3", "cached_tokens", 200, "1/3", 100, 2),
        ("flat", "0.25", None, None, None, None, None),
        ("minimum", "58691/6000", None, None, None, None, None),
    ]
    assert (found.exact, found.credits, found.book, found.sha256) == ("20", 20, 7, DIGEST)


def test_nothing_is_free_because_somebody_forgot_it() -> None:
    tokens = Rate("*", "m", "*", (PerUnit("input_tokens", exact("1")),))
    assert price(book_of(tokens), {"model": "m", "output_tokens": 5, "quantity": 2}) == NoPrice(
        "not_charged", 7, ("output_tokens", "quantity")
    )
    assert price(book_of(tokens), {"model": "m"}) == NoPrice("nothing_said", 7, ("input_tokens",))
    assert price(book_of(tokens), {"model": "n", "input_tokens": 1}) == NoPrice("no_rate", 7)
    for usage, credits in (({"input_tokens": 0}, 0), ({"input_tokens": 3, "duration_ms": 70, "output_tokens": 0}, 3)):
        found = price(book_of(tokens), {"model": "m", **usage})
        assert isinstance(found, Price)
        assert found.credits == credits


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "1.", ".5", "1e3", "1/0", "1/02", "0x1", " 1", "1\n", "١", "1/-3", "1.5/2"]
)
def test_what_is_no_exact_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not an exact number"):
        exact(text)


@given(st.fractions(min_value=0, max_denominator=10**9).filter(lambda one: one < 10**15))
def test_a_number_has_one_text(number: Fraction) -> None:
    text = str(exact(f"{number.numerator}/{number.denominator}" if number.denominator > 1 else str(number)))
    assert Fraction(*exact(text)) == number
    assert str(exact(text)) == text
    ends = not (10**40) % number.denominator
    assert ("/" in text) == (not ends)
