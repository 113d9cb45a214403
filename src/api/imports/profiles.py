"""Profiles: exports that are known by their columns, and what their columns mean to an import.

A profile names the account, the time, the usage and what makes a row itself. It gives formulas names that mean the same
in every file: `cost` in the currency of the export, `input_tokens`, `output_tokens`, `requests`. What a row costs in
credits is not its business: the operator says it. An option that the operator gives counts before the profile's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Profile:
    """An export. Its templates and formulas may use columns that a file lacks; those are left out."""

    name: str
    title: str
    signature: tuple[str, ...]
    """The columns by which it is known. A file that has them all is of this kind."""
    account: tuple[str, ...]
    """The columns that can be the account; the first that the file has is."""
    time: str
    names: Mapping[str, str]
    usage: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    """The column with the id of a row."""
    measures: frozenset[str] = frozenset()
    """Without ids, all columns but these make a row itself: they are what was measured."""
    example: str = "ceil(cost * 1000)"
    """An amount that makes sense for it."""


_TOKENS = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
_COST_WORDS = "replace(lower(Cost), 'included', '0', 'free', '0')"

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "openrouter",
            "OpenRouter, activity",
            ("generation_id", "created_at", "tokens_prompt"),
            ("user",),
            "created_at",
            {
                "cost": "cost_total or 0",
                "input_tokens": "tokens_prompt or 0",
                "output_tokens": "tokens_completion or 0",
                "requests": "1",
            },
            {
                "provider": "{provider_name}",
                "model": "{model_permaslug}",
                "project": "{app_name}",
                "duration_ms": "round(generation_time_ms or 0)",
                **_TOKENS,
            },
            key="generation_id",
            example="ceil(cost * 1000)",
        ),
        Profile(
            "openai-usage",
            "OpenAI, usage",
            ("start_time", "end_time", "num_model_requests", "input_tokens", "output_tokens"),
            ("user_id", "project_id"),
            "start_time",
            {"requests": "num_model_requests or 0"},
            {"provider": "openai", "model": "{model}", "project": "{project_id}", **_TOKENS},
            measures=frozenset(
                {
                    "num_model_requests",
                    "input_tokens",
                    "output_tokens",
                    "input_cached_tokens",
                    "input_uncached_tokens",
                    "input_text_tokens",
                    "output_text_tokens",
                    "input_cached_text_tokens",
                    "input_audio_tokens",
                    "input_cached_audio_tokens",
                    "output_audio_tokens",
                    "input_image_tokens",
                    "input_cached_image_tokens",
                    "output_image_tokens",
                    "project_name",
                    "user_email",
                    "api_key_name",
                }
            ),
            example="ceil((input_tokens + 4 * output_tokens) / 1000)",
        ),
        Profile(
            "openai-cost",
            "OpenAI, cost",
            ("start_time", "end_time", "amount_value", "line_item"),
            ("user_id", "project_id"),
            "start_time",
            {"cost": "amount_value or 0"},
            {"provider": "openai", "project": "{project_id}", "metric": "{line_item}"},
            measures=frozenset({"amount_value", "project_name", "organization_name", "quantity"}),
        ),
        Profile(
            "anthropic-usage",
            "Anthropic, usage",
            ("usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens"),
            ("workspace", "api_key"),
            "usage_date_utc",
            {
                "input_tokens": "(usage_input_tokens_no_cache or 0) + (usage_input_tokens_cache_write_5m or 0)"
                " + (usage_input_tokens_cache_write_1h or 0) + (usage_input_tokens_cache_read or 0)",
                "output_tokens": "usage_output_tokens or 0",
            },
            {"provider": "anthropic", "model": "{model_version}", "project": "{workspace}", **_TOKENS},
            measures=frozenset(
                {
                    "usage_input_tokens_no_cache",
                    "usage_input_tokens_cache_write_5m",
                    "usage_input_tokens_cache_write_1h",
                    "usage_input_tokens_cache_read",
                    "usage_output_tokens",
                    "web_search_count",
                }
            ),
            example="ceil((input_tokens + 5 * output_tokens) / 1000)",
        ),
        Profile(
            "anthropic-cost",
            "Anthropic, cost",
            ("usage_date_utc", "model", "token_type", "cost_usd"),
            ("workspace", "api_key"),
            "usage_date_utc",
            {"cost": "cost_usd or 0"},
            {"provider": "anthropic", "model": "{model}", "project": "{workspace}", "metric": "{token_type}"},
            measures=frozenset({"cost_usd", "list_price_usd", "api_key_status"}),
        ),
        Profile(
            "cursor",
            "Cursor, usage events",
            ("Date", "Kind", "Model", "Output Tokens", "Cost"),
            ("User",),
            "Date",
            {
                "cost": f"{_COST_WORDS} or 0",
                "input_tokens": "(`Input (w/ Cache Write)` or 0) + (`Input (w/o Cache Write)` or 0)"
                " + (`Cache Read` or 0)",
                "output_tokens": "`Output Tokens` or 0",
                "requests": "1",
            },
            {"provider": "cursor", "model": "{Model}", **_TOKENS},
            example="ceil(cost * 100)",
        ),
        Profile(
            "copilot",
            "GitHub Copilot, billing",
            ("date", "username", "sku", "quantity", "unit_type", "net_amount"),
            ("username",),
            "date",
            {"cost": "net_amount or 0", "requests": "quantity or 0"},
            {"provider": "github", "model": "{model}", "project": "{organization}", "metric": "{sku}"},
            measures=frozenset(
                {
                    "quantity",
                    "applied_cost_per_quantity",
                    "gross_amount",
                    "discount_amount",
                    "net_amount",
                    "exceeds_quota",
                    "total_monthly_quota",
                    "aic_quantity",
                    "aic_gross_amount",
                    "aic_net_amount",
                }
            ),
        ),
        Profile(
            "copilot-requests",
            "GitHub Copilot, premium requests",
            ("Timestamp", "User", "Model", "Requests Used"),
            ("User",),
            "Timestamp",
            {"requests": "`Requests Used` or 0"},
            {"provider": "github", "model": "{Model}"},
            example="ceil(requests * 40)",
        ),
        Profile(
            "litellm",
            "LiteLLM, spend",
            ("request_id", "spend", "startTime"),
            ("end_user", "user", "team_id", "api_key"),
            "startTime",
            {"cost": "spend or 0", "input_tokens": "prompt_tokens or 0", "output_tokens": "completion_tokens or 0"},
            {"provider": "{custom_llm_provider}", "model": "{model}", "project": "{team_id}", **_TOKENS},
            key="request_id",
        ),
    )
}


def detect(columns: Sequence[str]) -> Profile | None:
    """The profile of a file with some columns: of several, the one that knows the most of them."""
    there = set(columns)
    known = [profile for profile in PROFILES.values() if there.issuperset(profile.signature)]
    return max(known, key=lambda profile: len(profile.signature), default=None)
