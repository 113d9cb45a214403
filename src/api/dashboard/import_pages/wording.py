"""What the import tells in the words of the command line, in those of its pages."""

import re

_OPTION = re.compile(r"--(?=[a-z])([a-z-]+)")


def in_words(text: str) -> str:
    """A message with the names of the form's fields in place of the options of the command line."""
    return _OPTION.sub(lambda found: found[1].replace("-", " ").capitalize(), text)
