"""The settings: the variables CREDIT_LEDGER_*, their defaults and their limits.

Only this module reads settings, from the environment and from the configuration file (config_file.py). A value that is
not allowed stops the start with one line that names the variable; a secret never appears in that line, nor in the
`repr` of the settings. `docs/operations.md` describes every variable, and a test compares it with this file.
"""

import json
import os
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails

from api.runtime.billing_settings import BillingSettings
from api.runtime.config_file import read_config
from api.runtime.document_settings import DocumentSettings
from api.runtime.mail_settings import MailSettings
from api.runtime.operator_error import OperatorError
from api.runtime.people_settings import PeopleSettings
from api.runtime.postgres_url import is_postgres_url
from api.runtime.serving_settings import ServingSettings
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import BACK_DATING, IfFrozen, OnDispute
from ledger.domain.holds import LONGEST_HOLD
from ledger.proof.files import read_word
from ledger.proof.notes import BadNote

PREFIX = "CREDIT_LEDGER_"
CONFIG = "CREDIT_LEDGER_CONFIG"
"""The variable that names the configuration file."""
TEST_PREFIX = "CREDIT_LEDGER_TEST_"
"""Variables with this prefix are for the tests, and are never settings of the service."""

_DATABASE_URLS = ("database_url", "owner_url")
_PERCENT_ENCODE = (
    "; in its user name and password, percent-encode what is special: %40 for @, %2F for /, %3A for :, %25 for %"
)
_WEB = r"^https?://[^\s/]+(/[^\s]*)?$"
_BASE = r"^https?://[^\s/?#]+(/\.{0,2}[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$"
"""The path has no characters to encode, because it is written unchanged into cookies, headers and pages."""
OWN_PATHS = frozenset(
    {"api", "dashboard", "docs", "healthz", "metrics", "openapi.json", "readyz", "static-offline-docs", "v1"}
)
"""The first parts of the addresses of the service. A prefix must not begin with one, to be distinguishable."""


FILE = "_FILE"
"""A variable with this end names a file with the value of a secret setting."""
_LARGEST_SECRET = 10_000
"""The size of the largest such file, in bytes."""


class WrongSetting(OperatorError):
    """A setting has a value that is not allowed."""


def default_data_dir() -> Path:
    """`.data` in the clone of the repository that runs; without a clone, the data folder of the user.

    It does not depend on the current directory: `credit-ledger keys list` must find the same ledger from anywhere.
    """
    clone = Path(__file__).parents[3]
    if (clone / "pyproject.toml").is_file() and (clone / "scripts" / "serve").is_file():
        return clone / ".data"
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "credit-ledger"


class Settings(ServingSettings, BillingSettings, DocumentSettings, MailSettings, PeopleSettings):
    """All settings, read once at the start. An empty variable counts as not set.

    Nothing is built that reads one of its parts alone (`defer_build`).
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True, defer_build=False
    )

    data_dir: Path = Field(
        default_factory=default_data_dir,
        validate_default=True,
        description="the folder that holds the embedded database and the key that signs checkpoints",
    )
    database_url: SecretStr | None = Field(
        None,
        description="the PostgreSQL to use, postgresql://user:password@host:port/database; "
        "without it the service starts its own",
    )
    owner_url: SecretStr | None = Field(
        None,
        description="the same database for the owner of its tables, who alone migrates it: "
        "`CREDIT_LEDGER_DATABASE_URL` may then name a login that only appends and reads",
    )
    admin_key: SecretStr | None = Field(
        None,
        description="an API key with every scope, 1 to 255 printable ASCII characters, no spaces; "
        "without it the first start creates one and prints it",
    )
    signup_credits: int = Field(
        100, ge=0, le=MAX_AMOUNT, description="permanent credits that a new account starts with"
    )
    subscription_days: int = Field(30, ge=1, le=36_500, description="days after which subscription credits expire")
    hold_days: int = Field(
        30,
        ge=LONGEST_HOLD.days,
        le=3_650,
        description="days from when a hold is placed to the end that extensions give it",
    )
    frozen_captures: IfFrozen = Field(
        "accept", description="what a frozen account does with captures of holds from before it was frozen"
    )
    on_dispute: OnDispute = Field(
        "hold",
        description="what an open dispute of a payment does: `hold` what is left of what it bought, `freeze` the "
        "account as well, or only `record` it",
    )
    back_dating_days: int = Field(
        BACK_DATING.days,
        ge=0,
        le=36_500,
        description="days that usage may have occurred before it is recorded (`occurred_at`)",
    )
    cached_accounts: int = Field(
        100_000,
        ge=1,
        le=100_000_000,
        description="account states that each worker keeps in memory: about 1.2 kB each, "
        "and 250 bytes for each counter of a limit",
    )
    sweep_interval_seconds: float = Field(
        1.0, ge=0.01, le=86_400, description="seconds between two searches for expired credits and holds"
    )
    sweep_rate: int = Field(200, ge=1, le=1_000_000, description="accounts to which the sweeper may write in a second")
    checkpoint_dir: Path | None = Field(
        None, description="the folder of signed checkpoints; without it, `checkpoints` in the data directory"
    )
    checkpoint_seconds: float = Field(
        10.0, ge=0.1, le=86_400, description="seconds between two checkpoints, if there are new events"
    )
    checkpoint_events: int = Field(
        10_000, ge=1, le=1_000_000_000, description="new events after which a checkpoint is signed sooner"
    )
    public_url: str | None = Field(
        None,
        pattern=_BASE,
        max_length=2_000,
        description="the address at which browsers reach the service, such as https://credits.example; its path, if it "
        "has one, is the prefix below which a proxy serves the service, and must not begin like a path of the service; "
        "without it, portal links begin with the address of the request for them, and are refused if the service "
        "listens beyond this machine",
    )
    billing_url: str | None = Field(
        None,
        pattern=_WEB,
        max_length=2_000,
        description="the page of the product for plans and top-ups, to which the dashboard links",
    )
    low_credits: int = Field(
        50, ge=0, le=MAX_AMOUNT, description="the dashboard warns when this many or fewer credits are available"
    )
    credit_price: Decimal | None = Field(
        None,
        ge=0,
        le=1_000_000,
        max_digits=18,
        decimal_places=12,
        description="the price of one credit, such as 0.002, for the estimated value on the dashboard",
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="the currency of that price, an ISO 4217 code")
    catalog: Path | None = Field(
        None,
        description="a TOML file of plans and packages, put into the catalogue at each start of the service; a file "
        "that cannot be used stops the start",
    )

    @property
    def checkpoints(self) -> Path:
        """The folder of signed checkpoints."""
        return self.checkpoint_dir or self.data_dir / "checkpoints"

    @property
    def signing(self) -> Path:
        """The folder of the keys that sign checkpoints."""
        return self.data_dir / "signing"

    @property
    def mail_folder(self) -> Path:
        """The folder of mails that no server takes."""
        return self.data_dir / "mail"

    @property
    def path_prefix(self) -> str:
        """The path prefix of the service, such as `/ledger`, or an empty text."""
        return urlsplit(self.public_url or "").path.rstrip("/")

    @property
    def https(self) -> bool:
        """Whether browsers reach the service over https."""
        return self.tls if self.public_url is None else urlsplit(self.public_url).scheme == "https"

    @property
    def tls(self) -> bool:
        """Whether the service speaks https itself."""
        return self.tls_certificate is not None

    @field_validator("public_url")
    @classmethod
    def _does_not_hide_our_paths(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).path.strip("/").split("/")[0] in OWN_PATHS:
            raise ValueError
        return url

    @field_validator(
        *("data_dir", "checkpoint_dir", "catalog", "tls_certificate", "tls_key", "seller_logo", "font_dir")
    )
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """An absolute path, which does not depend on the current directory."""
        try:
            return path and path.expanduser().absolute()
        except RuntimeError as error:  # `~` of a user without a home directory
            raise ValueError from error

    @field_validator("database_url", "owner_url")
    @classmethod
    def _names_a_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_postgres_url(url.get_secret_value()):
            raise ValueError
        return url

    @field_validator("admin_key")
    @classmethod
    def _fits_in_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _is_bearer_token(key.get_secret_value()):
            raise ValueError
        return key


@dataclass(frozen=True)
class Given:
    """A value that a setting was given, as a text, and where."""

    value: str
    place: str
    """What was set: a variable, or a key of the configuration file."""
    source: str
    """Where from, for operators: `environment`, or the path of a file."""


def load_settings(**given: Any) -> Settings:
    """Load the settings: a given value (a command-line option), else the environment, else the configuration file,
    else the default.

    None counts as not given. A secret may be in a file that the environment names. Raises WrongSetting and
    BadConfigFile.
    """
    told = {name: value for name, value in given.items() if value is not None}
    found = given_settings(os.environ)
    try:
        return Settings(**{**{name: one.value for name, one in found.items()}, **told})
    except ValidationError as error:
        raise WrongSetting(
            one_line(error, {name: one.place for name, one in found.items() if name not in told})
        ) from None


def given_settings(environ: Mapping[str, str]) -> dict[str, Given]:
    """What the environment and the configuration file say, by the names of settings.

    Raises WrongSetting and BadConfigFile.
    """
    ours = {name.upper(): value for name, value in environ.items() if value}
    config, path = config_variables(environ), environ.get(CONFIG)
    found = {}
    for name in Settings.model_fields:
        for one in (variable(name), variable(name) + FILE):
            if one in ours:
                found[name] = Given(ours[one], one, "environment")
            elif one in config:
                found[name] = Given(config[one], f"{one.removeprefix(PREFIX).lower()} in {path}", str(path))
    return found | _secrets_in_files({**config, **ours}, found)


def config_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the configuration file sets. The environment goes before it. Raises BadConfigFile."""
    if not environ.get(CONFIG):
        return {}
    secret = secret_settings()
    plain = [name for name in Settings.model_fields if name not in secret]
    texts = read_config(Path(environ[CONFIG]), plain, secret)
    set_here = {name.upper().removesuffix(FILE) for name, value in environ.items() if value}
    return {
        variable(key): text for key, text in texts.items() if text and variable(key).removesuffix(FILE) not in set_here
    }


def use_config(environ: MutableMapping[str, str]) -> None:
    """Put what the configuration file sets into the environment, instead of the name of the file.

    The processes of a service then have the settings of its start, whatever the file says later. Raises BadConfigFile.
    """
    environ.update(config_variables(environ))
    environ.pop(CONFIG, None)


def secret_settings() -> list[str]:
    """The settings whose values nobody may see."""
    return [name for name, field in Settings.model_fields.items() if SecretStr in _parts(field.annotation)]


def _secrets_in_files(variables: Mapping[str, str], found: Mapping[str, Given]) -> dict[str, Given]:
    """The secrets in the files that variables name. Raises WrongSetting."""
    read = {}
    for name in secret_settings():
        one, other = variable(name), variable(name) + FILE
        if other not in variables:
            continue
        if one in variables:
            raise WrongSetting(f"{one} and {other} are both set: set only one")
        path = Path(variables[other])
        try:
            read[name] = Given(read_word(path, _LARGEST_SECRET), found[name].place, str(path))
        except OSError as error:
            raise WrongSetting(f"{found[name].place}: {path} cannot be read: {error.strerror}") from None
        except BadNote as error:
            raise WrongSetting(f"{found[name].place}: {error}") from None
    return read


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """The CREDIT_LEDGER_* variables that are not settings, most often because of a typing error."""
    known = {variable(name) for name in Settings.model_fields} | {CONFIG}
    known |= {variable(name) + FILE for name in secret_settings()}
    return sorted(
        name
        for name in environ
        if name.upper().startswith(PREFIX) and not name.upper().startswith(TEST_PREFIX) and name.upper() not in known
    )


def one_line(error: ValidationError, places: Mapping[str, str]) -> str:
    """All errors of the settings in one line, without secrets. `places` says where each setting was given."""
    return "; ".join(_error_text(detail, places) for detail in error.errors())


def variable(name: str) -> str:
    """The environment variable of a setting: `port` is CREDIT_LEDGER_PORT."""
    return PREFIX + name.upper()


def allowed(name: str) -> str:
    """The allowed values of a setting as a text: `an integer from 0 to 65535`."""
    field = Settings.model_fields[name]
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][name]
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema.get("type") == "boolean":
        return "true or false"
    if schema.get("type") in ("integer", "number"):
        noun = "an integer" if schema["type"] == "integer" else "a number"
        return f"{noun} from {schema['minimum']} to {schema['maximum']}"
    return field.description or name


def _error_text(detail: ErrorDetails, places: Mapping[str, str]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if name not in Settings.model_fields:
        return f"{name}: there is no such setting"
    shown = _shown(name, detail["input"])
    hint = _PERCENT_ENCODE if name in _DATABASE_URLS else ""
    return f"{places.get(name, variable(name))} is {shown}; it must be {allowed(name)}{hint}"


def _shown(name: str, value: object) -> str:
    """The given value, shortened for a line, without the value of a secret."""
    if SecretStr in _parts(Settings.model_fields[name].annotation):
        return "not usable (its value is a secret and not shown)"
    text = json.dumps(str(value), ensure_ascii=False)
    return text if len(text) <= 100 else text[:100] + '..."'


def _parts(annotation: Any) -> Iterable[object]:
    return getattr(annotation, "__args__", (annotation,))


def _is_bearer_token(key: str) -> bool:
    """Whether every client can send it as `Authorization: Bearer <key>`."""
    return 1 <= len(key) <= 255 and all("!" <= character <= "~" for character in key)
