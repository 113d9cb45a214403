"""What answers have in common. A type is what is served, what mypy checks and what the OpenAPI document shows."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ledger.domain.amounts import Kind


@with_config(ConfigDict(extra="allow"))
class Answer(TypedDict):
    """Answers may get more fields; they never lose one."""


class AsOf(Answer):
    """From projections: everything up to a position of the log, and nothing after it."""

    as_of_position: Annotated[int, Field(description="the last position that is in this answer")]
    as_of: Annotated[datetime | None, Field(description="when the event there was recorded; null before the first")]


class ListPage(AsOf):
    """One page of a list."""

    next_cursor: Annotated[str | None, Field(description="asks for the next page; null on the last")]


class ProblemDocument(Answer):
    """RFC 9457, with a stable code, and facts that depend on it."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class UncollectedIfAny(TypedDict, total=False):
    """What of a deduction was not available, if anything was not."""

    uncollected: Annotated[int, Field(description="asked for and not available; absent when all was collected")]


class WaivedIfAny(TypedDict, total=False):
    """What a reversal waived, if anything of the deduction was uncollected."""

    waived: Annotated[int, Field(description="of what was uncollected; absent when nothing is waived")]


COLLECTED: UncollectedIfAny = {}
NOTHING_WAIVED: WaivedIfAny = {}


def uncollected(amount: int) -> UncollectedIfAny:
    """The field of what was not available."""
    return {"uncollected": amount}


def waived(amount: int) -> WaivedIfAny:
    """The field of what is waived."""
    return {"waived": amount}


EffectiveAt = Annotated[
    datetime | None,
    Field(description="when the credits start: until then they are no part of the balance; null: at once"),
]


class GrantIfAny(TypedDict, total=False):
    """What else was done where credits were granted too."""

    grant_id: str
    granted: int
    kind: Kind
    expires_at: datetime | None
    effective_at: EffectiveAt


class BoughtGrant(TypedDict):
    """One of the grants that a payment bought."""

    grant_id: str
    granted: int
    kind: Kind
    expires_at: datetime | None
    effective_at: EffectiveAt


class GrantsIfAny(GrantIfAny, total=False):
    """What else was done where a payment bought credits: the fields of the grant when it is one, and all grants."""

    grants: list[BoughtGrant]


class VoidIfAny(TypedDict, total=False):
    """What else was done where credits were voided too."""

    grant_id: str
    voided: int
    uncollected: int


class LabelsIfAny(TypedDict, total=False):
    """The labels of the account, where labels were changed."""

    labels: Annotated[dict[str, str], Field(description="all labels of the account after it, if some were changed")]


class VoidedGrant(TypedDict):
    """One of the grants that a refund voided."""

    grant_id: str
    voided: int
    uncollected: int


class VoidsIfAny(VoidIfAny, total=False):
    """What else was done where grants were voided: the fields of the void when it is one, and all voids."""

    voids: list[VoidedGrant]
