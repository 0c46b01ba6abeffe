"""A site whose name was made to lead to this machine gets nothing from a balancer that asks nothing of anyone."""

from __future__ import annotations

import pytest

from support.http import Reply
from support.processes import Process


def ask(balancer: Process, host: str, method: str = "GET", path: str = "/console/feed") -> Reply:
    return balancer.call(method, path, headers={"Host": host})


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.1.2.3"])
def test_names_of_this_machine_are_served(balancer: Process, host: str) -> None:
    assert ask(balancer, host.format(port=balancer.port)).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:8081", "localhost.evil.example.com", "10.0.0.1"]
)
def test_other_names_are_not(balancer: Process, host: str) -> None:
    reply = ask(balancer, host)

    assert (reply.status, reply.json()["code"]) == (421, "misdirected-request")
    assert ask(balancer, host, "DELETE", "/charge/substation-0.x").status == 421


def test_probes_are_answered_under_any_name(balancer: Process) -> None:
    assert ask(balancer, "balancer", path="/ready").status == 200
    assert ask(balancer, "balancer", path="/metrics").status == 200
