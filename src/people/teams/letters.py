"""Letters about teams. They name no team and no person, whose names strangers choose, but the inviter's own address."""

from people.sign_in.letters import Letter, ending
from people.teams.words import INVITED_FOR

_IGNORE = "If you do not know them, ignore this mail: nothing happens."


def invitation(to: str, cause: str, url: str, inviter: str) -> Letter:
    """To whoever is invited into a team. `inviter` is a verified address, or says that it is an operator."""
    told = f"{inviter} invites you into a team. The link works for 7 days, for the owner of this address:"
    body = f"{told}\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "invitation", to, "You are invited into a team", body, INVITED_FOR)


def joined(to: str, cause: str, url: str, end: str, address: str) -> Letter:
    """To the owner, when somebody has joined."""
    body = f"{address} has joined your team:\n\n{url}\n{ending(end)}"
    return Letter(cause, "joined", to, "Somebody has joined your team", body, INVITED_FOR, end=end)


def left(to: str, cause: str, url: str, end: str, address: str) -> Letter:
    """To the owner, when somebody has left."""
    body = f"{address} has left your team. Their access and their keys in it have ended:\n\n{url}\n{ending(end)}"
    return Letter(cause, "left", to, "Somebody has left your team", body, INVITED_FOR, end=end)
