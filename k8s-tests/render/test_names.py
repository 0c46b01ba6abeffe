"""One name for each service, the same everywhere."""

from __future__ import annotations

import yaml

from render.charts import ROOT, SERVICES
from render.manifests import Chart, at
from render.value_cases import WORKLOADS
from smartgrid.cli import COMMANDS


def test_packages_images_and_charts_are_named_for_the_services() -> None:
    for service in SERVICES:
        assert (ROOT / f"src/smartgrid/{service}/__init__.py").exists()
        assert (ROOT / f"images/{service}/Dockerfile").exists()
        assert yaml.safe_load((ROOT / f"charts/{service}/Chart.yaml").read_text())["name"] == service
    assert {folder.name for folder in (ROOT / "images").iterdir() if folder.is_dir()} == set(SERVICES)
    assert {folder.name for folder in (ROOT / "charts").iterdir()} == set(SERVICES)


def test_skaffold_builds_each_image_from_its_own_dockerfile() -> None:
    artifacts = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["build"]["artifacts"]
    built = {artifact["image"]: artifact["docker"]["dockerfile"] for artifact in artifacts}
    assert built == {f"smart-grid/{service}": f"images/{service}/Dockerfile" for service in SERVICES}


def test_the_chart_runs_the_image_of_the_same_name_in_a_container_of_the_same_name(chart: Chart) -> None:
    objects = chart.objects({"loadtest.enabled": True})
    for service in SERVICES:
        (container,) = at(objects[WORKLOADS[service]], "spec/template/spec/containers")
        assert container["name"] == service
        assert container["image"].startswith(f"smart-grid/{service}:")


def test_the_image_starts_the_command_of_the_same_name() -> None:
    for service in SERVICES:
        assert f'ENTRYPOINT ["smartgrid", "{service}"]' in (ROOT / f"images/{service}/Dockerfile").read_text()
        assert COMMANDS[service].startswith(f"smartgrid.{service}.")
