"""Prometheus, by its operator, takes the chart's PodMonitors and rules as they are shipped."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import requests

from cluster import prometheus
from cluster.backend import Backend
from cluster.lock import exclusive
from cluster.paths import REPOSITORY
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.chargers import running_chargers
from harness.grid import Grid
from harness.helm import Helm
from harness.load import running_load
from harness.namespace import restricted_namespace

SERVICES = ("substation", "balancer", "gateway", "edge")
SCRAPE_INTERVAL_S = 10
PLACES = [("grid-substation-0", "0-1"), ("grid-substation-1", "1-2")]
WAITS = {"vehicle_id": "EV-waits", "energy_kwh": 20, "max_power_kw": 100, "min_power_kw": 100, "wait": True}
"""A car that needs a whole substation, which it has to wait for."""


@dataclass(frozen=True)
class Prometheus:
    """The Prometheus of the cluster, reached through the API server."""

    api: KubeApi

    def ask(self, path: str, **query: str) -> Any:
        where = f"/api/v1/namespaces/{prometheus.NAMESPACE}/services/{prometheus.NAME}:{prometheus.PORT}/proxy"
        return self.api.get(f"{where}/api/v1/{path}", **query)["data"]

    def answers(self) -> bool:
        try:
            return isinstance(self.ask("targets"), dict)
        except requests.RequestException:
            return False

    def targets(self, namespace: str) -> list[dict[str, Any]]:
        found = self.ask("targets", state="active")["activeTargets"]
        return [target for target in found if target["labels"].get("namespace") == namespace]

    def has_data(self, expression: str) -> bool:
        result = self.ask("query", query=expression)["result"]
        return any(str(sample["value"][1]) != "NaN" for sample in result)


@pytest.fixture(scope="module")
def observer(cluster: Backend, api: KubeApi) -> Iterator[Prometheus]:
    """Prometheus and its operator, removed afterwards if they were not there before."""
    namespace = f"/api/v1/namespaces/{prometheus.NAMESPACE}"
    was_there = api.exists(namespace)
    with exclusive():
        prometheus.install(cluster)
    yield Prometheus(api)
    if not was_there:
        api.delete(namespace)


@pytest.fixture(scope="module")
def watched(cluster: Backend, api: KubeApi, common_values: dict[str, object], observer: Prometheus) -> Iterator[Grid]:
    """A grid that was installed where the operator's resources are known, with no value set for it."""
    wait_until("Prometheus to answer", observer.answers, timeout_s=60)
    with restricted_namespace(api, "smart-grid-watched") as namespace:
        helm = Helm(cluster, namespace, "grid")
        values = {
            "substation.timeScale": 600,
            "substation.capacityKw": 100,
            "substation.replicaCount": 2,
            "edge.enabled": True,
            "edge.registration": "open",
        }
        helm.install({**common_values, **values})
        yield Grid(api, cluster, namespace, "grid", helm)


def test_every_pod_is_scraped_once_and_is_up(watched: Grid, observer: Prometheus) -> None:
    pods = sorted(pod.name for service in SERVICES for pod in watched.pods(service))

    def all_up() -> bool:
        found = observer.targets(watched.namespace)
        return sorted(t["labels"]["pod"] for t in found) == pods and all(t["health"] == "up" for t in found)

    wait_until("all targets up, each pod once", all_up, timeout_s=120)
    found = observer.targets(watched.namespace)
    assert {target["labels"]["job"] for target in found} == set(SERVICES)
    assert {target["scrapeInterval"] for target in found} == {f"{SCRAPE_INTERVAL_S}s"}
    assert max(Counter(target["labels"]["pod"] for target in found).values()) == 1


@pytest.mark.usefixtures("watched")
def test_the_rules_are_taken_as_they_are_shipped(observer: Prometheus) -> None:
    shipped = {rule.get("alert") or rule["record"] for group in queries().rule_groups() for rule in group["rules"]}

    def loaded() -> set[str]:
        return {rule["name"] for group in observer.ask("rules")["groups"] for rule in group["rules"]}

    wait_until("the rules to be loaded", lambda: shipped <= loaded(), timeout_s=120)


def test_every_query_of_panels_and_rules_returns_data(
    watched: Grid, observer: Prometheus, tell: Callable[[str], None]
) -> None:
    wanted = [*queries().panel_queries(window="1m", namespace=watched.namespace), *queries().rule_queries()]
    missing = wanted
    begun_s = time.monotonic()

    def all_have_data() -> bool:
        nonlocal missing
        watched.ask_gateway("POST", "/charge", json=WAITS)
        missing = [query for query in missing if not observer.has_data(query.expression)]
        return not missing

    try:
        with running_load(watched, cars_per_s=4), running_chargers(watched, PLACES) as chargers:
            chargers.plug()
            wait_until("every query to have data", all_have_data, timeout_s=150)
    finally:
        tell(f"{len(wanted) - len(missing)} of {len(wanted)} queries had data after {time.monotonic() - begun_s:.0f} s")
        assert [f"{query.where}: {query.expression}" for query in missing] == []


def queries() -> ModuleType:
    """The list of all PromQL that the project ships, which the tests without a cluster use as well."""
    name = "shipped_queries"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, REPOSITORY / "tests" / "monitoring" / "queries.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
