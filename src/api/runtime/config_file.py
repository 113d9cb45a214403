"""The configuration file: settings in TOML, for those who prefer a file to variables.

`CREDIT_LEDGER_CONFIG` names it. A key is the name of a setting in lower case, such as `port = 8000`. The file only has
what could be in the environment too, as the same texts: there is one way to read a value. Secrets are not in it:
`admin_key_file = "..."` names the file of one.
"""

import tomllib
from collections.abc import Collection
from pathlib import Path

from api.runtime.operator_error import OperatorError
from ledger.proof.files import read_word
from ledger.proof.notes import BadNote

FILE = "_file"
"""A key with this end names a file with the value of a secret setting."""
_LARGEST = 100_000
"""The size of the largest file, in bytes."""


class BadConfigFile(OperatorError):
    """The configuration file cannot be used. The message names the file and the key, and shows no value."""


def read_config(path: Path, plain: Collection[str], secret: Collection[str]) -> dict[str, str]:
    """The texts in a configuration file by their keys. Raises BadConfigFile.

    `plain` has the names of settings that anybody may see, `secret` those of secrets.
    """
    found = _parsed(path)
    known = {*plain, *(name + FILE for name in secret)}
    for key in found:
        if key in secret:
            raise BadConfigFile(f"{key} in {path} is a secret: put it in a file of its own, and name it as {key}{FILE}")
        if key not in known:
            raise BadConfigFile(f"{key} in {path}: there is no such setting")
    return {key: _text(path, key, value) for key, value in found.items()}


def _text(path: Path, key: str, value: object) -> str:
    """A value as a variable has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | str):
        return str(value)
    raise BadConfigFile(f"{key} in {path} must be a text, a number, true or false")


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_word(path, _LARGEST), parse_float=str)
    except OSError as error:
        raise BadConfigFile(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except (BadNote, tomllib.TOMLDecodeError) as error:
        raise BadConfigFile(f"the configuration file {path} cannot be used: {error}") from None
