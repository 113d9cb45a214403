"""Sending a group of asks, and putting down what was answered to each."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

from tests.survival.attempts import Ask, Attempt, Group, Notebook, Outcome
from tests.survival.wire import NoAnswer, Reply, Wire

NOT_TAKEN = {"overloaded", "rate_limited"}
"""What was turned away at the door: nothing was done, and the answer says so."""


async def send(wire: Wire, group: Group, notebook: Notebook) -> list[Attempt]:
    """Send a group once. What has no answer is put down as unknown."""
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    reply = None
    with suppress(NoAnswer):
        reply = await _post(wire, group)
    attempts = [
        Attempt(
            ask, sent_at, loop.time(), outcome_of(status, answer), status, name, answer, group if group.atomic else None
        )
        for ask, (status, name, answer) in zip(group.asks, _answers(group, reply), strict=True)
    ]
    for attempt in attempts:
        notebook.write(attempt)
    return attempts


def outcome_of(status: int, answer: dict[str, Any]) -> Outcome:
    """What a caller knows after an answer."""
    if status in (200, 201):
        return "ok"
    if 400 <= status < 500 or answer.get("code") in NOT_TAKEN:
        return "refused"
    return "unknown"


async def _post(wire: Wire, group: Group) -> Reply:
    if len(group.asks) == 1 and not group.atomic:
        (ask,) = group.asks
        body = {"account_id": ask.account, **ask.body} if ask.operation == "open" else ask.body
        return await wire.post(ask.path, body, ask.key if ask.named else None)
    return await wire.post("/v1/batch", {"atomic": group.atomic, "commands": [ask.item for ask in group.asks]})


def _answers(group: Group, reply: Reply | None) -> Iterator[tuple[int, str | None, dict[str, Any]]]:
    """For each ask its status, its name in the service and its answer."""
    if reply is None:
        yield from [(0, None, {})] * len(group.asks)
        return
    said = orjson.loads(reply.body)
    alone = len(group.asks) == 1 and not group.atomic
    for number, _ in enumerate(group.asks):
        name = reply.request_id if alone else f"{reply.request_id}/{number}"
        result = said["results"][number] if "results" in said else said
        yield reply.status if alone or "results" not in said else result["status"], name, result


def unsettled(attempts: list[Attempt]) -> tuple[Ask, ...]:
    """The asks whose outcome is not known."""
    return tuple(attempt.ask for attempt in attempts if attempt.outcome == "unknown")
