"""A release's life: install, test, upgrade, roll back, uninstall."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cluster.backend import Backend
from harness.api import KubeApi
from harness.grid import Grid
from harness.helm import Helm
from harness.namespace import restricted_namespace

# What NOTES.txt says stays, and what every namespace has.
DOCUMENTED = {"persistentvolumeclaim"}
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
KINDS = (
    "pods,services,endpointslices,configmaps,secrets,serviceaccounts,persistentvolumeclaims,deployments,statefulsets,"
    "replicasets,jobs,roles,rolebindings,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,ingresses"
)


@pytest.fixture(scope="module")
def release(cluster: Backend, api: KubeApi, common_values: dict[str, object]) -> Iterator[Grid]:
    with restricted_namespace(api, "smart-grid-test-lifecycle") as namespace:
        helm = Helm(cluster, namespace, "grid")
        helm.install({**common_values, "substation.replicaCount": 2})
        yield Grid(api, cluster, namespace, "grid", helm)


def test_installed_release_passes_its_own_test(release: Grid) -> None:
    assert "Phase:          Succeeded" in release.helm.test()


def test_default_is_two_balancers_and_two_gateways(release: Grid) -> None:
    assert (len(release.pods("balancer")), len(release.pods("gateway"))) == (2, 2)


def test_upgrade_applies_changed_values(release: Grid, common_values: dict[str, object]) -> None:
    release.helm.upgrade({**common_values, "substation.replicaCount": 3, "substation.capacityKw": 42})
    release.wait_for_fleet()
    capacities_kw = {pod.name: release.ask(pod.name, "/status")["capacity_kw"] for pod in release.pods("substation")}
    assert capacities_kw == {"grid-substation-0": 42, "grid-substation-1": 42, "grid-substation-2": 42}


def test_upgraded_release_passes_its_own_test(release: Grid) -> None:
    assert "Phase:          Succeeded" in release.helm.test()


def test_rollback_restores_the_first_revision(release: Grid) -> None:
    release.helm.rollback(1)
    release.wait_for_rollout("substation")
    assert [pod.name for pod in release.pods("substation")] == ["grid-substation-0", "grid-substation-1"]


def test_rolled_back_release_passes_its_own_test(release: Grid) -> None:
    release.wait_for_fleet()
    assert "Phase:          Succeeded" in release.helm.test()


def test_uninstall_leaves_only_the_volume_claims(release: Grid, tell: Callable[[str], None]) -> None:
    release.helm.uninstall()
    listed = release.api.kubectl("get", KINDS, f"--namespace={release.namespace}", "--output=name").split()
    left = {name.replace(".apps/", "/") for name in listed} - OF_EVERY_NAMESPACE
    tell(f"left after uninstall: {', '.join(sorted(left))}")
    assert {name.partition("/")[0] for name in left} == DOCUMENTED
