"""The workflows for GitHub, checked without it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import tools
from cluster.local.binaries import ADDONS
from render.charts import ROOT, SERVICES
from render.manifests import Chart, at
from render.value_cases import WORKLOADS

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))


def test_actionlint_finds_nothing() -> None:
    try:
        actionlint = tools.install("actionlint")
    except tools.NoGoError as reason:
        pytest.skip(str(reason))
    done = subprocess.run([actionlint, *WORKFLOWS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_ends_by_itself_and_may_only_read_unless_it_says_so(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_images_are_built_for_every_service(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert tuple(workflow["jobs"]["images"]["strategy"]["matrix"]["service"]) == SERVICES


def test_scripts_are_valid_shell() -> None:
    for script in (ROOT / ".github/scripts").iterdir():
        done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------ the release

RELEASE = ROOT / ".github/workflows/release.yaml"


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    return dict(yaml.safe_load(RELEASE.read_text())["jobs"])


def steps(job: dict[str, Any]) -> list[str]:
    """What each step does, in a word: the action without its version, or the script."""
    return [step["uses"].partition("@")[0] if "uses" in step else step["run"] for step in job["steps"]]


def index(job: dict[str, Any], text: str) -> int:
    """The place of the one step that does this."""
    (place,) = (number for number, step in enumerate(steps(job)) if text in step)
    return place


def test_images_and_chart_are_signed_by_digest_after_they_were_pushed(release: dict[str, Any]) -> None:
    images, chart = release["images"], release["chart"]
    assert index(images, "docker/build-push-action") < index(images, "cosign sign")
    assert index(chart, "helm push") < index(chart, "cosign sign")
    for job in (images, chart):
        (signed,) = job["steps"][index(job, "cosign sign")]["env"].values()
        assert signed.endswith(".outputs.digest }}")
        assert "@" in signed
        assert job["permissions"]["id-token"] == "write", "keyless signing needs the workflow's identity"


def test_images_have_an_sbom_and_images_and_chart_a_provenance(release: dict[str, Any]) -> None:
    build = release["images"]["steps"][index(release["images"], "docker/build-push-action")]["with"]
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")
    for job in (release["images"], release["chart"]):
        assert index(job, "actions/attest-build-provenance") > 0


def test_what_was_published_is_verified_in_the_way_that_users_are_told(release: dict[str, Any]) -> None:
    verify = steps(release["chart"])[-1]
    told = (ROOT / "SECURITY.md").read_text()
    artifacts = "for artifact in charts/smart-grid " + " ".join(f"smart-grid/{service}" for service in SERVICES)
    for text in (artifacts, "--certificate-oidc-issuer https://token.actions.githubusercontent.com", "cosign verify"):
        assert text in verify
        assert text in told


def test_the_published_chart_names_just_the_images_that_were_built(helm: Path, tmp_path: Path) -> None:
    folder, digests = tmp_path / "chart", tmp_path / "digests"
    for name in ("Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json"):
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder)
    for name in ("templates", "charts"):
        shutil.copytree(ROOT / name, folder / name)
    digests.mkdir()
    for number, service in enumerate(SERVICES):
        (digests / service).write_text(f"sha256:{number:064x}\n")
    name_images = [ROOT / ".github/scripts/name-released-images", folder, "registry.example.com/grids", digests]
    subprocess.run(name_images, check=True, timeout=60)
    objects = Chart(helm, folder).objects({"edge.enabled": True, "loadtest.enabled": True})
    for number, service in enumerate(SERVICES):
        image = at(objects[WORKLOADS[service]], "spec/template/spec/containers/0/image")
        assert image == f"registry.example.com/grids/smart-grid/{service}:0.1.0@sha256:{number:064x}"
    again = subprocess.run(name_images, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1, "a chart that names images already is not the one of the repository"
    assert "should have one line" in again.stderr


# ------------------------------------------------------------------ what keeps dependencies up to date


@pytest.fixture(scope="module")
def renovate() -> dict[str, Any]:
    return dict(json.loads((ROOT / "renovate.json").read_text()))


def found(manager: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and versions that one of Renovate's custom managers finds in the files of this repository."""
    files = [
        path for path in files_of_the_repository() if any(matches(p, path) for p in manager["managerFilePatterns"])
    ]
    assert len(files) == len(manager["managerFilePatterns"]), "a pattern names no file"
    pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
    return [(m["depName"], m["currentValue"]) for path in files for m in pattern.finditer((ROOT / path).read_text())]


def files_of_the_repository() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def matches(pattern: str, path: str) -> bool:
    return re.search(pattern.strip("/"), path) is not None


def test_base_images_and_actions_are_pinned_by_digest(renovate: dict[str, Any]) -> None:
    assert "config:best-practices" in renovate["extends"], "it pins both"
    assert {"dockerfile", "github-actions"} <= set(renovate["enabledManagers"])
    for service in SERVICES:
        bases = re.findall(r"^FROM (\S+)", (ROOT / f"images/{service}/Dockerfile").read_text(), re.MULTILINE)
        own_stages = {"base", "tools"}
        (base,) = (name for name in bases if name not in own_stages)
        assert base.startswith("docker.io/library/python:3.13-slim"), "one line, which Renovate pins"


def test_every_go_program_of_the_tests_is_kept_up_to_date(renovate: dict[str, Any]) -> None:
    programs, _ = renovate["customManagers"]
    modules = {**tools.TOOLS, **ADDONS}
    assert len(found(programs)) == len(modules)
    for name, version in found(programs):
        assert any(module.startswith(name) and module.endswith(f"@{version}") for module in modules.values())


def test_the_monitoring_release_is_kept_up_to_date(renovate: dict[str, Any]) -> None:
    _, monitoring = renovate["customManagers"]
    assert [name for name, _ in found(monitoring)] == ["kube-prometheus-stack"]


def test_every_lock_file_is_kept_up_to_date(renovate: dict[str, Any]) -> None:
    patterns = renovate["pip_requirements"]["managerFilePatterns"]
    locks = [path for path in files_of_the_repository() if is_lock_file(path)]
    assert len(locks) > len(SERVICES)
    assert [path for path in locks if not any(matches(pattern, path) for pattern in patterns)] == []


def is_lock_file(path: str) -> bool:
    return path.endswith(".txt") and "--hash=sha256:" in (ROOT / path).read_text()
