"""Substations registered and removed by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import quote

import pytest

from support.grid import PATIENT_BALANCER, Grid, charge, together, wait_rotation
from support.http import Reply
from support.ports import free_port
from support.processes import Process, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A balancer that begins without substations."""
    with Process("balancer", tmp_path_factory.mktemp("empty"), poll_interval_s=0.25, **PATIENT_BALANCER) as balancer:
        yield balancer


@pytest.fixture
def balancer(shared: Process) -> Process:
    for url in fleet(shared).values():
        assert remove(shared, url).status == 200
    return shared


def register(balancer: Process, url: str, name: str | None = None) -> Reply:
    return balancer.call("POST", "/substations", json={"url": url, **({"name": name} if name else {})})


def remove(balancer: Process, url: str) -> Reply:
    return balancer.call("DELETE", f"/substations/{quote(url, safe='')}")


def fleet(balancer: Process) -> dict[str, str]:
    return {each["name"]: each["url"] for each in balancer.call("GET", "/substations").json()["substations"]}


def test_a_registered_substation_gets_cars_and_a_removed_one_none(grid: Grid, balancer: Process) -> None:
    url = grid.substations[0].url
    assert charge(balancer).json()["detail"].startswith("There is no substation yet")

    added = register(balancer, url)
    assert (added.status, added.json()["name"], added.json()["url"]) == (201, "substation-0", url)
    wait_rotation(balancer, "substation-0", True)
    wait_for_status(balancer)
    session = charge(balancer).json()
    assert session["substation"] == "substation-0"

    assert remove(balancer, url).json()["name"] == "substation-0"
    assert fleet(balancer) == {}
    assert charge(balancer).status == 503
    gone = balancer.call("GET", f"/charge/{session['session_id']}")
    assert (gone.status, gone.json()["code"]) == (503, "substation-unavailable")


def wait_for_status(balancer: Process) -> None:
    wait_until(lambda: balancer.call("GET", "/status").json()["capacity_kw"] > 0, 60, "its status is known")


def test_a_registration_survives_a_kill(grid: Grid, balancer: Process) -> None:
    url = grid.substations[1].url
    assert register(balancer, url, "by-hand").status == 201

    balancer.kill()
    balancer.restart()

    assert fleet(balancer) == {"by-hand": url}
    wait_for_status(balancer)


def test_registering_twice_is_registering_once(grid: Grid, balancer: Process) -> None:
    url = grid.substations[0].url
    assert [register(balancer, url).status for _ in range(2)] == [201, 200]
    assert register(balancer, url.upper().replace("HTTP", "Http") + "/").status == 200
    assert len(fleet(balancer)) == 1


def test_removing_twice(grid: Grid, balancer: Process) -> None:
    url = grid.substations[0].url
    assert register(balancer, url).status == 201
    assert [remove(balancer, url).status for _ in range(2)] == [200, 404]


def test_the_url_to_remove_may_come_as_it_is(grid: Grid, balancer: Process) -> None:
    url = grid.substations[0].url
    assert register(balancer, url).status == 201
    assert balancer.call("DELETE", f"/substations/{url}").status == 200


def test_a_name_belongs_to_whoever_had_it_first(grid: Grid, balancer: Process) -> None:
    first, second = (substation.url for substation in grid.substations[:2])
    assert register(balancer, first, "same").status == 201

    taken = register(balancer, second, "same")

    assert (taken.status, taken.json()["code"]) == (409, "name-taken")
    assert fleet(balancer) == {"same": first}


def test_ten_at_once_for_one_name(balancer: Process) -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(10)]

    replies = together(10, lambda i: register(balancer, urls[i], "wanted"))

    assert sorted(reply.status for reply in replies) == [201] + [409] * 9
    winner = next(reply.json()["url"] for reply in replies if reply.status == 201)
    assert fleet(balancer) == {"wanted": winner}
    balancer.kill()
    balancer.restart()
    assert fleet(balancer) == {"wanted": winner}


def test_who_does_not_answer_needs_a_name(balancer: Process) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    unreachable = register(balancer, url)
    assert (unreachable.status, unreachable.json()["code"]) == (422, "substation-unreachable")

    assert register(balancer, url, "later").status == 201
    wait_rotation(balancer, "later", False)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8082",
        "http://169.254.169.254",
        "http://metadata.google.internal",
        "http://substation.example:8082",
        "http://2130706433:8082",
        "http://0x7f000001:8082",
        "http://[::ffff:10.0.0.1]:8082",
    ],
)
def test_targets_that_are_not_allowed(balancer: Process, url: str) -> None:
    refused = register(balancer, url, "elsewhere")
    assert (refused.status, refused.json()["code"]) == (403, "target-not-allowed")
    assert fleet(balancer) == {}


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1:8082",
        "http://127.0.0.1:8082/path",
        "127.0.0.1:8082",
        "http:",
    ],
)
def test_what_is_no_substations_url(balancer: Process, url: str) -> None:
    refused = register(balancer, url, "wrong")
    assert (refused.status, refused.json()["code"]) == (422, "invalid-request")


def test_a_redirect_is_not_followed(grid: Grid, balancer: Process) -> None:
    asked: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"{grid.substations[0].url}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            refused = register(balancer, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join(10)

    assert (refused.status, refused.json()["code"]) == (422, "substation-unreachable")
    assert asked == ["/status"]


def test_what_comes_from_the_settings_is_not_removed_over_the_api(grid: Grid) -> None:
    refused = remove(grid.balancer, grid.substations[0].url)
    assert (refused.status, refused.json()["code"]) == (409, "not-registered")
