"""Calls to payment providers, and mails to a server, as client spans below what has caused them.

What is sent carries no trace: a provider cannot join one, and would learn which of its calls belong together. A span
says who was asked, and how that went; it has no path, because that has ids, and nothing of a mail but its kind.
"""

from typing import Any, TypeVar

from api.runtime.telemetry import names
from api.runtime.telemetry.spans import Spans, like
from billing.calls.calls import ProviderFailed
from billing.calls.known_calls import CALLED, INVOICED

Part = TypeVar("Part")
_CALLS = frozenset(calls for _, calls in (*CALLED.values(), *INVOICED.values()))
_MAIL = "Smtp"


def with_client_spans(part: type[Part], spans: Spans) -> type[Part]:
    """A class like `part` that makes a span of all that it sends; `part` itself if it sends nothing."""
    found: Any = part
    if part.__name__ in _CALLS:
        return like(part, api=_calling(found.api, spans))
    if part.__name__ == _MAIL:
        return _mailing(found, spans)
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
