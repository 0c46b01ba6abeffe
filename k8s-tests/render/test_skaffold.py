"""skaffold.yaml is what Skaffold's own schema says, also with each of its profiles, and names what is there."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from render.charts import ROOT, SERVICES

CONFIGURATION: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
PROFILES: dict[str, dict[str, Any]] = {profile["name"]: profile for profile in CONFIGURATION["profiles"]}
SCHEMA = Path(__file__).parent / "schemas" / f"{CONFIGURATION['apiVersion'].replace('/', '-')}.json"


def problems(configuration: dict[str, Any]) -> list[str]:
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(configuration)
    ]


def with_profiles(*names: str) -> dict[str, Any]:
    """The configuration after the patches of these profiles, as `skaffold -p` makes it.

    Raises KeyError or IndexError for a path that leads nowhere.
    """
    made = copy.deepcopy({name: part for name, part in CONFIGURATION.items() if name != "profiles"})
    for patch in (patch for name in names for patch in PROFILES[name]["patches"]):
        assert patch["op"] == "add"
        *outer, last = patch["path"].strip("/").split("/")
        place: Any = made
        for name in outer:
            place = place[int(name) if isinstance(place, list) else name]
        if isinstance(place, list):
            place.insert(len(place) if last == "-" else int(last), patch["value"])
        else:
            place[last] = patch["value"]
    return made


def test_the_schema_finds_nothing_wrong() -> None:
    assert problems(CONFIGURATION) == []


@pytest.mark.parametrize("names", [["live"], ["monitoring"], ["live", "monitoring"]], ids="+".join)
def test_the_schema_finds_nothing_wrong_with_what_profiles_make_of_it(names: list[str]) -> None:
    assert problems(with_profiles(*names)) == []


@pytest.mark.parametrize(
    "wrong", [{"build": {"artefacts": []}}, {"deploy": {"helm": {"releases": [{"chartPath": "."}]}}}], ids=str
)
def test_the_schema_would_find_a_misspelt_or_a_missing_field(wrong: dict[str, Any]) -> None:
    assert problems({**CONFIGURATION, **wrong}) != []


def test_every_service_is_built_from_its_dockerfile_and_installed_from_its_own_image() -> None:
    artifacts = {
        artifact["image"]: artifact["docker"]["dockerfile"] for artifact in CONFIGURATION["build"]["artifacts"]
    }
    assert artifacts == {f"smart-grid/{service}": f"images/{service}/Dockerfile" for service in SERVICES}
    assert all((ROOT / path).exists() for path in artifacts.values())
    (release,) = CONFIGURATION["deploy"]["helm"]["releases"]
    assert release["setValueTemplates"] == {
        f"{service}.image.{part}": f"{{{{.IMAGE_{variable}_smart_grid_{service}}}}}"
        for service in SERVICES
        for part, variable in (("repository", "REPO"), ("tag", "TAG"))
    }


def test_the_monitoring_release_comes_first_so_that_the_cluster_knows_its_kinds() -> None:
    releases = with_profiles("live", "monitoring")["deploy"]["helm"]["releases"]
    assert [release["name"] for release in releases] == ["kube-prometheus-stack", "grid"]
    assert releases[1]["setValues"]["global.liveCode"] is True
    assert all((ROOT / path).exists() for path in releases[0]["valuesFiles"])
