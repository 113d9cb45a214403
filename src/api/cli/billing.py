"""`credit-ledger billing`: what payment providers deliver. `simulate` delivers as they would, without any of them."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer

from api.cli import reconcile, webhooks
from api.cli.errors import Failure, fail, reported
from api.runtime.settings import Settings
from billing.simulation.posting import Answer, NoAnswer, events_to_post, not_received, post
from billing.simulation.scenarios import SAMPLE_PRICES, SCENARIOS, Prices
from billing.simulation.signing import SIMULATED, Signed, signed
from billing.simulation.steps import Customer

_SCENARIOS = "; ".join(f"{name}: {scenario.shows}" for name, scenario in SCENARIOS.items())
_LARGEST_SEED = 999_999
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_FAILURES: dict[type[BaseException], Failure] = {NoAnswer: Failure(), ValueError: Failure(2)}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `billing` to the command line."""
    billing = typer.Typer(
        help="Webhooks of payment providers: status, webhooks, retry, reconcile, simulate.", no_args_is_help=True
    )
    app.add_typer(billing, name="billing")
    webhooks.add_to(billing, load_settings)
    reconcile.add_to(billing, load_settings)

    @billing.command("simulate")
    def simulate(
        provider: Annotated[str, typer.Option(help=f"Whose webhooks: {', '.join(SIMULATED)}.")],
        scenario: Annotated[str, typer.Option(help=f"What happens. {_SCENARIOS}.")],
        account: Annotated[str, typer.Option(metavar="ID", help="The account of the customer.")],
        url: Annotated[str | None, typer.Option(help="The service; default: this machine's, by the settings.")] = None,
        secret: Annotated[str | None, typer.Option(help="The webhook secret; default: that of the settings.")] = None,
        plan: Annotated[str | None, typer.Option(metavar="PRODUCT", help="The product that is subscribed to.")] = None,
        better: Annotated[str | None, typer.Option(metavar="PRODUCT", help="The product of an upgrade.")] = None,
        package: Annotated[str | None, typer.Option(metavar="PRODUCT", help="The product of a top-up.")] = None,
        seed: Annotated[int | None, typer.Option(min=1, max=_LARGEST_SEED, help="Makes the same ids again.")] = None,
        *,
        test_mode: Annotated[
            bool, typer.Option("--test-mode", help="As in the provider's test mode; default: by the settings.")
        ] = False,
        json: Json = False,
    ) -> None:
        """Sign what a provider would deliver, post it to a running service, and show the answers.

        No account at any provider is needed. The products are those of the sample catalogue unless told otherwise.
        """
        _check("--provider", provider, SIMULATED)
        _check("--scenario", scenario, tuple(SCENARIOS))
        settings = load_settings()
        customer = Customer(account, seed or secrets.randbelow(_LARGEST_SEED) + 1)
        prices = _with_products(SAMPLE_PRICES[provider], plan, better, package)
        where = f"{(url or _own_address(settings)).rstrip('/')}/v1/webhooks/{provider}"
        key, now = secret or _own_secret(settings, provider), datetime.now(UTC)
        live, answers = not test_mode and settings.modes[provider] == "live", []
        with reported(_FAILURES):
            for event in events_to_post(provider, scenario, customer, prices, now, live=live):
                one = signed(provider, event, key, datetime.now(UTC))
                answer = post(where, one)
                answers.append(answer)
                typer.echo(orjson.dumps(_as_json(one, answer)).decode() if json else _line(one, answer))
        refused = not_received(answers)
        if not json:
            typer.echo(f"{len(answers)} deliveries for {account} (--seed {customer.number}), {refused} refused")
        raise typer.Exit(1 if refused else 0)


def _check(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"{value}: choose from {', '.join(allowed)}", param_hint=option)


def _with_products(prices: Prices, plan: str | None, better: str | None, package: str | None) -> Prices:
    return replace(
        prices,
        plan=plan or prices.plan,
        better_plan=better or prices.better_plan,
        package=package or prices.package,
    )


def _own_address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  # it is not listened on
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _own_secret(settings: Settings, provider: str) -> str:
    found = settings.webhook_secrets.get(provider)
    if not found:
        fail(f"give --secret, or set CREDIT_LEDGER_{provider.upper()}_WEBHOOK_SECRET as for the service", 2)
    return found[0]


def _as_json(one: Signed, answer: Answer) -> dict[str, Any]:
    return {
        "type": one.event.type,
        "event_id": one.event.event_id,
        "at": one.event.at,
        "status": answer.status,
        "answer": answer.body,
    }


def _line(one: Signed, answer: Answer) -> str:
    return f"{one.event.type:42} {answer.status}  {_said(answer.body)}".rstrip()


def _said(body: Any) -> str:
    """What an answer says, in a few words: the state of the webhook, or why it was refused."""
    if not isinstance(body, dict):
        return ""
    words = [str(body[name]) for name in ("state", "code", "reason", "detail") if body.get(name)]
    return ", ".join(["duplicate"] * (body.get("duplicate") is True) + words)
