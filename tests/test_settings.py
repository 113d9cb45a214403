"""Settings: what an operator may write, what is refused, and that no secret is ever shown."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from api.cli.commands import COMMANDS
from api.runtime.database import as_url
from api.runtime.operator_error import OperatorError
from api.runtime.settings import (
    CONFIG,
    Settings,
    WrongSetting,
    allowed,
    default_data_dir,
    load_settings,
    secret_settings,
    unknown_variables,
    use_config,
    variable,
)
from billing.calls.access import Access
from billing.calls.known_calls import CALLED, INVOICED
from ledger.postgres.roles import with_service_role
from tests.commands import command

NEEDED = {
    "keys": ["list"],
    "checkpoints": ["list"],
    "catalog": ["show"],
    "prices": ["show"],
    "replay": ["ada"],
    "erase": ["ada", "--yes"],
    "statement": ["ada"],
    "export": ["--format", "jsonl", "--to", "-"],
    "import-log": ["log.jsonl"],
    "grant": ["--to", "accounts.txt", "--amount", "1", "--job", "j"],
    "move": ["--to", "postgresql://owner@db.example/ledger"],
    "import": ["usage.csv", "--account", "a", "--amount", "1"],
    "billing": ["simulate", "--provider", "stripe", "--scenario", "topup", "--account", "a"],
}
"""What some commands have to be told before they look at their settings."""
MANUAL = Path(__file__).parents[1] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*map(variable, Settings.model_fields), CONFIG):
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert (settings.signup_credits, settings.subscription_days) == (100, 30)
    assert settings.database_url is None
    assert settings.admin_key is None


def test_the_environment_is_read_and_an_option_goes_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_PORT", "9000")
    monkeypatch.setenv("CREDIT_LEDGER_WORKERS", "2")
    settings = load_settings(port=9001, workers=None)
    assert (settings.port, settings.workers) == (9001, 2)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_DATABASE_URL", "")
    monkeypatch.setenv("CREDIT_LEDGER_PORT", "")
    settings = load_settings()
    assert settings.database_url is None
    assert settings.port == 8000


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "eighty"),
        ("port", "-1"),
        ("port", "65536"),
        ("workers", "0"),
        ("signup_credits", "-1"),
        ("signup_credits", "9007199254740992"),
        ("signup_credits", "1.5"),
        ("subscription_days", "0"),
        ("cached_accounts", "0"),
        ("queue_limit", "0"),
        ("rate_limit", "-1"),
        ("sweep_interval_seconds", "0"),
        ("sweep_interval_seconds", "nan"),
        ("sweep_rate", "inf"),
        ("log_level", "loud"),
        ("open_on_payment", "perhaps"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(variable(name), value)
    with pytest.raises(WrongSetting) as refused:
        load_settings()
    assert str(refused.value) == f'{variable(name)} is "{value}"; it must be {allowed(name)}'


@pytest.mark.parametrize(
    "url",
    [
        "credits.example",
        "https://",
        "https://product.example/a b",
        "https://product.example/caf%C3%A9",
        "https://product.example//ledger",
        "https://product.example/ledger/../other",
        "https://product.example/./ledger",
        "https://product.example/ledger?tenant=1",
        "https://product.example/ledger#top",
        "https://product.example/a;path=/",
        "https://product.example/dashboard",
        "https://product.example/v1/ledger",
        "https://product.example/docs/",
    ],
)
def test_a_public_address_that_cannot_be_served_below_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_PUBLIC_URL", url)
    with pytest.raises(
        WrongSetting, match=r"^CREDIT_LEDGER_PUBLIC_URL is .*; it must be the address at which browsers"
    ):
        load_settings()


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("", ""), ("/", ""), ("/ledger", "/ledger"), ("/ledger/", "/ledger"), ("/a/b-c_d~e.f/v1", "/a/b-c_d~e.f/v1")],
)
def test_the_path_of_the_public_address_is_the_prefix(path: str, prefix: str) -> None:
    assert load_settings(public_url=f"https://product.example:8443{path}").path_prefix == prefix


def test_what_is_allowed_is_said_in_words() -> None:
    assert allowed("port") == "an integer from 1 to 65535"
    assert allowed("signup_credits") == "an integer from 0 to 9007199254740991"
    assert allowed("log_level") == "one of debug, info, warning, error"


def test_several_wrong_values_are_still_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_PORT", "x\ny")
    monkeypatch.setenv("CREDIT_LEDGER_WORKERS", "many" * 1000)
    with pytest.raises(WrongSetting) as refused:
        load_settings()
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) < 500
    assert "CREDIT_LEDGER_PORT" in said
    assert "CREDIT_LEDGER_WORKERS" in said


@pytest.mark.parametrize(
    "value",
    [
        "mysql://ledger:hunter2@db/ledger",
        "postgresql://ledger:hunter2@db:99999999/ledger?nonsense=1",
        "host=db password=hunter2",
        "host=db password=hun ter2",
        "hunter2",
        "postgresql://ledger:hun@ter2@db/ledger",
        "postgresql://ledger:hun@ter2@localhost:5432/ledger",
        "postgresql://ledger:hun/ter2@db/ledger",
        "postgresql://ledger:12/hunter2@db/ledger",
        "postgresql://ledger:@hunter2/@db/ledger",
        "postgresql://ledger:hun@db?sslmode=ter2@db/ledger",
        "postgresql://ledger:hun%ter2@db/ledger",
        "postgresql://ledger:hun ter2@db/ledger",
        "postgresql://ledger@server:hunter2@db/ledger",
        "postgresql://ledger:hunter2",
        "postgresql://ledger:hunter2/ledger",
        "postgresql://ledger:x@db:hunter2/ledger",
        "postgresql://ledger:x@[hunter2/ledger",
        "postgresql:///ledger?host=db&password=hun@ter2",
        "postgresql:///ledger?host=db&password=hun&ter2",
    ],
)
@pytest.mark.parametrize("name", ["database_url", "owner_url"])
def test_a_wrong_database_url_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(variable(name), value)
    with pytest.raises(WrongSetting, match=variable(name)) as refused:
        load_settings()
    assert "hun" not in str(refused.value)
    assert "ter2" not in str(refused.value)
    assert "percent-encode what is special: %40 for @" in str(refused.value)


@pytest.mark.parametrize("password", ["p@ss/w:ord#?%&=+ [1]", "ü€", "'\"\\ ", "@", "/", "%40"])
def test_any_password_can_be_written_and_is_handed_on_to_the_workers(password: str) -> None:
    url = f"postgresql://led%40ger:{quote(password, safe='')}@db:5432,other/ledger"
    for written in (url, as_url(with_service_role(url))):
        settings = load_settings(database_url=written)
        assert settings.database_url is not None
        parts = conninfo_to_dict(settings.database_url.get_secret_value())
        assert (parts["user"], parts["password"], parts["port"]) == ("led@ger", password, "5432,")


@pytest.mark.parametrize("words", [(name,) for name in COMMANDS])
def test_no_command_shows_a_part_of_a_password(words: tuple[str, ...]) -> None:
    """Whatever a command wants to know first: a URL that is not understood is not used."""
    url = "postgresql://ledger:hun@ter2@db/ledger"
    done = command(None, *words, *NEEDED.get(words[0], ()), settings={"CREDIT_LEDGER_DATABASE_URL": url})
    assert done.status != 0
    assert "CREDIT_LEDGER_DATABASE_URL is not usable" in done.out + done.err
    assert "ter2" not in done.out + done.err


@pytest.mark.parametrize("value", ["with space", "naïve", "tab\tbed", "x" * 256])
def test_a_wrong_admin_key_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_ADMIN_KEY", value)
    with pytest.raises(WrongSetting, match="CREDIT_LEDGER_ADMIN_KEY") as refused:
        load_settings()
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ledger:hunter2@db.example:5432/ledger",
        "postgres://db/ledger",
        "postgresql://a:1,b:2/ledger?target_session_attrs=read-write",
        "postgresql:///ledger?host=/run/postgresql",
        "postgresql://ledger:hunter2#?[1]:x@db/ledger",
        "postgresql://ledger:hunter2@[::1]:5432/ledger",
    ],
)
def test_secrets_are_kept_out_of_what_is_printed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_DATABASE_URL", url)
    monkeypatch.setenv("CREDIT_LEDGER_ADMIN_KEY", "open-sesame")
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == url
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hunter2" not in shown
        assert "open-sesame" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://u:s3cret@h/d"),
        ("owner_url", "postgresql://o:s3cret@h/d"),
        ("admin_key", "s3cret"),
    ],
)
def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{value}\n")
    monkeypatch.setenv(f"{variable(name)}_FILE", str(file))
    assert getattr(load_settings(), name).get_secret_value() == value
    assert unknown_variables({f"{variable(name)}_FILE": ""}) == []
    monkeypatch.setenv(variable(name), value)
    with pytest.raises(WrongSetting, match="are both set"):
        load_settings()
    monkeypatch.delenv(variable(name))
    file.write_text("not // a ' value of \t s3cret")
    with pytest.raises(WrongSetting) as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)
    for path in (tmp_path, tmp_path / "none"):
        monkeypatch.setenv(f"{variable(name)}_FILE", str(path))
        with pytest.raises(WrongSetting, match=f"{variable(name)}_FILE"):
            load_settings()


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The configuration file."""
    file = tmp_path / "ledger.toml"
    monkeypatch.setenv("CREDIT_LEDGER_CONFIG", str(file))
    return file


def test_a_file_says_what_the_environment_does_not(
    monkeypatch: pytest.MonkeyPatch, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    config.write_text(
        f'''port = 9000
workers = 2
credit_price = 0.0000000000010
open_on_payment = true
currency = ""
admin_key_file = "{tmp_path / "key"}"'''
    )
    monkeypatch.setenv("CREDIT_LEDGER_WORKERS", "3")
    monkeypatch.setenv("CREDIT_LEDGER_HOST", "")
    settings = load_settings(rate_limit=4)
    assert (settings.port, settings.workers, settings.rate_limit, settings.host) == (9000, 3, 4, "127.0.0.1")
    assert (str(settings.credit_price), settings.open_on_payment, settings.currency) == ("1.0E-12", True, "USD")
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "s3cret"
    monkeypatch.setenv("credit_ledger_admin_key", "another")
    settings = load_settings()
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "another"


def test_what_a_file_says_goes_on_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, config: Path, tmp_path: Path
) -> None:
    """A worker that starts again has the settings of the start, whatever the file says by then."""
    (tmp_path / "key").write_text("s3cret\n")
    config.write_text(f"port = 9000\nworkers = 2\nopen_on_payment = true\nadmin_key_file = '{tmp_path / 'key'}'")
    before, environ = load_settings(), {"CREDIT_LEDGER_CONFIG": str(config), "CREDIT_LEDGER_WORKERS": "2"}
    use_config(environ)
    assert set(environ) == {variable(name) for name in ("port", "workers", "open_on_payment")} | {
        "CREDIT_LEDGER_ADMIN_KEY_FILE"
    }
    config.unlink()
    monkeypatch.delenv("CREDIT_LEDGER_CONFIG")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == before


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("prot = 1", "prot in {file}: there is no such setting"),
        ("config = '/x'", "config in {file}: there is no such setting"),
        ("port_file = '/x'", "port_file in {file}: there is no such setting"),
        ("PORT = 1", "PORT in {file}: there is no such setting"),
        ("port = 'x'", 'port in {file} is "x"; it must be an integer from 1 to 65535'),
        ("port = [1]", "port in {file} must be a text, a number, true or false"),
        ("seller = 2026-01-01", "seller in {file} must be a text, a number, true or false"),
        (
            "admin_key = 's3cret'",
            "admin_key in {file} is a secret: put it in a file of its own, and name it as admin_key_file",
        ),
        (
            "admin_key_file = '/nowhere/s'",
            "admin_key_file in {file}: /nowhere/s cannot be read: No such file or directory",
        ),
        (
            "s3cret",
            "the configuration file {file} cannot be used: "
            "Expected '=' after a key in a key/value pair (at end of document)",
        ),
        (None, "the configuration file {file} cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_will_not_do_is_one_line_without_secrets(config: Path, text: str | None, refused: str) -> None:
    if text is not None:
        config.write_text(text)
    with pytest.raises(OperatorError) as caught:
        load_settings()
    assert str(caught.value) == refused.format(file=config)


def test_a_certificate_and_its_key_are_set_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings().https
    for one in ("TLS_CERTIFICATE", "TLS_KEY"):
        with monkeypatch.context() as alone:
            alone.setenv(f"CREDIT_LEDGER_{one}", "/x")
            with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_TLS_KEY is "):
                load_settings()
    both = {"tls_certificate": "/c", "tls_key": "/k"}
    assert load_settings(**both).https
    assert not load_settings(**both, public_url="http://proxy.example").https


def test_an_api_key_goes_to_an_address_with_tls_or_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().accesses == {}
    monkeypatch.setenv("CREDIT_LEDGER_STRIPE_API_KEY", "sk_1")
    monkeypatch.setenv("CREDIT_LEDGER_STRIPE_MODE", "test")
    for address in ("https://proxy.example/stripe", "http://127.0.0.1:8012", "http://localhost", "http://[::1]:1/x"):
        monkeypatch.setenv("CREDIT_LEDGER_STRIPE_API_URL", address)
        assert load_settings().accesses == {"stripe": Access("sk_1", address, test=True)}
    for address in (
        "http://stripe.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@other.example",
        "ftp://x",
        "https://me:pw@x",
    ):
        monkeypatch.setenv("CREDIT_LEDGER_STRIPE_API_URL", address)
        with pytest.raises(WrongSetting, match="CREDIT_LEDGER_STRIPE_API_URL"):
            load_settings()
    monkeypatch.delenv("CREDIT_LEDGER_STRIPE_API_URL")
    for key in ("sk_s3cret\nX-Other: 1", "sk s3cret", "sk_s3crét"):
        monkeypatch.setenv("CREDIT_LEDGER_STRIPE_API_KEY", key)
        with pytest.raises(WrongSetting, match="CREDIT_LEDGER_STRIPE_API_KEY") as refused:
            load_settings()
        assert "s3cr" not in str(refused.value)


def test_an_api_key_of_lemon_squeezy_needs_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_LEMONSQUEEZY_API_KEY", "lsq_1")
    for store in ("", "my store"):
        monkeypatch.setenv("CREDIT_LEDGER_LEMONSQUEEZY_STORE", store)
        with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_LEMONSQUEEZY_STORE is .* the number of the store"):
            load_settings()
    monkeypatch.setenv("CREDIT_LEDGER_LEMONSQUEEZY_STORE", "7")
    assert load_settings().accesses == {"lemonsqueezy": Access("lsq_1", store="7")}


def test_those_that_are_asked_about_invoices_alone_are_called_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().invoice_accesses == {}
    monkeypatch.setenv("CREDIT_LEDGER_PADDLE_API_KEY", "pdl_live_1")
    monkeypatch.setenv("CREDIT_LEDGER_POLAR_API_KEY", "polar_oat_1")
    monkeypatch.setenv("CREDIT_LEDGER_POLAR_API_URL", "https://sandbox-api.polar.sh")
    found = load_settings()
    polar = Access("polar_oat_1", "https://sandbox-api.polar.sh")
    assert found.invoice_accesses == {"paddle": Access("pdl_live_1"), "polar": polar}
    assert found.accesses == {}
    monkeypatch.setenv("CREDIT_LEDGER_POLAR_API_KEY", "polar s3cret")
    with pytest.raises(WrongSetting, match="CREDIT_LEDGER_POLAR_API_KEY") as refused:
        load_settings()
    assert "s3cr" not in str(refused.value)


def test_a_mail_server_needs_a_sender_and_its_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_SMTP_URL", "smtp://ada:s3cret@mail.example/inbox")
    with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_SMTP_URL is not usable .* must be the server") as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)
    monkeypatch.setenv("CREDIT_LEDGER_SMTP_URL", "smtp://ada:s3cret@mail.example")
    for sender in ("", "no address", "Eve\r\nBcc: all@example.com <eve@example.com>"):
        monkeypatch.setenv("CREDIT_LEDGER_MAIL_FROM", sender)
        with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_MAIL_FROM is .* who mail is from"):
            load_settings()
    for sender in ("credits@mail.example", "Our Credits <credits@mail.example>"):
        monkeypatch.setenv("CREDIT_LEDGER_MAIL_FROM", sender)
        assert load_settings().mail_from == sender


def test_a_provider_needs_a_client_and_an_address_that_nobody_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_OIDC_ISSUER", "https://login.example")
    with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_OIDC_ISSUER is .* it needs the id of a client"):
        load_settings()
    monkeypatch.setenv("CREDIT_LEDGER_OIDC_CLIENT_ID", "credits")
    for issuer in ("http://login.example", "login.example", "https://", "https://a.example/?b=c", "file:///a"):
        monkeypatch.setenv("CREDIT_LEDGER_OIDC_ISSUER", issuer)
        with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_OIDC_ISSUER"):
            load_settings()
    for issuer in ("https://login.example/realms/a/", "http://localhost:9400", "http://127.0.0.1:9400"):
        monkeypatch.setenv("CREDIT_LEDGER_OIDC_ISSUER", issuer)
        assert load_settings().oidc_issuer == issuer
    for name, wrong in (("OIDC_OPERATOR", "groups"), ("OIDC_ADMIN", "groups:"), ("OIDC_SCOPE", "email")):
        monkeypatch.setenv(f"CREDIT_LEDGER_{name}", wrong)
        with pytest.raises(WrongSetting, match=rf"^CREDIT_LEDGER_{name}"):
            load_settings()
        monkeypatch.delenv(f"CREDIT_LEDGER_{name}")


def test_origins_are_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("*", "null", "app.example", "https://app.example/", "https://a.example/b", "https://a.b https:"):
        monkeypatch.setenv("CREDIT_LEDGER_ALLOWED_ORIGINS", f"https://ok.example, {wrong}")
        with pytest.raises(WrongSetting, match=r"^CREDIT_LEDGER_ALLOWED_ORIGINS"):
            load_settings()
    monkeypatch.setenv("CREDIT_LEDGER_ALLOWED_ORIGINS", "https://App.example, http://localhost:3000,")
    assert load_settings().origins == {"https://app.example", "http://localhost:3000"}


def test_every_secret_setting_may_be_in_a_file() -> None:
    webhooks = [f"{name}_webhook_secret" for name in ("dodo", "lemonsqueezy", "paddle", "polar", "stripe")]
    of_providers = [*webhooks, *(f"{name}_api_key" for name in (*CALLED, *INVOICED))]
    of_people = ["smtp_url", "oidc_client_secret"]
    assert sorted(secret_settings()) == sorted([*of_providers, "database_url", "owner_url", "admin_key", *of_people])
    text = MANUAL.read_text()
    assert all(f"`{variable(name)}_FILE`" in text for name in secret_settings())


def test_unknown_variables_are_named_and_those_of_the_tests_are_not() -> None:
    environ = {
        "CREDIT_LEDGER_PROT": "8000",
        "CREDIT_LEDGER_PORT": "8000",
        "credit_ledger_workers": "2",
        "CREDIT_LEDGER_TEST_POSTGRES_BIN": "anything",
        "CREDIT_LEDGER_": "",
        "PATH": "",
    }
    assert unknown_variables(environ) == ["CREDIT_LEDGER_", "CREDIT_LEDGER_PROT"]


def test_the_data_directory_is_in_the_clone_whatever_the_current_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().data_dir == Path(__file__).parents[1] / ".data" == default_data_dir()


def test_the_data_directory_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDIT_LEDGER_DATA_DIR", "here")
    assert load_settings().data_dir == tmp_path / "here"


def test_a_home_that_does_not_exist_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_DATA_DIR", "~nobody-of-that-name/ledger")
    with pytest.raises(WrongSetting, match="CREDIT_LEDGER_DATA_DIR"):
        load_settings()


def row(name: str) -> str:
    """The line of the manual's table about one setting."""
    field = Settings.model_fields[name]
    limits = "" if allowed(name) == field.description else allowed(name)
    told = str(field.default).lower() if isinstance(field.default, bool) else field.default
    default = "" if told is None else f"`{told}`"
    if name == "data_dir":
        default = "`.data` in the clone, else `~/.local/share/credit-ledger`"
    return f"| `{variable(name)}` | {default} | {limits} | {field.description} |"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_manual_describes_every_setting(name: str) -> None:
    assert row(name) in MANUAL.read_text(encoding="utf-8").splitlines()


def test_the_manual_describes_nothing_else() -> None:
    described = re.findall(r"\bCREDIT_LEDGER_[A-Z_]+\b", MANUAL.read_text(encoding="utf-8"))
    assert unknown_variables(dict.fromkeys(described, "")) == []
