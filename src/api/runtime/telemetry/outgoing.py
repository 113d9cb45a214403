"""Calls to payment providers, requests to the provider at which people sign in, and mails to a server, as client spans
below what has caused them.

What is sent carries no trace: a provider cannot join one, and would learn which of its calls belong together. A span
says who was asked, and how that went; it has no path, because that has ids, and nothing of a mail but its kind.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from opentelemetry.trace import Status, StatusCode

from api.runtime.telemetry import names
from api.runtime.telemetry.spans import Spans, like
from billing.calls.calls import ProviderFailed
from billing.calls.known_calls import CALLED, INVOICED

Part = TypeVar("Part")
_CALLS = frozenset(calls for _, calls in (*CALLED.values(), *INVOICED.values()))
_MAIL = "Smtp"
_SIGN_IN = "ProviderSignIn"
_OIDC = "oidc"
"""The name of the provider at which people sign in. That of its operators is in the address."""
_WRONG = 400
"""The first status of an answer that says no."""


def with_client_spans(part: type[Part], spans: Spans) -> type[Part]:
    """A class like `part` that makes a span of all that it sends; `part` itself if it sends nothing."""
    found: Any = part
    if part.__name__ in _CALLS:
        return like(part, api=_calling(found.api, spans))
    if part.__name__ == _MAIL:
        return _mailing(found, spans)
    if part.__name__ == _SIGN_IN:
        return like(part, ask=staticmethod(_asking(found.ask, spans)))
    return part


def _calling(api: type[Any], spans: Spans) -> type[Any]:
    plain = api.call

    async def call(self: Any, method: str, path: str, **more: Any) -> Any:
        says = {names.METHOD: method, names.PROVIDER: self.provider, names.SERVER: self.host}
        with spans.outgoing(f"{method} {self.provider}", says) as span:
            try:
                answer = await plain(self, method, path, **more)
            except ProviderFailed as error:
                status = error.facts.get("provider_status")
                if isinstance(status, int):
                    span.set_attribute(names.STATUS, status)
                raise
            span.set_attribute(names.STATUS, answer.status)
            return answer

    return like(api, call=call)


def _mailing(smtp: type[Any], spans: Spans) -> type[Any]:
    plain = smtp.send

    async def send(self: Any, mail: Any) -> None:
        with spans.outgoing("send mail", {names.MAIL: mail.kind, names.SERVER: self.server.host}):
            await plain(self, mail)

    return like(smtp, send=send)


def _asking(plain: Callable[..., Any], spans: Spans) -> Callable[..., Any]:
    async def ask(url: str, form: Any = None, **more: Any) -> Any:
        method = "GET" if form is None else "POST"
        says = {names.METHOD: method, names.PROVIDER: _OIDC, names.SERVER: _host(url)}
        with spans.outgoing(f"{method} {_OIDC}", says) as span:
            status, told = await plain(url, form, **more)
            span.set_attribute(names.STATUS, status)
            if status >= _WRONG:
                span.set_attribute(names.ERROR, str(status))
                span.set_status(Status(StatusCode.ERROR))
            return status, told

    return ask


def _host(url: str) -> str:
    """The host of an address; empty for what is none, which nobody answers."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
