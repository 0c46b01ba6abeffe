"""The package: what is in it, and that helm finds nothing wrong."""

from __future__ import annotations

import re
import tarfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from render import generate
from render.charts import FOLDERS, ROOT
from render.manifests import Chart

MOST_BYTES = 150_000
ALLOWED = re.compile(
    r"(Chart\.(yaml|lock)|values\.(yaml|schema\.json)|templates/.+\.(yaml|tpl|txt)"
    r"|charts/[a-z]+/(Chart\.yaml|values\.(yaml|schema\.json)|templates/.+\.(yaml|tpl)|files/.+\.py)"
    r"|dashboards/.+\.json|monitoring/rules(-grafana)?\.yaml|LICENSE)"
)
CI_VALUES = sorted((ROOT / "ci").glob("*-values.yaml"))


def test_the_package_holds_the_chart_and_nothing_else(chart: Chart) -> None:
    with tarfile.open(chart.package) as package:
        names = [member.name.removeprefix("smart-grid/") for member in package]
    assert [name for name in names if not ALLOWED.fullmatch(name)] == []
    assert chart.package.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generate.outputs()[path], "run: python k8s-tests/render/generate.py"


def test_all_charts_and_the_program_have_the_same_version() -> None:
    program = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for folder in FOLDERS.values():
        metadata = yaml.safe_load((folder / "Chart.yaml").read_text())
        assert (metadata["version"], metadata["appVersion"]) == (program, program)


def test_the_lock_file_is_what_helm_would_write_and_needs_no_network(chart: Chart) -> None:
    listed = chart.run("dependency", "list", str(ROOT))
    assert listed.count("unpacked") == len(FOLDERS) - 1
    declared = yaml.safe_load((ROOT / "Chart.yaml").read_text())["dependencies"]
    locked = yaml.safe_load((ROOT / "Chart.lock").read_text())["dependencies"]
    assert [(d["name"], d["version"]) for d in declared] == [(d["name"], d["version"]) for d in locked]
    assert all("repository" not in dependency for dependency in declared)


@pytest.mark.parametrize("values", [None, *CI_VALUES], ids=lambda path: path.stem if path else "defaults")
def test_helm_lint_finds_nothing(chart: Chart, values: Path | None) -> None:
    flags = [f"--values={values}"] if values else []
    report = chart.run("lint", "--strict", f"--kube-version={chart.kube_version}", *flags, str(ROOT))
    assert "0 chart(s) failed" in report
    assert "[WARNING]" not in report


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_every_example_renders(chart: Chart, values: Path) -> None:
    assert replace(chart, always={}).render(yaml.safe_load(values.read_text()))


def test_there_are_examples() -> None:
    assert len(CI_VALUES) >= 4
