"""Other spellings of a path lead to nothing that the path itself does not lead to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.http import answers, call
from support.ports import free_port
from support.processes import Process, wait_until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Its probes have a port of their own; no balancer answers, which does not matter here."""
    process = Process(
        "gateway",
        tmp_path_factory.mktemp("paths"),
        probe_port=free_port(),
        balancer_url="http://127.0.0.1:1",
        allowed_hosts="grid.example",
    ).launch()
    try:
        wait_until(lambda: answers(f"{process.url}/health"), 60, "the gateway lives")
        yield process
    finally:
        process.end()


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%2fmetrics", "///metrics", "/metrics/", "/%6detrics"])
def test_metrics_that_have_a_port_of_their_own_are_at_no_other(gateway: Process, path: str) -> None:
    assert call("GET", f"http://127.0.0.1:{gateway.settings['probe_port']}/metrics").status == 200
    assert gateway.call("GET", path).status == 404


def test_nobody_is_sent_on_to_the_host_that_a_request_names(gateway: Process) -> None:
    reply = gateway.call("GET", "/sessions//substation-0.x", headers={"Host": "grid.example"})
    assert (reply.status, reply.headers.get("Location")) == (404, None)
