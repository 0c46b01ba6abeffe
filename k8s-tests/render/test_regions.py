"""A balancer of regions, and a region's balancer, as the chart says them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from render.charts import ROOT
from render.manifests import Chart, at
from render.value_cases import OF_REGIONS, REACHED, WEST, WITH_INGRESS, WITH_ROUTE
from smartgrid.balancer import region_list

WITH_TOKEN = {
    **WEST,
    "auth": {"audience": "grid-west"},
    "tls": {"caSecret": {"name": "west-ca", "key": "ours.crt"}},
    "labels": {"country": "DE"},
}
WITH_SECRET = {"name": "east", "url": "https://east.example.com:8443", "auth": {"tokenSecret": {"name": "east"}}}
BARE = {"name": "here", "url": "http://here.power:8080"}


@pytest.fixture(scope="module")
def country(chart: Chart) -> dict[str, Any]:
    return chart.objects(OF_REGIONS | {"global.regions": [WITH_TOKEN, WITH_SECRET, BARE]})


def settings(objects: dict[str, Any], service: str = "balancer") -> dict[str, str]:
    return dict(objects[f"ConfigMap/grid-{service}"]["data"])


def test_there_are_a_gateway_and_a_balancer_and_no_substations(country: dict[str, Any]) -> None:
    assert not any("substation" in name.partition("/")[2] for name in country if "dashboard" not in name)
    assert "Role/grid-balancer" not in country


def test_each_region_is_reached_with_a_token_and_authorities_of_its_own(country: dict[str, Any]) -> None:
    folder = "/var/run/secrets/regions"
    assert json.loads(settings(country)["SMARTGRID_TARGETS"]) == [
        {"url": WEST["url"], "token_file": f"{folder}/west/token", "ca": f"{folder}/west/ca.crt"},
        {"url": WITH_SECRET["url"], "token_file": f"{folder}/east/token"},
    ]
    pod = at(country["Deployment/grid-balancer"], "spec/template/spec")
    volume = next(each for each in pod["volumes"] if each["name"] == "regions")
    assert volume["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "west/token", "audience": "grid-west", "expirationSeconds": 3600}},
        {"secret": {"name": "west-ca", "items": [{"key": "ours.crt", "path": "west/ca.crt"}]}},
        {"secret": {"name": "east", "items": [{"key": "token", "path": "east/token"}]}},
    ]
    assert {"name": "regions", "mountPath": folder, "readOnly": True} in pod["containers"][0]["volumeMounts"]


def test_the_balancer_reads_what_the_chart_writes(country: dict[str, Any]) -> None:
    assert region_list.load(settings(country)["SMARTGRID_REGIONS"], "", "").names == {"west", "east", "here"}


def test_time_limits_nest(country: dict[str, Any], chart: Chart) -> None:
    own = settings(country)
    limits_s = [float(own[f"SMARTGRID_{name}_TIMEOUT_S"]) for name in ("ATTEMPT", "REQUEST")]
    regions_s = 1.7  # what a region's balancer takes at the most, by default

    assert regions_s < limits_s[0] < limits_s[1] < float(settings(country, "gateway")["SMARTGRID_BALANCER_TIMEOUT_S"])
    assert "SMARTGRID_REQUEST_TIMEOUT_S" not in settings(chart.objects())


def test_it_may_go_to_the_regions_ports_and_to_no_substation(country: dict[str, Any]) -> None:
    rules = country["NetworkPolicy/grid-balancer"]["spec"]["egress"]

    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[53, 53], [443, 8443, 8080], [443, 6443]]


@pytest.mark.parametrize("values", [WITH_INGRESS, WITH_ROUTE], ids=["ingress", "route"])
def test_a_regions_balancer_shows_the_world_only_what_the_one_in_front_asks(
    chart: Chart, values: dict[str, Any]
) -> None:
    objects = chart.objects(values)
    way = objects.get("Ingress/grid-balancer") or objects["HTTPRoute/grid-balancer"]
    rule = way["spec"]["rules"][0]
    paths = [each["path"] for each in rule["http"]["paths"]] if "http" in rule else [
        each["path"]["value"] for each in rule["matches"]
    ]  # fmt: skip

    assert paths == ["/charge", "/status", "/forecast", "/waiting", "/substations"]
    assert settings(objects)["SMARTGRID_SERVICE_HOSTS"] == "west.example.com"


@pytest.mark.parametrize("values", [WITH_INGRESS, WITH_ROUTE, REACHED], ids=["ingress", "route", "peers"])
def test_nobody_reads_it_without_a_token_once_others_reach_it(chart: Chart, values: dict[str, Any]) -> None:
    assert "SMARTGRID_AUTH_ANONYMOUS" in settings(chart.objects())
    assert "SMARTGRID_AUTH_ANONYMOUS" not in settings(chart.objects(values))


def test_only_the_named_subjects_are_services(chart: Chart) -> None:
    for service in ("gateway", "substation"):
        assert "keys.example.com" not in json.dumps(settings(chart.objects(WITH_INGRESS), service))
    entries = json.loads(settings(chart.objects(WITH_INGRESS))["SMARTGRID_AUTH_ISSUERS"])
    assert entries[1]["grants"] == {"system:serviceaccount:grid:grid-balancer": ["grid:service"]}


def test_the_example_of_regions_renders(chart: Chart) -> None:
    example = yaml.safe_load(Path(ROOT / "ci" / "regions-values.yaml").read_text())

    names = [each["name"] for each in example["global"]["regions"]]
    rendered = chart.objects({"edge.enabled": False} | example)
    assert settings(rendered)["SMARTGRID_SUBSTATIONS"] == ",".join(
        f"{each['name']}={each['url']}" for each in example["global"]["regions"]
    )
    assert names == ["west", "east"]
