"""The text of API keys: a scanner finds it, a typing error does not pass, and it is read by position."""

import re
from string import ascii_letters, digits
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from people.secret_format import BRAND, DIGITS, SHORTEST_KEY, checksum, has_key, is_mistyped, new_secret
from tests.keys import prefix_of

BRANDS = st.from_regex(BRAND, fullmatch=True).filter(lambda brand: "\n" not in brand)
SCANNED = re.compile(r"\b(clk|clu)_[0-9A-Za-z]{42}\b")
STARTS = st.from_regex(r"(clk|clu)_[0-9A-Za-z]{36}", fullmatch=True, alphabet=f"{DIGITS}_")
OLD = "clk_18f54913_0LqSnEAIDYSgGH-MBb_gYYK2qSwTLCny"


def value_of(text: str) -> int:
    """The number that digits of base 62 are."""
    value = 0
    for digit in text:
        value = value * 62 + DIGITS.index(digit)
    return value


@given(BRANDS)
def test_a_new_key_is_read_by_position(brand: str) -> None:
    key = new_secret(brand)
    assert key.text.startswith(f"{brand}_{key.prefix}")
    assert prefix_of(key.text) == key.prefix
    assert set(key.text[len(brand) + 1 :]) <= set(digits + ascii_letters)
    assert len(key.text) == len(brand) + 43
    assert value_of(key.text[-6:]) == crc32(key.text[:-6].encode())
    assert not is_mistyped(key.text)
    assert len(key.text) >= SHORTEST_KEY
    for text in ("{}", "q={}", "q= {} &x=1", "x_{}", "Bearer {}"):
        assert has_key(text.format(key.text)), text
    for text in ("{}x", "x{}", "{:.43}", "{}_"):
        assert has_key(text.format(key.text)) == (text == "{}_"), text


@given(STARTS.map(lambda start: start + checksum(start)), st.data())
def test_a_typing_error_does_not_pass(key: str, data: st.DataObject) -> None:
    """One other character, or two neighbours changed places, as CRC-32 promises; and a whole key is found in a text."""
    assert SCANNED.fullmatch(key)
    assert SCANNED.findall(f'{{"key": "{key}", "next": "{key}x"}}') == [key[:3]]
    place = data.draw(st.integers(4, len(key) - 1))
    other = data.draw(st.sampled_from(DIGITS).filter(lambda digit: digit != key[place]))
    assert is_mistyped(key[:place] + other + key[place + 1 :])
    left = data.draw(st.integers(4, len(key) - 2))
    swapped = key[:left] + key[left + 1] + key[left] + key[left + 2 :]
    assert is_mistyped(swapped) or swapped == key


@given(st.text(max_size=60))
def test_what_has_another_form_is_no_typing_error(text: str) -> None:
    """Keys of before have none, nor has a key of the settings: they are looked up."""
    assert not is_mistyped(text) or re.fullmatch(r"[a-z][a-z0-9_]*_[0-9A-Za-z]{42}", text)
    assert not is_mistyped(OLD)


def test_keys_differ_and_the_checksum_is_known() -> None:
    assert len({new_secret().text for _ in range(1_000)}) == len({new_secret().prefix for _ in range(1_000)}) == 1_000
    assert checksum("clu_7hQ2mXbRk3T9wZ1cV6nB8yLd4sJfG0pKaEhU") == "3KPIJt"
