"""What the chart sets, the services know: a setting that is renamed in one of them is found here, not in a pod."""

from __future__ import annotations

from typing import Any

import pytest

from render import value_types
from render.charts import LONG_RUNNING
from render.manifests import Chart, at
from render.value_cases import TOGETHER, WORKLOADS
from smartgrid.balancer import targets
from smartgrid.balancer.settings import BalancerSettings
from smartgrid.domain.routing import POLICIES
from smartgrid.edge.settings import EdgeSettings
from smartgrid.gateway.settings import GatewaySettings
from smartgrid.loadtest.main import command as load_test
from smartgrid.runtime.settings import ENV_PREFIX, ServiceSettings
from smartgrid.substation.settings import SubstationSettings

SETTINGS: dict[str, type[ServiceSettings]] = {
    "substation": SubstationSettings,
    "balancer": BalancerSettings,
    "gateway": GatewaySettings,
    "edge": EdgeSettings,
}


def environment(chart: Chart, service: str, values: dict[str, Any]) -> dict[str, str]:
    """The settings that a pod gets, but for those that only a cluster can fill in."""
    objects = chart.objects(values)
    container = at(objects[WORKLOADS[service]], "spec/template/spec/containers/0")
    written = {variable["name"]: variable.get("value", "grid-substation-0") for variable in container.get("env", [])}
    written |= objects[f"ConfigMap/{at(container, 'envFrom/0/configMapRef/name')}"]["data"]
    return {name: value for name, value in written.items() if name.startswith(ENV_PREFIX)}


@pytest.mark.parametrize("values", [{}, TOGETHER], ids=["by default", "every value set"])
@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_service_takes_every_setting_that_the_chart_gives_it(
    chart: Chart, monkeypatch: pytest.MonkeyPatch, service: str, values: dict[str, Any]
) -> None:
    settings = environment(chart, service, values) | {"SMARTGRID_LOG_HASH_KEY": "key"}
    settings.pop("SMARTGRID_EXTRA", None)
    fields = SETTINGS[service].model_fields
    assert [name for name in settings if name.removeprefix(ENV_PREFIX).lower() not in fields] == []
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    loaded = SETTINGS[service]()
    assert (loaded.host, loaded.port) == ("0.0.0.0", 8080)


def test_in_a_cluster_nothing_can_be_registered_by_hand_unless_it_is_said_what(chart: Chart) -> None:
    """On one machine loopback may be; in a pod that is the balancer itself."""
    assert environment(chart, "balancer", {})["SMARTGRID_ALLOWED_TARGETS"] == targets.NONE
    assert not targets.parse(targets.NONE).allows("http://127.0.0.1:8080")


def test_the_chart_offers_the_policies_that_there_are() -> None:
    assert value_types.BALANCER["policy"]["enum"] == list(POLICIES)


def test_the_load_tester_takes_every_option_that_the_chart_gives_it(chart: Chart) -> None:
    on = {"loadtest.enabled": True}
    numbers = {"loadtest.requests": 5, "loadtest.users": 2, "loadtest.rampUpSeconds": 1, "loadtest.waitSeconds": 60}
    thresholds = {"loadtest.thresholds": {"minSuccessRate": 0.5, "maxP95Ms": 100}}
    trace = {"loadtest.scenario": "garage", "loadtest.trace": {"configMap": "x", "speedup": 2}}
    for chosen in (on | numbers | thresholds, on | trace):
        arguments = at(chart.objects(chosen)[WORKLOADS["loadtest"]], "spec/template/spec/containers/0/args")
        load_test.make_context("loadtest", list(arguments))
