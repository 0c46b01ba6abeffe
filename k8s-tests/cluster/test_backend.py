"""Which cluster a machine gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.backend import Machine, NoBackendError, choose

BARE = Machine(
    context=None, forced=None, docker_answers=False, debian=False, root=False, go=False, namespaces=False
)  # fmt: skip
ABLE = replace(BARE, debian=True, root=True, go=True, namespaces=True)


def test_named_context_comes_first() -> None:
    assert choose(replace(ABLE, context="mine", docker_answers=True)).kind == "existing"


def test_kind_comes_before_the_local_cluster() -> None:
    assert choose(replace(ABLE, docker_answers=True)).kind == "kind"


def test_without_docker_it_is_the_local_cluster() -> None:
    assert choose(ABLE).kind == "local"


def test_a_forced_kind_wins() -> None:
    assert choose(replace(ABLE, docker_answers=True, forced="local")).kind == "local"


@pytest.mark.parametrize(
    ("machine", "what"),
    [
        (replace(ABLE, debian=False), "needs Debian (its packages)"),
        (replace(ABLE, root=False), "needs root"),
        (replace(ABLE, go=False), "needs Go (it builds Kubernetes)"),
        (replace(ABLE, namespaces=False), "needs the right to make namespaces (CAP_SYS_ADMIN)"),
        (replace(ABLE, root=False, go=False), "needs root and Go (it builds Kubernetes)"),
        (replace(ABLE, forced="none"), "SMARTGRID_TEST_BACKEND is none"),
        (replace(ABLE, forced="minikube"), "must be one of existing, kind, local, none"),
    ],
)
def test_where_none_is_possible_the_reason_is_said(machine: Machine, what: str) -> None:
    with pytest.raises(NoBackendError, match=what.replace("(", r"\(").replace(")", r"\)")):
        choose(machine)
