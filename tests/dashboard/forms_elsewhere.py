"""A user who goes through the pages of a provider: fills in what it asks, and presses its first button."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

_REDIRECTS = {302, 303, 307}
_MOST = 12
"""Pages and redirects until a provider should be done."""


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    has_button: bool = False


class _Reader(HTMLParser):
    """The forms of a page, with the values that they have by themselves."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of the last one."""
        given = dict(attrs)
        if tag == "form" and (given.get("method") or "").lower() == "post":
            self.forms.append(_Form(given.get("action") or ""))
        elif self.forms and tag in {"input", "button"}:
            self._note(self.forms[-1], tag, given)

    @staticmethod
    def _note(form: _Form, tag: str, given: dict[str, str | None]) -> None:
        is_button = tag == "button" or given.get("type") == "submit"
        if given.get("name") and not (is_button and form.has_button):
            form.fields[given["name"] or ""] = given.get("value") or ""
        form.has_button = form.has_button or is_button


def sent_back(client: httpx.Client, url: str, to: str, **answers: str) -> str:
    """The address to which a provider sends a browser back, below `to`, after the user has answered its forms."""
    answer = client.get(url, follow_redirects=False)
    for _ in range(_MOST):
        if answer.status_code in _REDIRECTS:
            place = urljoin(str(answer.url), answer.headers["location"])
            if place.startswith(to):
                return place
            answer = client.get(place, follow_redirects=False)
            continue
        assert answer.status_code == 200, answer.text
        form = _Reader(answer.text).forms[0]
        given = {name: answers.get(name, value) for name, value in form.fields.items()}
        answer = client.post(urljoin(str(answer.url), form.action), data=given, follow_redirects=False)
    raise AssertionError(f"the provider does not end: {answer.status_code} {answer.text}")
