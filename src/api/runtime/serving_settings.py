"""The settings of the server: where it listens, how much it takes on, with which certificate, and what it logs."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class ServingSettings(BaseModel, defer_build=True):
    """A part of the settings (settings.py)."""

    host: str = Field("127.0.0.1", min_length=1, description="the address to listen on")
    port: int = Field(8000, ge=1, le=65_535, description="the port to listen on")
    ops_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="a port of its own for `/metrics` and the details of `/readyz`; without it, both are on the public "
        "port",
    )
    ops_host: str = Field("127.0.0.1", min_length=1, description="the address of that port")
    workers: int = Field(1, ge=1, le=64, description="processes that serve requests")
    queue_limit: int = Field(20_000, ge=1, le=10_000_000, description="commands that may wait before 503 `overloaded`")
    rate_limit: int = Field(0, ge=0, le=1_000_000, description="commands a second for one API key; 0 sets no limit")
    connections_per_address: int = Field(
        4_096,
        ge=0,
        le=1_000_000,
        description="connections of one address that each worker keeps; beyond, the longest silent ones are closed; "
        "0 sets no limit",
    )
    query_timeout_seconds: float = Field(
        10.0,
        ge=0,
        le=3_600,
        description="seconds after which the database ends a statement of a query, before 503 `query_timeout`; 0 sets "
        "no limit; commands and migrations are never ended",
    )
    drain_seconds: float = Field(
        3.0,
        ge=0,
        le=600,
        description="seconds for which a service that gets SIGTERM goes on answering, with 503 at `/readyz` and "
        "`Connection: close` on every answer, before it stops",
    )
    tls_certificate: Path | None = Field(
        None,
        description="a PEM file with the certificate of the service and those that lead to its issuer: with it, the "
        "service speaks https itself, with TLS 1.3, for those without a proxy",
    )
    tls_key: Path | None = Field(
        None, validate_default=True, description="a PEM file with the key of that certificate, without a password"
    )
    log_format: LogFormat = Field(
        "text", description="the form of the log: lines for people, or a JSON object on each line"
    )
    log_level: LogLevel = Field("info", description="the least severe message that is logged")
    trace_accounts: bool = Field(
        False, description="whether traces have the ids of accounts: see Traces; nothing is erased in traces"
    )

    @field_validator("tls_key")
    @classmethod
    def _comes_with_a_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if (key is None) != (info.data.get("tls_certificate") is None):
            raise ValueError
        return key

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_case(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level
