"""Why a formula or template cannot be used, with its place."""

import re

MAX_LENGTH = 1_000
"""The most characters of a formula or template."""

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


class FormulaError(Exception):
    """A formula or template cannot be used. The message says why, with a mark under the place."""

    def __init__(self, name: str, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.position = position
        where = f"\n    {_SPACE.sub(' ', text)}\n    {' ' * position}^"
        super().__init__(f"{name}, position {position + 1}: {problem}{where if len(text) <= MAX_LENGTH else ''}")


def check_length(name: str, text: str) -> None:
    """Raise FormulaError if a formula or template is too long."""
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            name, f"it has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed", text, MAX_LENGTH
        )
