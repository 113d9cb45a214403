"""The profile of an account: its labels, and where its description and its metadata are.

Labels are short plain pairs by which lists of accounts can be filtered. They are not sealed, so they stay readable for
ever and must not contain personal data. The texts of a profile are sealed and stay in their events: a state only keeps
the versions of those events.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ledger.domain.errors import InvalidField, LabelsLimitExceeded

MAX_LABELS = 16
"""Labels of one account."""
MAX_CHANGES = 2 * MAX_LABELS
"""Labels that one command names: it can replace all of them."""
MAX_LABEL_NAME, MAX_LABEL_VALUE = 40, 100
"""Characters."""
LABEL_NAME = rf"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{{0,{MAX_LABEL_NAME - 1}}}"
"""What the name of a label looks like: it can be written in a query as it is."""
_NAME = re.compile(LABEL_NAME, re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Labels = Mapping[str, str]
"""The labels of an account, sorted by their names."""
LabelChanges = Mapping[str, str | None]
"""New values of some labels; None removes one."""


class Profile(NamedTuple):
    """Labels, and the versions of the events that have the newest description and metadata; 0 when there are none."""

    labels: Labels
    description_version: int
    metadata_version: int


NO_PROFILE = Profile({}, 0, 0)


def check_labels(changes: LabelChanges | None) -> None:
    """Raise InvalidField unless the names and values are short, plain texts."""
    if changes is None:
        return
    if len(changes) > MAX_CHANGES:
        raise InvalidField("labels", f"must have at most {MAX_CHANGES} names")
    for name, value in changes.items():
        if not _NAME.fullmatch(name):
            raise InvalidField(
                "labels", f"must have names of 1 to {MAX_LABEL_NAME} letters, digits, dots, underscores and hyphens"
            )
        if value is None:
            continue
        if not 0 < len(value) <= MAX_LABEL_VALUE or _CONTROL.search(value):
            raise InvalidField(
                f"labels.{name}", f"must be null or 1 to {MAX_LABEL_VALUE} characters without control characters"
            )


def changed_labels(labels: Labels, changes: LabelChanges | None) -> Labels | None:
    """The labels after some changes; None when nothing was said about labels. Raises LabelsLimitExceeded."""
    if not changes:
        return None
    after = {name: value for name, value in sorted({**labels, **changes}.items()) if value is not None}
    if len(after) > MAX_LABELS:
        raise LabelsLimitExceeded(MAX_LABELS, len(after))
    return after
