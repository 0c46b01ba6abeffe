"""What the images hold, looked at in the running pods."""

from __future__ import annotations

import json
import re

import pytest

from cluster.paths import REPOSITORY
from harness.grid import Grid

LOOK = """
import importlib.metadata as m, importlib.util as u, json, os, shutil
print(json.dumps({
    "user": os.getuid(),
    "distributions": sorted(d.metadata["Name"] for d in m.distributions()),
    "tools": [t for t in ("pip", "pip3", "gcc", "cc", "make", "go") if shutil.which(t)],
    "pip": u.find_spec("pip") is not None or u.find_spec("ensurepip") is not None,
}))
"""


def look(grid: Grid, service: str) -> dict[str, object]:
    pod = grid.pods(service)[0].name
    found = grid.api.kubectl("exec", f"--namespace={grid.namespace}", pod, "--", "python", "-c", LOOK)
    return dict(json.loads(found))


def locked(service: str) -> set[str]:
    lines = (REPOSITORY / f"requirements/{service}.txt").read_text().splitlines()
    return {normal(match[1]) for line in lines if (match := re.match(r"([\w.-]+)(\[.*\])?==", line))}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", ["substation", "balancer", "gateway", "edge"])
def test_image_has_no_compiler_no_pip_and_no_root(grid: Grid, service: str) -> None:
    found = look(grid, service)
    assert (found["user"], found["tools"], found["pip"]) == (65532, [], False)


@pytest.mark.parametrize("service", ["substation", "balancer", "gateway", "edge"])
def test_image_has_only_what_its_service_needs(grid: Grid, service: str) -> None:
    distributions = look(grid, service)["distributions"]
    assert isinstance(distributions, list)
    assert {normal(name) for name in distributions} <= locked(service) | {"smartgrid"}
