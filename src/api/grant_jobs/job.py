"""A grant job: its name, its grant and its labels, and the command for one account.

The key of every command is made of the job's name, and a key is unique for an account. So a job grants once to each
account, however often and from wherever it is run: a batch over HTTP with the same keys and bodies continues it too.
"""

import getpass
import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.contract.bodies import GrantBody
from api.contract.operations import OPERATIONS, Defaults
from api.contract.problems import from_pydantic
from jobs.grant_jobs import Terms
from ledger.commit.submission import Submission
from ledger.domain.errors import InvalidField
from ledger.domain.profile import check_labels
from ledger.store import Metadata, fingerprint

LONGEST_NAME = 200
_GRANT = OPERATIONS["grant"]


class OptionProblem(Exception):
    """An option cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class GrantJob:
    """One grant to each of many accounts."""

    name: str
    body: GrantBody
    labels: Mapping[str, str] | None
    """The labels of its accounts; None when a file names the accounts."""

    @property
    def key(self) -> str:
        """The idempotency key of its grants."""
        return f"job:{self.name}"

    @property
    def terms(self) -> Terms:
        """What must be the same in every run. The receipts of the ledger compare the description."""
        grant = self.body.model_dump(mode="json", include={"amount", "kind", "expires_at", "source"})
        return {**grant, "labels": self.labels}

    def commands(self, defaults: Defaults) -> Callable[[str], Submission]:
        """A function that makes the command for an account. Raises Refusal for an account that cannot be."""
        actor, origin, numbers = f"operator:{getpass.getuser()}", secrets.token_hex(6), itertools.count(1)
        mark = fingerprint(_GRANT.values({}, self.body))

        def command(account_id: str) -> Submission:
            metadata = Metadata(actor, _GRANT.name, self.key, f"{origin}-{next(numbers):x}")
            return Submission(_GRANT.build(account_id, {}, self.body, defaults), metadata, mark)

        return command


def grant_job(name: str, fields: Mapping[str, Any], labels: Mapping[str, str] | None) -> GrantJob:
    """A job from options; `fields` are those of a grant's body. Raises OptionProblem."""
    if not (name.isascii() and name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise OptionProblem(f"--job must have 1 to {LONGEST_NAME} printable ASCII characters")
    try:
        check_labels(labels)
        body = GrantBody.model_validate({field: value for field, value in fields.items() if value is not None})
    except InvalidField as error:
        raise OptionProblem(f"--label: {error.message}") from error
    except ValidationError as error:
        problem = from_pydantic(error.errors(include_url=False))
        wrong = (f"--{part['field'].replace('_', '-')} {part['message']}" for part in problem.facts["errors"])
        raise OptionProblem("; ".join(wrong)) from error
    return GrantJob(name, body, labels)
