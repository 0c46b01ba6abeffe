"""`global.liveCode`: what runs in a pod under `skaffold dev`, run here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.shell import wait_until
from render.charts import ROOT
from render.manifests import Chart, at
from render.value_cases import WORKLOADS

LIMIT_S = 20.0


@pytest.fixture
def parent(chart: Chart, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The parent process of the chart, with a program that writes down what it is."""
    objects = chart.objects({"global.liveCode": True})
    _, _, script, *_ = at(objects[WORKLOADS["gateway"]], "spec/template/spec/containers/0/command")
    program = tmp_path / "code" / "program.py"
    program.parent.mkdir()
    program.write_text(version("first"))
    process = subprocess.Popen([sys.executable, "-c", script, program.parent, sys.executable, program], cwd=tmp_path)
    yield process
    process.kill()
    process.wait()


def version(name: str) -> str:
    return f"import time\nopen('log', 'a').write('{name} ')\ntime.sleep(60)\n"


def wait_for(log: Path, text: str) -> None:
    wait_until(f"a log of {text!r}", lambda: log.exists() and log.read_text() == text, LIMIT_S, interval_s=0.02)


def test_a_changed_file_starts_the_program_again_also_after_one_that_was_broken(
    parent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    program, log = tmp_path / "code/program.py", tmp_path / "log"
    wait_for(log, "first ")
    program.write_text("open('log', 'a').write('broken '); 1 / 0")
    wait_for(log, "first broken ")
    program.write_text(version("mended"))
    wait_for(log, "first broken mended ")
    parent.terminate()
    assert parent.wait(LIMIT_S) == 0


def test_skaffold_writes_where_the_program_runs_from(chart: Chart) -> None:
    (rule,) = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["build"]["artifacts"][0]["sync"]["manual"]
    assert rule == {"src": "src/**/*.py", "dest": "/code", "strip": "src/"}
    container = at(chart.objects({"global.liveCode": True})[WORKLOADS["gateway"]], "spec/template/spec/containers/0")
    assert {"name": "PYTHONPATH", "value": "/code"} in container["env"]
    assert {"name": "code", "mountPath": "/code"} in container["volumeMounts"]
