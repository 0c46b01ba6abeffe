"""Who may call what, as the chart says it: by default services know each other, and drivers are not asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from render.charts import LONG_RUNNING
from render.manifests import Chart, at
from render.value_cases import CALLERS, WORKLOADS
from smartgrid.auth import issuers
from smartgrid.auth.scopes import GRID_SERVICE

DRIVERS = {"issuer": "https://login.example.com", "audience": "grid", "jwks": "https://login.example.com/keys"}


def settings(chart: Chart, service: str, values: dict[str, Any] | None = None) -> dict[str, str]:
    data: dict[str, str] = chart.objects(values or {})[f"ConfigMap/grid-{service}"]["data"]
    return {name: value for name, value in data.items() if "AUTH" in name or "TOKEN" in name}


@pytest.mark.parametrize(("called", "callers"), CALLERS.items())
def test_who_is_called_knows_its_callers_by_their_service_accounts_and_nobody_else(
    chart: Chart, called: str, callers: list[str]
) -> None:
    entries = json.loads(settings(chart, called)["SMARTGRID_AUTH_ISSUERS"])
    assert [entry["grants"] for entry in entries] == [
        {f"system:serviceaccount:power:grid-{caller}": [GRID_SERVICE] for caller in callers}
    ]
    for caller in callers:
        account = at(chart.objects({})[WORKLOADS[caller]], "spec/template/spec/serviceAccountName")
        assert account == f"grid-{caller}"


def test_the_service_believes_what_the_chart_writes(chart: Chart) -> None:
    values = {"global.auth.services.jwks.configMap": "keys", "global.auth.issuers": [DRIVERS]}
    for service in LONG_RUNNING:
        assert issuers.load(settings(chart, service, values)["SMARTGRID_AUTH_ISSUERS"])


def test_a_token_is_for_this_release_only_and_goes_to_those_who_call(chart: Chart) -> None:
    for service in LONG_RUNNING:
        volumes = chart.objects({})[WORKLOADS[service]]["spec"]["template"]["spec"]["volumes"]
        sources = next(volume for volume in volumes if volume["name"] == "identity")["projected"]["sources"]
        audiences = [source["serviceAccountToken"].get("audience", "of the API server")
                     for source in sources if "serviceAccountToken" in source]  # fmt: skip
        assert (
            audiences
            == {
                "gateway": ["smart-grid-power-grid"],
                "balancer": ["smart-grid-power-grid", "of the API server"],
                "substation": ["of the API server"],
                "edge": ["smart-grid-power-grid", "of the API server"],
            }[service]
        )


def test_without_issuers_drivers_are_not_asked_and_the_console_can_be_read(chart: Chart) -> None:
    assert settings(chart, "gateway") == {
        "SMARTGRID_AUTH": "off",
        "SMARTGRID_SERVICE_TOKEN_FILE": "/var/run/secrets/smart-grid/token",
    }
    assert settings(chart, "balancer")["SMARTGRID_AUTH_ANONYMOUS"] == "grid:read"
    assert "SMARTGRID_AUTH_ANONYMOUS" not in settings(chart, "substation")


def test_with_issuers_everyone_is_asked_everywhere(chart: Chart) -> None:
    for service in LONG_RUNNING:
        found = settings(chart, service, {"global.auth.issuers": [DRIVERS]})
        assert DRIVERS in json.loads(found["SMARTGRID_AUTH_ISSUERS"])
        assert not {"SMARTGRID_AUTH", "SMARTGRID_AUTH_ANONYMOUS"} & set(found)


def test_nothing_secret_is_in_the_chart(chart: Chart) -> None:
    assert [name for name in chart.objects({"global.auth.issuers": [DRIVERS]}) if name.startswith("Secret/")] == []
