"""For which hosts a service answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from smartgrid.http_server.hosts import host_of, only_for, parse
from support.processes import Process


def answered(host: str, *, address: str = "127.0.0.1", allowed: str = "", path: str = "/status") -> str:
    """The status with which a request for this host is answered by a service that listens at this address."""
    statuses: list[str] = []

    def app(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return []

    served = only_for(app, address, parse(allowed))
    served({"HTTP_HOST": host, "PATH_INFO": path}, lambda status, _headers: statuses.append(status))
    return statuses[0][:3]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080"]
)
def test_on_loopback_this_machine_is_answered_for(host: str) -> None:
    assert answered(host) == answered(host, address="::1") == answered(host, address="localhost") == "200"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[fd00::1]",
        "",
    ],
)
def test_on_loopback_no_other_host_is(host: str) -> None:
    assert answered(host) == "421"


@pytest.mark.parametrize("host", ["anything.example", "10.0.0.1:8080", ""])
def test_elsewhere_any_host_is_as_long_as_none_is_set(host: str) -> None:
    assert answered(host, address="0.0.0.0") == "200"


def test_elsewhere_only_those_that_are_set() -> None:
    allowed = "grid.example, [fd00::1],"
    hosts = ("grid.example:443", "GRID.example", "[fd00::1]:8080", "localhost", "evil.example")
    assert [answered(host, address="0.0.0.0", allowed=allowed) for host in hosts] == ["200", "200", "200", "421", "421"]


def test_what_is_set_is_added_to_this_machine_on_loopback() -> None:
    assert [answered(host, allowed="box.lan") for host in ("box.lan", "localhost", "evil.example")] == [
        "200",
        "200",
        "421",
    ]


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_probes_are_answered_for_every_host(path: str) -> None:
    assert answered("10.0.0.1", path=path) == "200"


@pytest.mark.parametrize(
    ("header", "host"), [("A.b:1", "a.b"), ("[::1]:1", "::1"), (" a ", "a"), ("a.", "a"), ("", "")]
)
def test_the_host_is_what_stands_before_the_port(header: str, host: str) -> None:
    assert host_of(header) == host


def test_a_page_of_another_site_cannot_read_a_service_on_this_machine(tmp_path: Path) -> None:
    with Process("substation", tmp_path) as substation:
        refused = substation.call("GET", "/status", headers={"Host": "rebound.evil.example"})
        allowed = substation.call("GET", "/status", headers={"Host": f"localhost:{substation.port}"})

    assert (refused.status, refused.json()["code"]) == (421, "wrong-host")
    assert allowed.status == 200
