"""Files of every shape that people have, with what is right for them, worked out by hand.

The columns are those of the programs; the rows are made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Charge(NamedTuple):
    """What a row must become."""

    account: str
    credits: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    occurred_at: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Shape:
    """A file, how it is imported, and what is right."""

    profile: str | None
    content: bytes
    right: tuple[Charge, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: int = 0
    empty: int = 0
    totals: int = 0


def lines(*texts: str, end: str = "\n") -> bytes:
    return "".join(text + end for text in texts).encode()


SHAPES = {
    "OpenRouter, activity": Shape(
        "openrouter",
        b"\xef\xbb\xbf"
        + lines(
            "generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,"
            "tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,"
            "cancelled,streamed,user,finish_reason_raw,finish_reason_normalized,generation_time_ms,"
            "time_to_first_token_ms,app_name,api_key_name",
            "gen-1,2026-11-02 09:14:03.123,0.0041,0,-0.00003,0,0,812,93,0,512,openai/gpt-5-mini,OpenAI,standard,false,"
            "true,ada,stop,stop,1800,300,Atlas,prod",
            "gen-2,2026-11-02 09:15:40.000,7.5e-06,0,0,0,0,30,1,0,0,google/gemini-2.5-flash,Google,standard,true,true,"
            "bob,,,90,40,Atlas,prod",
            "gen-3,2026-11-02 09:16:00.000,0,0,0,0,0.001,9,1,0,0,openai/gpt-5-mini,OpenAI,free,false,true,bob,stop,"
            "stop,90,40,Atlas,prod",
        ),
        (
            Charge("ada", 410, 812, 93, "2026-11-02 09:14:03.123", "openai/gpt-5-mini"),
            Charge("bob", 1, 30, 1, "2026-11-02 09:15:40.000", "google/gemini-2.5-flash"),
        ),
        {"amount": "ceil(cost * 100000)"},
        skipped=1,
    ),
    "OpenAI, usage": Shape(
        "openai-usage",
        lines(
            "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,"
            "batch,service_tier,input_tokens,output_tokens,input_cached_tokens",
            "1761955200,1762041600,2025-11-01T00:00:00+00:00,2025-11-02T00:00:00+00:00,proj_a,12,user-a,key_1,"
            "gpt-4o-mini-2024-07-18,False,default,2500,44,0",
            "1762041600,1762128000,2025-11-02T00:00:00+00:00,2025-11-03T00:00:00+00:00,,,,,,,,,,",
        ),
        (Charge("user-a", 3, 2500, 44, "2025-11-01T00:00:00Z", "gpt-4o-mini-2024-07-18"),),
        {"amount": "ceil(input_tokens / 1000)"},
        empty=1,
    ),
    "OpenAI, cost": Shape(
        "openai-cost",
        lines(
            "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,"
            "project_name,organization_id",
            "1761955200,1762041600,2025-11-01T00:00:00+00:00,2025-11-02T00:00:00+00:00,0.000999999999999999,usd,"
            '"gpt-4o-mini-2024-07-18, input",proj_a,Default project,org-1',
            "1761955200,1762041600,2025-11-01T00:00:00+00:00,2025-11-02T00:00:00+00:00,1.250000000000000001,usd,"
            '"gpt-4o-mini-2024-07-18, output",proj_a,Default project,org-1',
            "1762041600,1762128000,2025-11-02T00:00:00+00:00,2025-11-03T00:00:00+00:00,,,,,,",
        ),
        (
            Charge("proj_a", 1, occurred_at="2025-11-01T00:00:00Z"),
            Charge("proj_a", 1251, occurred_at="2025-11-01T00:00:00Z"),
        ),
        {"amount": "ceil(amount_value * 1000)"},
        empty=1,
    ),
    "Anthropic, usage": Shape(
        "anthropic-usage",
        lines(
            "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
            "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
            "usage_output_tokens,web_search_count,inference_geo,speed",
            "2026-08-05,claude-opus-5,key-a,Research,standard,≤ 200k,900,100,10,5,70,0,not_available,",
            "2026-08-05,claude-haiku-4-5,key-b,Research,standard,≤ 200k,0,0,0,0,5,0,not_available,",
        ),
        (
            Charge("Research", 1085, 1015, 70, "2026-08-05", "claude-opus-5"),
            Charge("Research", 5, 0, 5, "2026-08-05", "claude-haiku-4-5"),
        ),
        {"amount": "input_tokens + output_tokens"},
    ),
    "Anthropic, cost": Shape(
        "anthropic-cost",
        lines(
            "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,"
            "cost_type,inference_geo,speed",
            "2026-08-05,Claude Sonnet 4.5,Research,key-a,message,≤ 200k,input_no_cache,0.01,0.01,token,,",
            "2026-08-05,Claude Sonnet 4.5,Research,key-a,message,≤ 200k,input_cache_read,18.71,18.71,token,,",
        ),
        (
            Charge("Research", 10, occurred_at="2026-08-05", model="Claude Sonnet 4.5"),
            Charge("Research", 18_710, occurred_at="2026-08-05", model="Claude Sonnet 4.5"),
        ),
        {"amount": "round(cost * 1000)"},
    ),
    "Cursor": Shape(
        "cursor",
        lines(
            "Date,User,Kind,Model,Max Mode,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,"
            "Total Tokens,Cost",
            '"2026-07-22T14:05:00.902Z","ada","Included","composer-2.5","Yes","7","80414","263007","7668","351096",'
            '"Included"',
            '"2026-07-13T22:11:01.046Z","ada","Errored, No Charge","composer-2.5","No","","","","","","Free"',
            '"2026-07-12T08:00:00.000Z","bob","On-Demand","composer-2.5","No","0","1,100","0","20","1,120","$1.29"',
        ),
        (Charge("bob", 129, 1100, 20, "2026-07-12T08:00:00.000Z", "composer-2.5"),),
        {"amount": "ceil(cost * 100)"},
        skipped=2,
    ),
    "GitHub Copilot, billing": Shape(
        "copilot",
        lines(
            '"date","username","product","sku","model","quantity","unit_type","applied_cost_per_quantity",'
            '"gross_amount","discount_amount","net_amount","exceeds_quota","total_monthly_quota","organization",'
            '"cost_center_name"',
            '"2026-09-05","ada","copilot","copilot_premium_request","Claude Sonnet 4.5","10.33","requests","0.04",'
            '"0.4132","0.4132","0","False","300","acme",""',
            '"2026-09-06","bob","copilot","coding_agent_premium_request","GPT-5","2","requests","0.04","0.08","0",'
            '"0.08","True","300","acme",""',
        ),
        (Charge("bob", 8, occurred_at="2026-09-06", model="GPT-5"),),
        {"amount": "ceil(cost * 100)"},
        skipped=1,
    ),
    "GitHub Copilot, premium requests": Shape(
        "copilot-requests",
        lines(
            '"Timestamp","User","Model","Requests Used","Exceeds Monthly Quota","Total Monthly Quota"',
            '"2026-06-10T05:13:27.8766440Z","ada","gpt-4.1","0.25","False","Unlimited"',
            '"2026-06-11T05:09:40.8432110Z","bob","o3","1.00","True","300"',
        ),
        (
            Charge("ada", 10, occurred_at="2026-06-10T05:13:27.8766440Z", model="gpt-4.1"),
            Charge("bob", 40, occurred_at="2026-06-11T05:09:40.8432110Z", model="o3"),
        ),
        {"amount": "ceil(requests * 40)"},
    ),
    "LiteLLM, spend": Shape(
        "litellm",
        lines(
            "request_id,call_type,api_key,spend,total_tokens,prompt_tokens,completion_tokens,startTime,endTime,model,"
            "custom_llm_provider,user,metadata,end_user,team_id,request_tags",
            "chatcmpl-1,acompletion,hash-1,4.365e-05,155,100,55,2026-11-28 10:00:00 UTC,2026-11-28 10:00:02 UTC,"
            'gpt-4o-mini,openai,default_user_id,"{""a"": ""b, c""}",ada,team-1,[]',
            "chatcmpl-2,acompletion,hash-1,0.0,10,10,0,2026-11-28 10:00:05 UTC,2026-11-28 10:00:06 UTC,gpt-4o-mini,"
            "openai,default_user_id,{},ada,team-1,[]",
        ),
        (Charge("ada", 44, 100, 55, "2026-11-28T10:00:00Z", "gpt-4o-mini"),),
        {"amount": "ceil(spend * 1000000)"},
        skipped=1,
    ),
    "Excel in German, CSV UTF-8": Shape(
        None,
        b"\xef\xbb\xbf"
        + lines(
            "Datum;Kunde;Eingabe;Ausgabe;Kosten",
            "02.11.2026 09:14;ada;374;44;0,0123",
            "02.11.2026 09:15;bob;1.396;109;1.234,56",
            ";;;;",
            "Summe;;1.770;153;1.234,5723",
            end="\r\n",
        ),
        (
            Charge("ada", 2, 374, 44, "2026-11-02T08:14:00Z"),
            Charge("bob", 123_456, 1396, 109, "2026-11-02T08:15:00Z"),
        ),
        {
            "account": "{Kunde}",
            "amount": "ceil(Kosten * 100)",
            "time": "Datum",
            "time_format": "european",
            "time_zone": "Europe/Berlin",
            "usage": {"input_tokens": "Eingabe", "output_tokens": "Ausgabe"},
        },
        totals=1,
    ),
    "Excel in German, CSV": Shape(
        None,
        "sep=;\r\nDatum;Kunde;Größe;Preis\r\n1.2.2026;jörg;3,0;0,42 €\r\n".encode("cp1252"),
        (Charge("jörg", 126, occurred_at="2026-02-01T00:00:00Z"),),
        {
            "account": "{Kunde}",
            "amount": "ceil(Größe * Preis * 100)",
            "time": "Datum",
            "time_format": "european",
            "encoding": "windows-1252",
        },
    ),
    "Excel in English, Unicode text": Shape(
        None,
        '\ufeffDay\tWho\tTokens\r\n11/28/2026 1:05 PM\tada\t"1,396"\r\n'.encode("utf-16-le"),
        (Charge("ada", 2, occurred_at="2026-11-28T13:05:00Z"),),
        {
            "account": "{lower(Who)}",
            "amount": "ceil(Tokens / 1000)",
            "time": "Day",
            "time_format": "us",
            "decimal": ".",
        },
    ),
}
