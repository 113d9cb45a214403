"""What people ask for, what it takes in tokens, and so what it costs in credits."""

from collections.abc import Sequence
from math import ceil
from random import Random
from typing import Any, NamedTuple

from api.demo.offers import LISTENERS, PAINTERS, WRITERS, Model


class Line(NamedTuple):
    """A line of work: what is asked for, and how much goes in and comes out of it."""

    models: Sequence[Model]
    texts: Sequence[str]
    input: tuple[int, int]
    output: tuple[int, int]
    """Tokens, or, of models that count something else, how many of it."""


class Task(NamedTuple):
    """One piece of work."""

    credits: int
    description: str
    usage: dict[str, Any]


LINES = {
    "support": Line(
        WRITERS,
        (
            "Draft a reply to ticket {n}",
            "Sort {few} new tickets by urgency",
            "Answer a question about {topic} from the help centre",
            "Summarise the thread of ticket {n} for the next shift",
            "Put the reply to ticket {n} in a friendlier tone",
            "Find similar tickets to {n}",
        ),
        (600, 4_500),
        (80, 700),
    ),
    "documents": Line(
        WRITERS,
        (
            "Summarise the board minutes",
            "Summarise the contract with a supplier in plain words",
            "List the open points of the meeting in {month}",
            "Extract the line items of invoice {n}",
            "Compare two versions of the terms of service",
            "Write the minutes of the {topic} meeting",
        ),
        (3_000, 14_000),
        (200, 900),
    ),
    "translation": Line(
        WRITERS,
        (
            "Translate release notes into {language}",
            "Translate the {topic} page into {language}",
            "Check the {language} wording of the sign-up form",
            "Translate {few} interface texts into {language}",
        ),
        (700, 5_000),
        (700, 4_000),
    ),
    "engineering": Line(
        WRITERS,
        (
            "Review pull request {n}",
            "Explain the failing test in {module}",
            "Write tests for {module}",
            "Describe the change in pull request {n}",
            "Suggest an index for a slow query in {module}",
            "Turn the stack trace of {module} into a bug report",
        ),
        (2_000, 12_000),
        (150, 1_600),
    ),
    "marketing": Line(
        WRITERS,
        (
            "Three subject lines for the {month} newsletter",
            "Rewrite the product text for {topic}",
            "Outline a post about {topic}",
            "Shorten the landing page by half",
            "Alt texts for {few} product photos",
        ),
        (400, 2_500),
        (150, 1_200),
    ),
    "research": Line(
        WRITERS,
        (
            "Cluster {few} interview notes by theme",
            "Compare prices of {few} competitors",
            "Summarise a paper on {topic}",
            "Questions for a survey on {topic}",
            "Check the sources of the {month} report",
        ),
        (4_000, 16_000),
        (300, 1_400),
    ),
    "images": Line(
        PAINTERS,
        ("Product photo on a plain background", "Header image for the {month} campaign", "Icons for the {topic} page"),
        (1, 1),
        (1, 4),
    ),
    "speech": Line(
        LISTENERS,
        ("Transcribe a customer call", "Transcribe the {topic} meeting", "Subtitles for the {month} video"),
        (1, 1),
        (6, 55),
    ),
}

PROJECTS = {
    "support-desk": "support",
    "help-centre": "support",
    "board-papers": "documents",
    "contracts": "documents",
    "bookkeeping": "documents",
    "release-notes": "translation",
    "localisation": "translation",
    "code-review": "engineering",
    "test-triage": "engineering",
    "newsletter": "marketing",
    "product-pages": "marketing",
    "market-watch": "research",
    "user-research": "research",
    "catalogue-photos": "images",
    "call-notes": "speech",
}
"""Projects, and the line of work of each."""

_WORDS = {
    "language": ("Japanese", "French", "Polish", "Brazilian Portuguese", "Turkish", "Korean", "Dutch", "Swahili"),
    "month": ("January", "February", "March", "May", "June", "September", "October", "November"),
    "topic": ("pricing", "onboarding", "returns", "data retention", "accessibility", "billing", "hiring", "shipping"),
    "module": ("checkout", "the importer", "search", "the scheduler", "login", "the PDF export", "webhooks"),
}
_NUMBERS = {"n": (1_040, 9_870), "few": (3, 40)}


def task(chance: Random, project: str, models: Sequence[Model], member: str | None) -> Task:
    """Some work for a project, with one of the models that its people like or, if none of them can, one that can."""
    line = LINES[PROJECTS[project]]
    model = chance.choice([model for model in models if model in line.models] or line.models)
    taken, made = _size(chance, line.input), _size(chance, line.output)
    usage: dict[str, Any] = {"provider": model.provider, "model": model.name, "project": project}
    if member is not None:
        usage["member"] = member
    if model.metric is not None:
        usage["metric"] = model.metric
        return Task(max(1, ceil(made * model.output_price)), _text(chance, line), usage)
    usage |= {"input_tokens": taken, "output_tokens": made}
    return Task(price(model, taken, made), _text(chance, line), usage)


def price(model: Model, taken: int, made: int) -> int:
    """Credits for so many tokens in and out, rounded up."""
    return max(1, ceil((taken * model.input_price + made * model.output_price) / 1_000))


def again(chance: Random, done: Task, models: Sequence[Model]) -> Task:
    """The same work as something that runs by itself does it every night, in another size."""
    model = next(model for model in models if model.name == done.usage["model"])
    taken = ceil(done.usage["input_tokens"] * chance.uniform(0.7, 1.4))
    made = ceil(done.usage["output_tokens"] * chance.uniform(0.7, 1.4))
    usage = {**done.usage, "input_tokens": taken, "output_tokens": made}
    return done._replace(credits=price(model, taken, made), usage=usage)


def _size(chance: Random, limits: tuple[int, int]) -> int:
    """Mostly small, now and then large."""
    least, most = limits
    return round(least + (most - least) * min(chance.expovariate(3.5), 1))


def _text(chance: Random, line: Line) -> str:
    return chance.choice(line.texts).format_map(_Words(chance))


class _Words(dict[str, str]):
    """A word for each place in a text, chosen when it is asked for."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def __missing__(self, name: str) -> str:
        if name in _NUMBERS:
            return str(self._chance.randint(*_NUMBERS[name]))
        return self._chance.choice(_WORDS[name])
