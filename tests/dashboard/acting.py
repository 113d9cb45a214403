"""Actions of operators without a browser: fill in the forms of a page, and post them."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx

from tests.dashboard.guests import ROOT


class _Form(HTMLParser):
    """The fields of the last form of a page, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select = self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.fields = {}
        elif tag == "input":
            self.fields[name] = given.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = given["value"]
        elif tag == "textarea":
            self._text = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._text] += data


def fields_of(page: httpx.Response) -> dict[str, str]:
    """The fields that its form would send."""
    form = _Form()
    form.feed(page.text)
    return form.fields


def path_of(account: str, *below: str) -> str:
    """The address of a page of an account."""
    return "/".join((ROOT, "accounts", quote(account, safe=""), *below))


def filled_in(client: httpx.Client, path: str, **typed: str) -> httpx.Response:
    """The preview of a form, or the form again with its errors."""
    return sent(client, path, client.get(path), "preview", **typed)


def sent(client: httpx.Client, path: str, page: httpx.Response, step: str, **typed: str) -> httpx.Response:
    """Post the form of a page with a button."""
    return client.post(path, data={**fields_of(page), **typed, "step": step})


def done(client: httpx.Client, path: str, **typed: str) -> httpx.Response:
    """The page after a form was filled in, previewed and confirmed."""
    ahead = filled_in(client, path, **typed)
    assert ahead.status_code == 200, ahead.text
    return sent(client, path, ahead, "confirm")


def newest_event(service: Any, account: str) -> dict[str, Any]:
    """The last event of an account, from the API."""
    events = service.get(f"/v1/accounts/{quote(account, safe='')}/events", limit=1_000).json()["events"]
    last: dict[str, Any] = events[-1]
    return last
