"""The yardstick's HTTP face: routes over stored procedures, as a good engineer would write it today.

It must stay a fair rival: FastAPI as its manual teaches it, a connection pool, prepared statements, and the answer's
JSON passed on as the database made it. It must never batch requests, decide in memory or skip a check.
"""

import argparse
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, LiteralString

import orjson
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field

# Worker processes import this module afresh, so the options reach them through the environment.
DSN = "YARDSTICK_DSN"
CONNECTIONS = "YARDSTICK_CONNECTIONS"
APP = "benchmarks.yardstick.service:app"

# A revoked API key is refused after this many seconds at the latest.
KEY_TRUSTED_SECONDS = 30
TRUSTED_KEYS_LIMIT = 10_000

DEDUCT = "SELECT status, answer::text FROM yardstick.deduct(%s, %s, %s, %s, %s)"
BALANCE = "SELECT yardstick.balance(%s)::text"
HISTORY = "SELECT yardstick.history(%s, %s, %s)::text"
FIND_API_KEY = "SELECT 1 FROM yardstick.api_keys WHERE sha256 = %s AND revoked_at IS NULL"

STATUSES = {
    "deducted": 201,
    "replayed": 200,
    "insufficient_credits": 402,
    "account_not_found": 404,
    "idempotency_key_reused": 422,
}


class Deduction(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
    task_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    description: Annotated[str, Field(max_length=500)] | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connections = int(os.environ[CONNECTIONS])
    pool = AsyncConnectionPool(
        os.environ[DSN],
        min_size=connections,
        max_size=connections,
        # One call is one transaction already. BEGIN and COMMIT would cost two more round trips.
        kwargs={"autocommit": True, "prepare_threshold": 0},
        open=False,
    )
    async with pool:
        await pool.wait()
        app.state.pool = pool
        app.state.trusted_keys = {}
        yield


app = FastAPI(title="Yardstick", lifespan=lifespan)


async def fetch_one(request: Request, query: LiteralString, *values: Any) -> tuple[Any, ...] | None:
    pool: AsyncConnectionPool = request.app.state.pool
    async with pool.connection() as connection:
        cursor = connection.cursor(binary=True)
        await cursor.execute(query, values)
        return await cursor.fetchone()


async def authenticated(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Lets a known API key pass. The database is asked once in a while, not once per request."""
    scheme, _, secret = authorization.partition(" ")
    digest = hashlib.sha256(secret.encode()).digest()
    trusted = request.app.state.trusted_keys
    bearer = scheme.lower() == "bearer"
    if bearer and trusted.get(digest, 0) > time.monotonic():
        return
    if not bearer or await fetch_one(request, FIND_API_KEY, digest) is None:
        raise HTTPException(401, "unauthenticated", {"WWW-Authenticate": "Bearer"})
    if len(trusted) >= TRUSTED_KEYS_LIMIT:
        trusted.clear()
    trusted[digest] = time.monotonic() + KEY_TRUSTED_SECONDS


def fingerprint(deduction: Deduction) -> bytes:
    return hashlib.sha256(deduction.model_dump_json().encode()).digest()


def respond(status: str, answer: str | None) -> Response:
    """The answer's JSON as the database made it. A refusal adds its code to the facts that it comes with."""
    code = STATUSES[status]
    if code >= 400:
        problem = {"code": status, "status": code, **orjson.loads(answer or "{}")}
        return Response(orjson.dumps(problem), code, media_type="application/problem+json")
    headers = {"Idempotent-Replayed": "true"} if status == "replayed" else None
    return Response(answer, code, headers, media_type="application/json")


@app.post("/v1/accounts/{account_id}/deductions", status_code=201, dependencies=[Depends(authenticated)])
async def deduct(
    request: Request,
    account_id: str,
    deduction: Deduction,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    key = idempotency_key or deduction.task_id
    if key is None:
        raise HTTPException(400, "idempotency_key_required")
    values = account_id, deduction.amount, key, fingerprint(deduction), deduction.description
    row = await fetch_one(request, DEDUCT, *values)
    assert row is not None, "a function call answers with one row"
    return respond(*row)


@app.get("/v1/accounts/{account_id}/balance", dependencies=[Depends(authenticated)])
async def balance(request: Request, account_id: str) -> Response:
    row = await fetch_one(request, BALANCE, account_id)
    if row is None or row[0] is None:
        return respond("account_not_found", None)
    return Response(row[0], media_type="application/json")


@app.get("/v1/accounts/{account_id}/history", dependencies=[Depends(authenticated)])
async def history(
    request: Request,
    account_id: str,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    before: Annotated[int, Query(ge=1)] = 2**63 - 1,
) -> Response:
    row = await fetch_one(request, HISTORY, account_id, before, limit)
    assert row is not None, "a function call answers with one row"
    return Response(row[0], media_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True, help="a database that holds the schema `yardstick`")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32, help="database connections of each worker")
    parser.add_argument("--server", choices=SERVERS, default="uvicorn", help="what speaks HTTP")
    options = parser.parse_args()
    os.environ[DSN] = options.dsn
    os.environ[CONNECTIONS] = str(options.connections)
    SERVERS[options.server](options.port, options.workers)


def serve_with_uvicorn(port: int, workers: int) -> None:
    """As such services usually run."""
    uvicorn.run(
        APP,
        host="127.0.0.1",
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


def serve_with_granian(port: int, workers: int) -> None:
    """The server that the ledger itself uses, with the ledger's options: it must not win by its server alone."""
    Granian(
        APP,
        interface=Interfaces.ASGI,
        address="127.0.0.1",
        port=port,
        workers=workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4_096,
        backpressure=8_192,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


SERVERS = {"uvicorn": serve_with_uvicorn, "granian": serve_with_granian}


if __name__ == "__main__":
    main()
