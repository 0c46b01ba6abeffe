"""Istio's own program finds what the chart tells it to be right, down to the names of fields."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from cluster import istio, tools
from render.manifests import ISTIO_APIS, Chart, Manifest
from render.test_mesh import ISTIO_KINDS, MODES, WANTED

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def istioctl() -> Path:
    try:
        return istio.install()
    except tools.NoGoError as reason:
        pytest.skip(str(reason))


def validate(istioctl: Path, manifests: list[Manifest]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [istioctl, "validate", "--filename", "-"],
        input=yaml.safe_dump_all(manifests),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("mode", MODES)
def test_istio_finds_nothing_wrong(istioctl: Path, chart: Chart, mode: str) -> None:
    manifests = chart.render({**WANTED, "global.mesh": mode}, apis=ISTIO_APIS)
    assert {manifest["kind"] for manifest in manifests} >= ISTIO_KINDS
    done = validate(istioctl, manifests)
    assert (done.returncode, done.stderr) == (0, "validation succeed\n"), done.stdout


def test_istio_would_find_a_misspelt_field(istioctl: Path, chart: Chart) -> None:
    manifests = chart.render({**WANTED, "global.mesh": MODES[0]}, apis=ISTIO_APIS)
    policy = next(manifest for manifest in manifests if manifest["kind"] == "AuthorizationPolicy")
    misspelt = {**policy, "spec": {**policy["spec"], "rulez": []}}
    done = validate(istioctl, [misspelt])
    assert done.returncode != 0
    assert "rulez" in done.stdout + done.stderr
