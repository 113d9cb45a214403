"""What callers say of limits: those of a plan, what members may use, and usage that says whose it was."""

import random
from typing import Any

from tests.survival.attempts import Ask

MEMBERS = ("ada", "bob", "cyd")
MODELS = "xyz"
FILES = "files"
SOURCE = "plan"
FIRST_KEY = "limits-at-first"


def has_limits(account: str) -> bool:
    """Whether callers give an account limits as soon as it is open: a quarter of them, one of which is hot."""
    return account.endswith(("1", "5")) or account[-2:] in {"03", "23", "43", "63", "83"}


def first_limits(account: str) -> Ask:
    """What is asked of such an account at first, by whoever comes first; the others ask for the same."""
    return Ask("limits", account, FIRST_KEY, {"source": SOURCE, "limits": _plan(random.Random(account))})


def limits(chance: random.Random) -> dict[str, Any]:
    """Other limits: some go on with their counters, some begin anew, now and then there are none."""
    wanted = [limit for limit in _plan(chance) if chance.random() < 0.8]
    for limit in wanted:
        if limit["limit_id"] == "each" and chance.random() < 0.3:
            limit["period"] = chance.choice(
                ({"seconds": 60}, {"every": "hour"}, {"every": "day", "zone": "Asia/Tokyo"})
            )
        if limit["limit_id"] == "each" and chance.random() < 0.3:
            limit["used"] = {chance.choice(MEMBERS): chance.randint(0, 100)}
        if limit["limit_id"] == "all" and chance.random() < 0.3:
            limit["used"] = chance.randint(0, 1_000)
    return {"source": SOURCE, "limits": wanted}


def allowance(chance: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """An amount of a member's own, or none any more."""
    amount = chance.choice((None, 0, 50, 1_000))
    return {"value": chance.choice(MEMBERS), "amount": amount}, {"limit_id": chance.choice(("each", FILES))}


def metered(chance: random.Random) -> dict[str, Any]:
    """Usage that costs nothing."""
    usage: dict[str, Any] = {"metric": FILES}
    if chance.random() < 0.95:
        usage["member"] = chance.choice(MEMBERS)
    return {"quantity": chance.randint(1, 9), "usage": usage}


def attributed(chance: random.Random) -> dict[str, Any]:
    """What usage says that limits count; now and then it forgets to."""
    usage: dict[str, Any] = {}
    if chance.random() < 0.95:
        usage = {"member": chance.choice(MEMBERS), "model": chance.choice(MODELS)}
    if chance.random() < 0.2:
        usage |= {"metric": FILES, "quantity": chance.randint(0, 5)}
    return usage


def _plan(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "limit_id": "each",
            "each": ["member"],
            "amount": chance.choice((60, 200, 500)),
            "period": {"seconds": 60},
            "allowances": {"ada": chance.choice((100, 700))},
        },
        {"limit_id": "x", "only": {"model": "x"}, "amount": chance.choice((100, 400))},
        {
            "limit_id": "all",
            "amount": chance.choice((200, 2_000)),
            "hard": False,
            "near": [50, 90],
            "period": {"every": "month", "zone": "Europe/Berlin", "starts": 31},
        },
        {
            "limit_id": FILES,
            "each": ["member"],
            "unit": FILES,
            "amount": chance.choice((10, 40)),
            "period": {"every": "hour", "zone": "Asia/Kolkata"},
        },
    ]
