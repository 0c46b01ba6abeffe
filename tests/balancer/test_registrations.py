"""Substations registered and removed by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from smartgrid.balancer.discovery import Member
from smartgrid.balancer.registrations import MAX_REGISTRATIONS
from smartgrid.balancer.state import State
from support.grid import PATIENT_BALANCER, Grid, charge, together, wait_rotation
from support.http import Reply
from support.ports import free_port
from support.processes import Process, running, wait_until
from support.scripted_substation import ScriptedSubstations

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
    gone = balancer.call("DELETE", f"/charge/{session['session_id']}")
    assert (gone.status, gone.json()["code"]) == (503, "substation-unavailable")


def wait_for_status(balancer: Process) -> None:
    wait_until(lambda: balancer.call("GET", "/status").json()["capacity_kw"] > 0, 60, "its status is known")


def test_a_registration_survives_a_kill(grid: Grid, balancer: Process) -> None:
    url = grid.substations[1].url
    assert register(balancer, url, "substation-1").status == 201

    balancer.kill()
    balancer.restart()

    assert fleet(balancer) == {"substation-1": url}
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


def test_a_name_belongs_to_whoever_had_it_first_also_of_ten_at_once(balancer: Process) -> None:
    with ExitStack() as stack:
        stubs = [stack.enter_context(ScriptedSubstations(["wanted"]))["wanted"] for _ in range(10)]

        replies = together(10, lambda i: register(balancer, stubs[i].url))

        assert sorted(reply.status for reply in replies) == [201] + [409] * 9
        assert {reply.json()["code"] for reply in replies if reply.status == 409} == {"name-taken"}
        winner = next(reply.json()["url"] for reply in replies if reply.status == 201)
        assert fleet(balancer) == {"wanted": winner}
        balancer.kill()
        balancer.restart()
        assert fleet(balancer) == {"wanted": winner}


@pytest.mark.parametrize("name", [None, "later"])
def test_who_does_not_answer_is_not_registered(balancer: Process, name: str | None) -> None:
    unreachable = register(balancer, f"http://127.0.0.1:{free_port()}", name)

    assert (unreachable.status, unreachable.json()["code"]) == (422, "substation-unreachable")
    assert fleet(balancer) == {}


def test_who_calls_itself_otherwise_is_not_registered(grid: Grid, balancer: Process) -> None:
    other = register(balancer, grid.substations[0].url, "substation-7")

    assert (other.status, other.json()["code"]) == (422, "other-name")
    assert "calls itself substation-0" in other.json()["detail"]
    assert fleet(balancer) == {}


def test_a_balancer_is_not_registered_at_itself(balancer: Process) -> None:
    refused = register(balancer, balancer.url)

    assert (refused.status, refused.json()["code"]) == (422, "loop")
    assert fleet(balancer) == {}


def test_a_balancer_is_not_registered_beneath_itself(balancer: Process, tmp_path: Path) -> None:
    between = Process("balancer", tmp_path / "between", name="between", poll_interval_s=0.25)
    top = Process("balancer", tmp_path / "top", name="top", poll_interval_s=0.25)
    with running(between, top):
        assert register(top, between.url).status == 201
        assert register(between, balancer.url).status == 201
        wait_until(lambda: len(top.call("GET", "/status").json()["balancers"]) == 3, 60, "top sees both beneath it")

        refused = register(balancer, top.url)

        assert (refused.status, refused.json()["code"]) == (422, "loop")
        assert fleet(balancer) == {}


def test_a_balancer_whose_settings_lead_back_to_it_takes_no_notice_of_what_is_there(tmp_path: Path) -> None:
    """Else its capacity would grow by itself, and each car go round in a circle."""
    one, other = Process("balancer", tmp_path / "one"), Process("balancer", tmp_path / "other")
    one.settings |= {"name": "one", "poll_interval_s": 0.25, "substations": f"other={other.url},self={one.url}"}
    other.settings |= {"name": "other", "poll_interval_s": 0.25, "substations": f"one={one.url}"}
    with ScriptedSubstations(["real"]) as stubs, running(one, other):
        assert register(one, stubs["real"].url).status == 201
        wait_rotation(one, "real", True)
        wait_rotation(one, "self", False)
        for _ in range(20):
            assert one.call("GET", "/status").json()["capacity_kw"] in (0, 100)
            assert other.call("GET", "/status").json()["capacity_kw"] in (0, 100)
            time.sleep(0.05)


def test_there_is_a_bound(grid: Grid, tmp_path: Path) -> None:
    with closing(State(tmp_path / "data")) as state:
        for number in range(MAX_REGISTRATIONS):
            state.register(Member(f"absent-{number}", f"http://127.0.0.1:1{number:04}"))
    with Process("balancer", tmp_path, poll_interval_s=300, data_dir=tmp_path / "data") as balancer:
        refused = register(balancer, grid.substations[0].url)

        assert (refused.status, refused.json()["code"]) == (409, "too-many-registrations")


@pytest.mark.parametrize("allowed", ["none", "*.grid.svc"])
def test_where_no_target_is_allowed_nothing_is_registered(grid: Grid, tmp_path: Path, allowed: str) -> None:
    with Process("balancer", tmp_path, allowed_targets=allowed) as balancer:
        refused = register(balancer, grid.substations[0].url)

        assert (refused.status, refused.json()["code"]) == (403, "target-not-allowed")


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
