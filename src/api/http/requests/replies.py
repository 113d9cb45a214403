"""Replies: what is answered without the framework, and what an error of a request becomes."""

import logging
from importlib.metadata import version
from typing import NamedTuple

from psycopg.errors import DiskFull, QueryCanceled
from starlette.types import Send

from api.contract.problems import Problem, from_refusal, projection_unavailable, query_timeout
from api.http.requests.request_body import ClientLeft
from billing.errors import BillingRefused
from ledger.commit.submission import NoSession, Overloaded, StorageFull, Unavailable
from ledger.domain.errors import Refusal
from ledger.postgres.errors import LOST
from people.errors import AccessRefused
from projections.models.views import NotBuilt, NotYetVisible

VERSION = (b"credit-ledger-version", version("credit-ledger").encode())
"""The header of every answer with the version of the program that answers."""
_log = logging.getLogger("credit_ledger.api")


class Reply(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a reply."""
    length = (b"content-length", str(len(reply.body)).encode())
    headers = [*reply.headers, VERSION, length]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def problem_reply(problem: Problem) -> Reply:
    """A problem as a reply."""
    return Reply(problem.status, problem.headers(), problem.body())


def as_problem(error: Exception, request_id: str) -> Problem:
    """Convert an error of a request to a problem. An unexpected one is logged with the id. Raises ClientLeft."""
    match error:
        case ClientLeft():
            raise error
        case Problem():
            return error
        case Refusal():
            return from_refusal(error)
        case BillingRefused():
            return Problem(error.code, error.detail, **error.facts)
        case AccessRefused():
            return Problem(error.code, error.detail, retry_after=error.retry_after, **error.facts)
        case Overloaded():
            return Problem(
                "overloaded",
                "Too many commands are waiting for their commit. Send the request again later.",
                retry_after=1,
            )
        case StorageFull():
            return Problem(
                "storage_full",
                "The storage of the database is full, so nothing can be recorded until an operator frees space. "
                "Send the request again later with the same key.",
                retry_after=5,
            )
        case NoSession():
            return Problem(
                "unavailable",
                "The connection pooler before the database does not keep sessions, so nothing can be recorded until an "
                "operator connects the ledger directly. Send the request again later with the same key.",
                retry_after=5,
            )
        case Unavailable():
            return Problem(
                "unavailable",
                "The database cannot be reached, so the outcome is not known. Repeat the request with the same key.",
                retry_after=2,
            )
        case NotYetVisible():
            return Problem(
                "not_yet_visible",
                f"Position {error.wanted} is not visible yet: the projections are at {error.position}. Ask again.",
                retry_after=1,
                min_position=error.wanted,
                as_of_position=error.position,
            )
        case NotBuilt():
            return projection_unavailable()
        case QueryCanceled():
            return query_timeout()
        case _ if isinstance(error, LOST):  # of a query or a dry run; the committer handles its own
            return as_problem(StorageFull() if isinstance(error, DiskFull) else Unavailable(), request_id)
        case _:
            _log.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
            return Problem(
                "internal_error",
                "The service failed to answer this request. Its log has the cause with the request id.",
                request_id=request_id,
            )
