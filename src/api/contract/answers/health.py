"""The answer of /healthz and /readyz."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer

STARTED_BY = "Credit-Ledger-Start"
"""The header by which a service that starts knows its own answers: an older one of its ledger may listen there too."""


class ProjectionState(TypedDict):
    """Where a projection stands."""

    within_bounds: bool
    position: int | None
    behind: Annotated[int, Field(description="events that it has not seen")]
    as_of: datetime | None
    stopped_at: Annotated[int | None, Field(description="the position of an event that it cannot apply")]
    problem: str | None
    rebuilding: bool
    rebuilt_to: int | None


class ClockState(TypedDict):
    """Whether the service goes by the machine's clock. One that was set is not followed."""

    machine_followed: bool
    machine_ahead_seconds: Annotated[int, Field(description="0 while it is followed")]


class CheckpointsState(TypedDict):
    """The log beside its newest signed checkpoint."""

    holds: Annotated[
        bool | None, Field(description="whether the log begins with what it says; null when there is none")
    ]
    size: Annotated[int | None, Field(description="how many events it has")]
    position: Annotated[int, Field(description="the end of the log")]
    signed_at: Annotated[datetime | None, Field(description="when a checkpoint was last signed, by any service")]
    problem: Annotated[str | None, Field(description="why none is signed, or what of the log is not as it says")]


class Role(TypedDict):
    """Who is connected to the database, and what they could do more than append and read: a warning."""

    session_user: str
    current_user: str
    append_only: bool
    could: tuple[str, ...]


class WebhooksState(TypedDict):
    """Webhooks that are not applied yet: a warning when one has waited for more than an hour."""

    waiting: int
    oldest_seconds: Annotated[int, Field(description="since the oldest of them arrived; 0 when none waits")]
    too_long: bool


class Checks(TypedDict):
    """What has to be true of a service that is ready."""

    checkpoints: bool
    committer: bool
    database: bool
    processes: bool
    projections: bool
    sessions: bool


Readiness = Annotated[
    Literal["ok", "draining", "unavailable"],
    Field(description="`draining` is a service that is about to stop: it answers, and sends everybody away"),
]


class ReadinessAnswer(Answer):
    """Whether the service can do its work."""

    status: Readiness
    checks: Checks
    role: Role | None
    clock: ClockState
    projections: dict[str, ProjectionState]
    checkpoints: CheckpointsState | None
    webhooks: Annotated[
        WebhooksState | None,
        Field(description="a warning: the service is ready even when webhooks wait for an operator"),
    ]
    restarts: Annotated[
        dict[str, int],
        Field(description="how often a part of the service ended and was started again in the last minute, up to 3"),
    ]


class ReadinessStatus(Answer):
    """Whether the service can do its work, without details: operators have an address of their own for these."""

    status: Readiness


class HealthAnswer(Answer):
    """Whether the process answers."""

    status: Literal["ok"]
