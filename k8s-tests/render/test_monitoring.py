"""PodMonitors, alerts for Prometheus and for Grafana, and dashboards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from render.charts import LONG_RUNNING, ROOT
from render.manifests import MONITORING_APIS, Chart, at, pod_template
from render.value_cases import WORKLOADS

MONITOR_API, RULE_API = MONITORING_APIS
RULES = """
groups:
  - name: grid
    rules:
      - alert: SubstationOverloaded
        expr: substation_load_percentage > 90
        annotations:
          description: "{{ $labels.substation }} is at {{ $value }} %."
"""
DASHBOARD = '{"uid": "grid", "title": "{{pod}} of $substation",\n "panels": []}'


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_service_monitor_is_there_where_the_cluster_knows_it(chart: Chart, service: str) -> None:
    monitor = f"PodMonitor/grid-{service}"
    assert monitor not in chart.objects()
    assert monitor in chart.objects(apis=(MONITOR_API,))
    assert monitor in chart.objects({f"{service}.podMonitor.enabled": True})
    assert monitor not in chart.objects({f"{service}.podMonitor.enabled": False}, apis=(MONITOR_API,))


def test_each_pod_is_scraped_once(chart: Chart) -> None:
    objects = chart.objects({"gateway.service.type": "LoadBalancer"}, apis=(MONITOR_API,))
    pods = {name: pod["metadata"]["labels"] for name, each in objects.items() if (pod := pod_template(each))}
    for service in LONG_RUNNING:
        wanted = at(objects[f"PodMonitor/grid-{service}"], "spec/selector/matchLabels")
        assert [name for name, labels in pods.items() if wanted.items() <= labels.items()] == [WORKLOADS[service]]


def test_monitors_scrape_the_port_metrics_every_ten_seconds_as_a_job_named_for_the_service(chart: Chart) -> None:
    objects = chart.objects(apis=(MONITOR_API,))
    for service in LONG_RUNNING:
        monitor = objects[f"PodMonitor/grid-{service}"]
        assert at(monitor, "spec/podMetricsEndpoints") == [{"port": "metrics", "path": "/metrics", "interval": "10s"}]
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/component"
        assert monitor["metadata"]["labels"]["app.kubernetes.io/component"] == service


def test_the_default_labels_are_what_the_pinned_monitoring_release_looks_for(chart: Chart) -> None:
    profiles = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["profiles"]
    release = next(profile for profile in profiles if profile["name"] == "monitoring")["patches"][0]["value"]
    assert release["name"] == "kube-prometheus-stack"
    objects = chart.objects(apis=(MONITOR_API,))
    labels = {at(objects[f"PodMonitor/grid-{service}"], "metadata/labels/release") for service in LONG_RUNNING}
    assert labels == {release["name"]}


def test_the_pinned_version_is_the_same_wherever_it_is_named() -> None:
    profiles = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["profiles"]
    release = next(profile for profile in profiles if profile["name"] == "monitoring")["patches"][0]["value"]
    text = (ROOT / release["valuesFiles"][0]).read_text()
    assert text.count(release["version"]) == 2


def test_without_rules_and_dashboards_there_are_none(with_files: Callable[..., Chart]) -> None:
    kinds = {m["kind"] for m in with_files().render({"prometheusRule.enabled": True})}
    assert "PrometheusRule" not in kinds


def test_the_rules_file_is_shipped_word_for_word(with_files: Callable[..., Chart]) -> None:
    rule = with_files(**{"monitoring/rules.yaml": RULES}).objects(apis=(RULE_API,))["PrometheusRule/grid-rules"]
    assert rule["spec"] == yaml.safe_load(RULES)
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"


@pytest.mark.parametrize(
    ("enabled", "apis", "there"), [("auto", (), False), ("auto", (RULE_API,), True), (True, (), True),
                                   (False, (RULE_API,), False)],
)  # fmt: skip
def test_the_rules_are_there_when_wanted(
    with_files: Callable[..., Chart], enabled: Any, apis: tuple[str, ...], there: bool
) -> None:
    chart = with_files(**{"monitoring/rules.yaml": RULES})
    values = {"prometheusRule.enabled": enabled, "prometheusRule.labels": {"mine": "yes"}}
    assert ("PrometheusRule/grid-rules" in chart.objects(values, apis=apis)) is there


GRAFANA_ALERTS = "apiVersion: 1\ngroups:\n- name: grid  # {{ .Labels.pod }}\n"


def test_the_alerts_for_grafana_are_a_config_map_with_the_file_as_it_is(with_files: Callable[..., Chart]) -> None:
    chart = with_files(**{"monitoring/rules-grafana.yaml": GRAFANA_ALERTS})
    made = chart.objects()["ConfigMap/grid-grafana-alerts"]
    assert made["data"] == {"grid-alerts.yaml": GRAFANA_ALERTS.rstrip()}
    relabelled = chart.objects({"grafanaAlerts.labels": {"mine": "yes"}})["ConfigMap/grid-grafana-alerts"]
    assert relabelled["metadata"]["labels"]["mine"] == "yes"
    assert "ConfigMap/grid-grafana-alerts" not in chart.objects({"grafanaAlerts.enabled": False})


def test_the_sidecars_of_the_pinned_monitoring_release_look_for_what_the_chart_ships(chart: Chart) -> None:
    sidecars = yaml.safe_load((ROOT / "monitoring" / "kube-prometheus-stack.yaml").read_text())["grafana"]["sidecar"]
    objects = chart.objects()
    for sidecar, name in (("dashboards", "grid-dashboard-smart-grid"), ("alerts", "grid-grafana-alerts")):
        wanted = {sidecars[sidecar]["label"]: sidecars[sidecar]["labelValue"]}
        assert sidecars[sidecar]["enabled"]
        assert wanted.items() <= objects[f"ConfigMap/{name}"]["metadata"]["labels"].items()


def test_each_dashboard_is_a_config_map_with_the_file_as_it_is(with_files: Callable[..., Chart]) -> None:
    chart = with_files(**{"dashboards/overview.json": DASHBOARD, "dashboards/substation.json": "{}\n"})
    objects = chart.objects({"dashboards.annotations": {"grafana_folder": "Grid"}})
    overview = objects["ConfigMap/grid-dashboard-overview"]
    assert overview["data"] == {"overview.json": DASHBOARD}
    assert overview["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert overview["metadata"]["annotations"] == {"grafana_folder": "Grid"}
    assert objects["ConfigMap/grid-dashboard-substation"]["data"] == {"substation.json": "{}"}


def test_dashboards_can_be_relabelled_and_left_out(with_files: Callable[..., Chart]) -> None:
    chart = with_files(**{"dashboards/overview.json": DASHBOARD})
    labelled = chart.objects({"dashboards.labels": {"mine": "yes"}})["ConfigMap/grid-dashboard-overview"]
    assert labelled["metadata"]["labels"]["mine"] == "yes"
    assert "ConfigMap/grid-dashboard-overview" not in chart.objects({"dashboards.enabled": False})


def test_the_rules_and_dashboards_of_this_repository_are_shipped(chart: Chart) -> None:
    objects = chart.objects(apis=MONITORING_APIS)
    for dashboard in (ROOT / "dashboards").glob("*.json"):
        assert f"ConfigMap/grid-dashboard-{dashboard.stem}" in objects
    assert ("PrometheusRule/grid-rules" in objects) is (ROOT / "monitoring/rules.yaml").exists()
