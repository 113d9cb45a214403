"""What `ops/` has is sound, as far as a machine without a container engine and a cluster can tell."""

import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from api.contract.answers.health import Checks
from api.http.histograms.filled_histogram import in_seconds
from api.runtime.settings import load_settings, secret_settings, unknown_variables
from ledger.timings.histogram import LAGS
from tests.dashboard.proxies import program
from tests.service import Service, wait_for

OPS = Path(__file__).parents[2] / "ops"
CHART = OPS / "helm" / "credit-ledger"
KUBERNETES = "1.31"
_NAME = re.compile(r"\bcredit_ledger_\w+")
SECRETS = {
    "database_url": "postgresql://ledger:secret@database/ledger",
    "owner_url": "postgresql://owner:secret@database/ledger",
    "smtp_url": "smtps://ledger:secret@mail.example:465",
}
_RENDER = """
import json, sys
from helm_python.chart import Chart, lint
values = json.loads(sys.argv[2])
found = lint(sys.argv[1], values, strict=True)
rendered = Chart.load(sys.argv[1]).render(values, name="acme", namespace="credits")
print(json.dumps([found, rendered]))
"""


def run(*words: str | Path) -> str:
    """What a program prints; it must find nothing wrong."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rendered(**values: Any) -> list[dict[str, Any]]:
    """The objects of the chart, which Helm's own engine renders, and finds nothing wrong with."""
    found, files = json.loads(run(sys.executable, "-c", _RENDER, CHART, json.dumps(values)))
    assert found["errors"] == []
    assert [message for message in found["messages"] if message["severity"] > 1] == []
    return [made for text in files.values() for made in yaml.safe_load_all(text) if made]


def of_kind(kind: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects of a kind."""
    return [one for one in objects if one["kind"] == kind]


def test_nothing_in_it_names_a_setting_that_is_none() -> None:
    named = {
        name
        for file in OPS.rglob("*")
        if file.is_file()
        for name in re.findall(r"\bCREDIT_LEDGER_[A-Z_]+\b", file.read_text())
    }
    assert len(named) > 8
    assert unknown_variables(dict.fromkeys(named, "")) == []


def test_the_containerfile_is_sound_and_runs_as_nobody() -> None:
    run(Path(sys.executable).with_name("hadolint"), OPS / "Containerfile")
    text = (OPS / "Containerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:0"]
    copied = [one for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for one in line.split()]
    assert [path for path in copied if not (OPS.parent / path).exists()] == []
    sent = re.findall(r"^!(.*)$", (OPS.parent / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(sent) == sorted(copied), "what is built from is what is sent, and nothing else"


def test_compose_keeps_secrets_in_files_and_the_service_from_writing() -> None:
    compose = yaml.safe_load((OPS / "compose.yaml").read_text())
    ledger, database = compose["services"]["ledger"], compose["services"]["database"]
    assert (ledger["read_only"], ledger["user"], ledger["cap_drop"]) == (True, "10001:0", ["ALL"])
    assert ledger["depends_on"] == {"database": {"condition": "service_healthy"}}
    [check] = re.findall(r"^ +CMD (\[.*\])$", (OPS / "Containerfile").read_text(), re.MULTILINE)
    assert ledger["healthcheck"]["test"] == ["CMD", *json.loads(check)], "podman's own format of images has none"
    used = {*ledger["secrets"], *database["secrets"]}
    assert used == set(compose["secrets"])
    for one in (ledger, database):
        secret = [name for name in one["environment"] if re.search("PASSWORD|KEY|DATABASE_URL", name)]
        assert secret
        assert all(name.endswith("_FILE") and one["environment"][name].startswith("/run/secrets/") for name in secret)


def test_the_unit_of_systemd_is_sound_and_hardened(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here: nobody looks at the unit")
    text = (OPS / "credit-ledger.service").read_text()
    unit = tmp_path / "credit-ledger.service"
    unit.write_text(text.replace("/opt/credit-ledger/bin/credit-ledger", sys.executable))
    run(analyze, "verify", unit)
    run(analyze, "security", "--offline=yes", "--threshold=15", unit)
    assert "KillMode=mixed" in text, "or the workers end before anybody is sent away"


def test_the_chart_is_what_kubernetes_takes(tmp_path: Path) -> None:
    plain = rendered()
    shared = rendered(
        replicas=2,
        volume={"accessMode": "ReadWriteMany", "storageClassName": "fast"},
        settings={"workers": 2, "public_url": 'https://x.example/"a"', "open_on_payment": True, "credit_price": 0.5},
        nodeSelector={"a": "b"},
        tolerations=[{"key": "x", "operator": "Exists"}],
        adminKey=False,
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
    )
    for made in (*plain, *shared):
        kubernetes_validate.validate(made, KUBERNETES, strict=True)
    assert {one["kind"] for one in plain} == {"ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"}
    one, other = (next(made for made in found if made["kind"] == "Deployment")["spec"] for found in (plain, shared))
    assert (one["strategy"]["type"], other["strategy"]["type"]) == ("Recreate", "RollingUpdate")
    [container] = one["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    drain = next(int(entry["value"]) for entry in container["env"] if entry["name"] == "CREDIT_LEDGER_DRAIN_SECONDS")
    assert one["template"]["spec"]["terminationGracePeriodSeconds"] > drain + 30
    assert "CREDIT_LEDGER_ADMIN_KEY_FILE" not in str(other)
    told = other["template"]["spec"]["containers"][0]["env"]
    assert {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"} in told


def test_an_ingress_leads_from_the_public_address_to_the_service() -> None:
    address = "https://credits.example:8443/ledger"
    given = {"enabled": True, "className": "nginx", "annotations": {"a/b": "66m"}, "tlsSecretName": "credits-tls"}
    [made] = of_kind("Ingress", rendered(ingress=given, settings={"public_url": address}))
    kubernetes_validate.validate(made, KUBERNETES, strict=True)
    [service] = of_kind("Service", rendered(ingress=given, settings={"public_url": address}))
    assert made["metadata"]["annotations"] == {"a/b": "66m"}
    spec = made["spec"]
    assert (spec["ingressClassName"], spec["tls"]) == (
        "nginx",
        [{"hosts": ["credits.example"], "secretName": "credits-tls"}],
    )
    [rule] = spec["rules"]
    [path] = rule["http"]["paths"]
    leads_to = path["backend"]["service"]
    assert (rule["host"], path["path"], path["pathType"]) == ("credits.example", "/ledger", "Prefix")
    assert leads_to["name"] == service["metadata"]["name"]
    assert [leads_to["port"]["name"]] == [port["name"] for port in service["spec"]["ports"]]
    [plain] = of_kind("Ingress", rendered(ingress={"enabled": True}, settings={"public_url": "http://x.example"}))
    kubernetes_validate.validate(plain, KUBERNETES, strict=True)
    assert plain["spec"].keys() == {"rules"}
    with pytest.raises(AssertionError, match=r"settings\.public_url"):
        rendered(ingress={"enabled": True})


def test_a_service_monitor_scrapes_the_port_of_operators_under_the_job_of_the_alerts() -> None:
    given = {"enabled": True, "labels": {"release": "monitoring"}}
    objects = rendered(serviceMonitor=given)
    [made], [service], [deployment] = (of_kind(kind, objects) for kind in ("ServiceMonitor", "Service", "Deployment"))
    selector = {"app.kubernetes.io/name": "credit-ledger", "app.kubernetes.io/instance": "acme"}
    assert (made["apiVersion"], made["metadata"]["labels"]["release"]) == ("monitoring.coreos.com/v1", "monitoring")
    assert made["spec"] == {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": selector},
        "endpoints": [{"port": "operators", "path": "/metrics", "interval": "30s"}],
    }
    kubernetes_validate.validate(service, KUBERNETES, strict=True)
    assert selector.items() <= service["metadata"]["labels"].items()
    assert (
        f'job="{service["metadata"]["labels"][made["spec"]["jobLabel"]]}"'
        in (OPS / "prometheus" / "alerts.yml").read_text()
    )
    ports = {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert ports == {"http": "http", "operators": "operators"}
    assert set(ports.values()) == {port["name"] for port in container["ports"]}
    assert "prometheus.io/scrape" not in str(deployment), "or it is scraped twice"


def test_the_settings_of_the_chart_are_a_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "workers": 2,
        "seller": 'A "B"\n\\C',
        "open_on_payment": True,
        "credit_price": 0.5,
        "log_format": "json",
        "lemonsqueezy_store": "1",
        "mail_from": "credits@example.com",
    }
    secrets = {f"{name}_file": f"/run/secrets/credit-ledger/{name}" for name in secret_settings()}
    assert {"smtp_url_file", "oidc_client_secret_file", "stripe_webhook_secret_file"} <= secrets.keys()
    [found] = [made for made in rendered(settings=settings | secrets) if made["kind"] == "ConfigMap"]
    file = tmp_path / "credit-ledger.toml"
    file.write_text(found["data"]["credit-ledger.toml"].replace("/run/secrets/credit-ledger", str(tmp_path)))
    for name in secret_settings():
        (tmp_path / name).write_text(SECRETS.get(name, "whsec_c2VjcmV0") + "\n")
    monkeypatch.setenv("CREDIT_LEDGER_CONFIG", str(file))
    loaded = load_settings()
    assert (loaded.workers, loaded.seller, loaded.open_on_payment) == (2, 'A "B"\n\\C', True)
    assert str(loaded.credit_price) == "0.5"
    assert loaded.smtp_url is not None
    assert loaded.smtp_url.get_secret_value() == SECRETS["smtp_url"]


def test_several_replicas_on_a_volume_of_one_are_refused() -> None:
    with pytest.raises(AssertionError, match="several replicas share their checkpoints"):
        rendered(replicas=2)
    with pytest.raises(AssertionError, match="drainSeconds"):
        rendered(drainSeconds="soon")


def test_the_alerts_are_raised_when_they_should_be() -> None:
    promtool = program("promtool", "CREDIT_LEDGER_TEST_PROMTOOL", "prometheus/usr/bin/promtool")
    if promtool is None:
        pytest.skip("no promtool here: no alert is tried (see scripts/test)")
    run(promtool, "check", "rules", OPS / "prometheus" / "alerts.yml")
    run(promtool, "test", "rules", OPS / "prometheus" / "alerts_test.yml")


def test_every_alert_has_a_test() -> None:
    rules = yaml.safe_load((OPS / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((OPS / "prometheus" / "alerts_test.yml").read_text())["tests"]
    raised = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert raised == {rule["alert"] for rule in rules}


def test_every_alert_says_what_to_do_and_has_its_heading_in_the_runbook() -> None:
    rules = yaml.safe_load((OPS / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules if not rule["annotations"].get("description", "").endswith(".")] == []
    runbook = (OPS.parent / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^### (.+)$", runbook, re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules]
    told = re.findall(r"^\| `(\w+)` \|", runbook, re.MULTILINE)
    assert sorted(told) == sorted(Checks.__annotations__), "a check of /readyz that the runbook does not know"


def families(service: Service) -> dict[str, str]:
    """The types of our metrics by their names: those that a service shows, and those that it would show."""
    for module in ("api.http.metrics", "api.http.histograms.worker_histograms", "api.runtime.metrics.projection_lag"):
        import_module(module)
    found = [*text_string_to_metric_families(service.get("/metrics").text), *REGISTRY.collect()]
    ours = [one for one in found if one.name.startswith("credit_ledger_") and not one.name.endswith("_created")]
    return {f"{one.name}_total" if one.type == "counter" else one.name: one.type for one in ours}


def test_alerts_and_the_dashboard_ask_for_metrics_that_the_service_has(service: Service) -> None:
    known = families(service)
    histograms = [name for name, kind in known.items() if kind == "histogram"]
    assert len(histograms) > 6
    series = {*known, *(f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count"))}
    dashboard = json.loads((OPS / "grafana" / "credit-ledger.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((OPS / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    named = {name for one in (*expressions, *(rule["expr"] for rule in rules)) for name in _NAME.findall(one)}
    assert len(named) > 25
    assert named - series == set()
    assert {name for name in histograms if not any(one.startswith(name) for one in named)} == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_a_bound_that_is_asked_for_is_one() -> None:
    text = (OPS / "prometheus" / "alerts.yml").read_text() + (OPS / "grafana" / "credit-ledger.json").read_text()
    named = set(re.findall(r'\ble=\\?"([^"\\]+)', text))
    assert named
    assert named <= {str(bound) for bound in in_seconds(LAGS)}


def test_the_manual_has_every_metric_and_no_other(service: Service) -> None:
    manual = (OPS.parent / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^\| `(credit_ledger_\w+)` \|", manual, re.MULTILINE)) == set(families(service))


def test_a_service_shows_the_lag_that_its_projector_measured(service: Service) -> None:
    """The projector is a process of its own, also beside a single worker."""
    service.open_account()
    shown = r'^credit_ledger_projection_lag_seconds_count\{projection="history"\} ([1-9][\d.]*)$'
    wait_for(lambda: re.search(shown, service.get("/metrics").text, re.MULTILINE))
