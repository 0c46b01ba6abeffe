"""The workflows for GitHub, checked without it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from cluster import tools
from render.charts import ROOT, SERVICES

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
