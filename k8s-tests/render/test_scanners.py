"""What checkov and kube-score find in chart, Dockerfiles and workflows: nothing, but for exceptions with reasons.

The chart is looked at as a release has it, with digests of images, and with all that it can install.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import tools
from render.charts import ROOT, SERVICES
from render.manifests import MONITORING_APIS, Chart
from render.value_cases import DIGEST

EVERYTHING: dict[str, Any] = {
    "loadtest.enabled": True,
    "gateway.autoscaling.enabled": True,
    "balancer.autoscaling.enabled": True,
    "substation.autoscaling.enabled": True,
    "gateway.ingress.enabled": True,
    "gateway.ingress.hosts": ["grid.example.com"],
    **{f"{service}.image.digest": DIGEST for service in SERVICES},
}
# `helm template` prints every object once; this many checks are a sign that the scanner has looked at them.
LEAST_CHECKS = 300
TIMEOUT_S = 120
ALL_WELL = 10  # kube-score's best grade

NO_CPU_LIMIT = "a limit throttles, which adds latency and protects nobody: requests share the CPU out"
BY_DIGEST = "an image by its digest is always the same, so there is nothing newer to pull"
RUNS_ONCE = "a pod that runs once and tells by its exit code; there is nothing to probe"
FINDS_SUBSTATIONS = "the balancer, and no other pod, watches EndpointSlices"
SPREAD = "pods are spread by topologySpreadConstraints, softly: a cluster of one node must run them all"

CHECKOV: dict[tuple[str, str], str] = {
    **{("CKV_K8S_11", where): NO_CPU_LIMIT for where in (*SERVICES, "test")},
    ("CKV_K8S_8", "test"): RUNS_ONCE,
    ("CKV_K8S_9", "test"): RUNS_ONCE,
    ("CKV_K8S_38", "balancer"): FINDS_SUBSTATIONS,
}
KUBE_SCORE: dict[tuple[str, str], str] = {
    **{("container-resources", where): NO_CPU_LIMIT for where in (*SERVICES, "test")},
    **{("container-image-pull-policy", where): BY_DIGEST for where in (*SERVICES, "test")},
    **{
        (f"{kind}-has-host-podantiaffinity", where): SPREAD
        for kind, where in (
            ("statefulset", "substation"),
            ("statefulset", "edge"),
            ("deployment", "balancer"),
            ("deployment", "gateway"),
        )
    },
}
"""By check and object, without the release before it and the revision behind it."""


@pytest.fixture(scope="module")
def manifests(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scanned") / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(chart.render(EVERYTHING, apis=MONITORING_APIS)))
    return path


def test_checkov_finds_nothing_that_has_no_reason(manifests: Path) -> None:
    folder = manifests.parent
    shutil.copytree(ROOT / "images", folder / "images")
    shutil.copytree(ROOT / ".github", folder / ".github")
    frameworks = ("kubernetes", "dockerfile", "github_actions")
    options = ("--compact", "--quiet", "--skip-download", "--output=json")
    program = tools.install_from_pypi("checkov")
    reports = json.loads(output(program, "--directory", folder, "--framework", *frameworks, *options))
    checks = {report["check_type"]: report["summary"]["passed"] for report in reports}
    assert set(checks) == set(frameworks)
    assert checks["kubernetes"] > LEAST_CHECKS
    failed = [check for report in reports for check in report["results"]["failed_checks"]]
    compare(((each["check_id"], object_name(each["resource"]), each["check_name"]) for each in failed), CHECKOV)


def test_kube_score_finds_nothing_that_has_no_reason(manifests: Path) -> None:
    try:
        program = tools.install("kube-score")
    except tools.NoGoError as reason:
        pytest.skip(str(reason))
    report = json.loads(output(program, "score", "--kubernetes-version=v1.34", "--output-format=json", manifests))
    checks = [(scored["object_meta"]["name"], check) for scored in report for check in scored["checks"]]
    done = [(name, check) for name, check in checks if not check["skipped"]]
    assert len(done) > LEAST_CHECKS / 3
    found = [
        (check["check"]["id"], object_name(name), comment["summary"])
        for name, check in done
        if check["grade"] < ALL_WELL
        for comment in check["comments"] or [{"summary": check["check"]["name"]}]
    ]
    compare(found, KUBE_SCORE)


def output(*command: object) -> str:
    """What it prints, whether it finds something (and says so by its exit code) or not."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False).stdout


def object_name(resource: str) -> str:
    """`Deployment.power.grid-gateway` as `gateway`; the pod of `helm test` as `test`."""
    name = next(part for part in resource.split(".") if part.startswith("grid-"))
    return "test" if name.endswith("-test-charge") else name.removeprefix("grid-").removesuffix("-1")


def compare(found: Iterable[tuple[str, str, str]], reasons: dict[tuple[str, str], str]) -> None:
    """Every finding has its reason, and no reason is left over from what was mended."""
    seen: Counter[tuple[str, str]] = Counter()
    unexplained = []
    for check, where, text in found:
        seen[check, where] += 1
        if (check, where) not in reasons:
            unexplained.append(f"{check} {where}: {text}")
    assert unexplained == []
    assert [exception for exception in reasons if not seen[exception]] == []
