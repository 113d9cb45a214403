"""Public prices of models: those of the library genai-prices, and those of a price file of LiteLLM.

Both are read when an operator asks for a draft, and never by the service.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from billing.errors import WrongPriceBook
from billing.prices.drafts import PublicPrice
from ledger.domain.commands import MAX_ID
from ledger.domain.usage import Quantity

_MILLION = 1_000_000
_OF_GENAI: Mapping[str, tuple[Quantity, int]] = {
    "input_mtok": ("input_tokens", _MILLION),
    "output_mtok": ("output_tokens", _MILLION),
    "cache_read_mtok": ("cached_tokens", _MILLION),
    "requests_kcount": ("quantity", 1_000),
}
_OF_LITELLM: Mapping[str, tuple[Quantity, int]] = {
    "input_cost_per_token": ("input_tokens", _MILLION),
    "output_cost_per_token": ("output_tokens", _MILLION),
    "cache_read_input_token_cost": ("cached_tokens", _MILLION),
    "input_cost_per_image": ("quantity", 1),
    "output_cost_per_image": ("quantity", 1),
    "input_cost_per_second": ("duration_ms", 1_000),
    "output_cost_per_second": ("duration_ms", 1_000),
}
_SAMPLE = "sample_spec"
_TIER = re.compile(r"(\w+)_above_\d+k_tokens")
Dollars = dict[Quantity, tuple[Fraction, int]]


def of_litellm(path: Path, providers: Collection[str]) -> Iterator[PublicPrice]:
    """The prices of a file of LiteLLM (`model_prices_and_context_window.json`), of some providers or of all.

    Raises WrongPriceBook for a file that is none.
    """
    try:
        entries: Any = json.loads(path.read_bytes(), parse_float=Decimal)
    except OSError as error:
        raise WrongPriceBook(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise WrongPriceBook(f"{path}: is not JSON: {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise WrongPriceBook(f"{path}: is no price file of LiteLLM: it must have an object for each model")
    _check_providers(providers, {entry.get("litellm_provider") for name, entry in entries.items() if name != _SAMPLE})
    for name, entry in entries.items():
        provider = entry.get("litellm_provider")
        if isinstance(provider, str) and name != _SAMPLE and (not providers or provider in providers):
            model = name.removeprefix(f"{provider}/")
            if _is_a_name(model) and _is_a_name(provider):
                yield _of_entry(provider, model, entry)


def _of_entry(provider: str, model: str, entry: Mapping[str, Any]) -> PublicPrice:
    costs = {name: cost for name, cost in entry.items() if "cost" in name and _is_a_cost(cost)}
    dollars: Dollars = {}
    others, notes = [], []
    for name, cost in costs.items():
        tier = _TIER.fullmatch(name)
        known = _OF_LITELLM.get(tier[1] if tier else name)
        if known is None:
            others.append(name)
            continue
        of, per = known
        _take(dollars, of, Fraction(cost) * (per if per == _MILLION else 1), per)
        notes += [f"{tier[1]} has tiers, and this is the dearest"] if tier else []
    return _told(provider, model, dollars, others, dict.fromkeys(notes))


def of_genai_prices(providers: Collection[str], now: datetime) -> Iterator[PublicPrice]:
    """The prices of the library at a moment, of some providers or of all. Raises WrongPriceBook if it is not there."""
    try:
        from genai_prices import data
    except ImportError as error:
        hint = "install credit-ledger[prices], or in a clone: .venv/bin/pip install genai-prices"
        raise WrongPriceBook(f"genai-prices is not installed: {hint}") from error
    _check_providers(providers, {provider.id for provider in data.providers})
    for provider in data.providers:
        if not providers or provider.id in providers:
            for model in provider.models:
                yield from _of_model(provider.id, model, now)


def _of_model(provider: str, model: Any, now: datetime) -> Iterator[PublicPrice]:
    """The prices of a model, under each name that it goes by. Rules that are no globs are said in a note."""
    dollars: Dollars = {}
    notes, others = [], []
    for name, cost in model.get_prices(now).__dict__.items():
        if cost is None or name.startswith("_"):
            continue
        if name not in _OF_GENAI:
            others.append(name)
            continue
        amounts = [cost] if isinstance(cost, Decimal) else [cost.base, *(tier.price for tier in cost.tiers)]
        if len(amounts) > 1:
            notes.append(f"{name} has tiers, and this is the dearest")
        of, per = _OF_GENAI[name]
        _take(dollars, of, Fraction(max(amounts)), per)
    names, unsaid = _globs_of(model)
    notes += [f"has further names in the source, by a rule ({unsaid}) that no glob can say"] if unsaid else []
    for number, glob in enumerate(names):
        yield _told(provider, glob, dollars, others if not number else [], notes if not number else [])


def _globs_of(model: Any) -> tuple[list[str], str]:
    """The names of a model as globs, its id first, and the kinds of rules that are none."""
    clauses = getattr(model.match, "or_", [model.match])
    found, unsaid = {model.id: None}, set()
    for clause in clauses:
        if (name := getattr(clause, "equals", None)) is not None:
            found[name] = None
        elif (name := getattr(clause, "starts_with", None)) is not None:
            found[f"{name}*"] = None
        else:
            unsaid.add(type(clause).__name__.removeprefix("Clause").lower())
    return [name for name in found if _is_a_name(name.removesuffix("*"))], " and ".join(sorted(unsaid))


def _take(dollars: Dollars, of: Quantity, amount: Fraction, per: int) -> None:
    """Keep the dearest price of a quantity."""
    if of not in dollars or amount > dollars[of][0]:
        dollars[of] = amount, per


def _told(
    provider: str, model: str, dollars: Dollars, others: Collection[str], notes: Collection[str] = ()
) -> PublicPrice:
    """A price, in which cached tokens cost what input tokens cost unless they have a price."""
    whole = dict(dollars)
    if "input_tokens" in whole:
        whole.setdefault("cached_tokens", whole["input_tokens"])
    left = [f"not in the rate: {', '.join(sorted(others))}"] if others else []
    return PublicPrice(provider, model, whole, (*notes, *left))


def _check_providers(wanted: Collection[str], known: Collection[object]) -> None:
    """Raise WrongPriceBook for a provider that the source does not have."""
    names = sorted(name for name in known if isinstance(name, str))
    for name in wanted:
        if name not in names:
            raise WrongPriceBook(f"there is no provider {name!r:.64} in the source; it has {', '.join(names)}")


def _is_a_cost(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _is_a_name(text: str) -> bool:
    return 0 < len(text) < MAX_ID and "*" not in text and text.isprintable()
