"""What a pod that was found by the API server is told that it is asked as: a balancer in front of real sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from balancer.discovery.scripted_api_server import ApiServer, Listing, Script, endpoint, endpoint_slice
from balancer.scripted_grid import charge, seen
from support.processes import Process, wait_until
from support.scripted_substation import ScriptedSubstations

pytestmark = pytest.mark.timeout(120)
NAME, HOST = "substation-0", "substation-0.substation.grid.svc"


def test_polls_and_cars_name_the_pod_while_they_go_to_its_address(
    start_server: Callable[..., ApiServer], kubeconfig: Callable[[int], None], tmp_path: Path
) -> None:
    with ScriptedSubstations([NAME]) as stubs:
        stub = stubs[NAME]
        pod = endpoint_slice(
            "a",
            endpoint(NAME, "127.0.0.1", ready=True),
            metadata={"name": "a", "namespace": "grid", "labels": {"kubernetes.io/service-name": "substation"}},
            ports=[{"name": "http", "port": stub.port, "protocol": "TCP"}],
        )
        kubeconfig(start_server(Script(Listing([pod]))).server_address[1])
        with Process("balancer", tmp_path, discovery="kubernetes", kubernetes_service="substation") as balancer:
            wait_until(lambda: seen(balancer, NAME).get("in_rotation") is True, 60, "it is in rotation")
            placed = charge(balancer, "key")
            assert placed.status == 201
            assert balancer.call("DELETE", f"/charge/{placed.json()['session_id']}").status == 200
        for what in ("GET /status", "POST /charge", "DELETE /charge"):
            assert {each.headers["host"] for each in stub.asked(what)} == {HOST}
