"""Where substations are: from a setting, or from the balancer, and remembered."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.grid.harness import LONGEST_S, Running, running
from edge.grid.strange_substation import Asked, Said, StrangeSubstation, offer
from smartgrid.edge.grid.directory import FILE
from support.ports import free_port
from support.processes import wait_until


class StrangeBalancer(StrangeSubstation):
    """Names `members` as the fleet."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.members: list[dict[str, object]] = []

    def answer(self, asked: Asked) -> Said:
        assert asked.path == "/substations"
        return Said(200, {"substations": self.members})

    def name(self, name: str, url: str) -> None:
        self.members = [each for each in self.members if each["name"] != name]
        self.members.append({"name": name, "url": url, "in_rotation": True, "more": None})


@pytest.fixture
def balancer() -> Iterator[StrangeBalancer]:
    with StrangeBalancer() as found:
        yield found


@pytest.fixture
def substation() -> Iterator[StrangeSubstation]:
    with StrangeSubstation() as found:
        yield found


def wait_known(edge: Running, name: str) -> None:
    wait_until(lambda: edge.do(edge.grid.knows, name), LONGEST_S, f"{name} is known")


def test_substations_of_the_setting_are_known_at_once_and_no_others() -> None:
    with running({"s0": "http://127.0.0.1:1"}) as edge:
        assert edge.do(edge.grid.knows, "s0")
        assert not edge.do(edge.grid.knows, "s1")


def test_the_balancer_tells_where_substations_are(balancer: StrangeBalancer, substation: StrangeSubstation) -> None:
    balancer.name("s0", substation.url)
    with running(balancer_url=balancer.url) as edge:
        edge.watch()  # also before it is known

        assert edge.wait_offers().substation == "s0"


def test_a_substation_that_is_named_later_is_found(balancer: StrangeBalancer, substation: StrangeSubstation) -> None:
    with running(balancer_url=balancer.url) as edge:
        edge.watch()
        balancer.wait_asked("GET /substations", 2)

        balancer.name("s0", substation.url)

        edge.wait_offers()


def test_an_edge_starts_without_a_balancer_once_it_has_seen_one(
    balancer: StrangeBalancer, substation: StrangeSubstation, tmp_path: Path
) -> None:
    balancer.name("s0", substation.url)
    with running(balancer_url=balancer.url, data_dir=tmp_path) as edge:
        wait_known(edge, "s0")
        wait_until((tmp_path / FILE).exists, LONGEST_S, "it is kept")

    with running(balancer_url=f"http://127.0.0.1:{free_port()}", data_dir=tmp_path) as edge:
        assert edge.do(edge.grid.knows, "s0")
        edge.watch()
        edge.wait_offers()


def test_where_substations_are_is_the_owners_business(balancer: StrangeBalancer, tmp_path: Path) -> None:
    balancer.name("s0", "http://127.0.0.1:1")
    with running(balancer_url=balancer.url, data_dir=tmp_path):
        wait_until((tmp_path / FILE).exists, LONGEST_S, "it is kept")

    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"rubbish", b"{}", b'[{"name": "s0"}]', b"\xff\xff"])
def test_a_file_that_cannot_be_read_stops_no_edge(
    balancer: StrangeBalancer, substation: StrangeSubstation, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    balancer.name("s0", substation.url)

    with running(balancer_url=balancer.url, data_dir=tmp_path) as edge:
        edge.watch()
        edge.wait_offers()


def test_a_substation_that_is_no_longer_named_is_still_known(balancer: StrangeBalancer) -> None:
    balancer.name("s0", "http://127.0.0.1:1")
    with running(balancer_url=balancer.url) as edge:
        wait_known(edge, "s0")

        balancer.members = []
        balancer.name("s1", "http://127.0.0.1:1")

        wait_known(edge, "s1")
        assert edge.do(edge.grid.knows, "s0")


def test_a_substation_at_another_address_is_followed_at_once(
    balancer: StrangeBalancer, substation: StrangeSubstation
) -> None:
    old = f"http://127.0.0.1:{free_port()}"
    balancer.name("s0", old)
    with running(balancer_url=balancer.url) as edge:
        edge.watch()
        wait_until(lambda: edge.grid.counters.offers["unanswered"] >= 1, LONGEST_S, "nobody is there")

        balancer.name("s0", substation.url)
        substation.offer(offer("s-1"))

        assert edge.wait_offers().sessions[0].session_id == "s-1"


def test_a_poll_that_is_open_ends_when_the_substation_is_elsewhere(
    balancer: StrangeBalancer, substation: StrangeSubstation
) -> None:
    """The old pod may hang, with its connection open."""
    with StrangeSubstation() as old:
        balancer.name("s0", old.url)
        with running(balancer_url=balancer.url) as edge:
            edge.watch()
            wait_until(lambda: old.polls_open == 1, LONGEST_S, "a poll is open")
            told = len(edge.heard.offers)

            balancer.name("s0", substation.url)

            edge.wait_offers(told + 1)
            assert substation.asked("GET /offers")


@pytest.mark.parametrize(
    "strange",
    [
        Said(500, {}),
        Said(200, b"rubbish"),
        Said(200, {}),
        Said(200, {"substations": {}}),
        Said(200, {"substations": [7]}),
        None,
    ],
    ids=["500", "rubbish", "empty", "no list", "no member", "closed"],
)
def test_an_answer_of_the_balancer_that_cannot_be_changes_nothing(
    balancer: StrangeBalancer, substation: StrangeSubstation, strange: Said | None
) -> None:
    balancer.name("s0", substation.url)
    with running(balancer_url=balancer.url) as edge:
        wait_known(edge, "s0")

        balancer.scripts["GET /substations"] = lambda _asked: strange
        asked = len(balancer.requests)
        edge.do(edge.directory.ask)
        balancer.wait_asked("GET /substations", asked + 2)

        assert edge.do(edge.grid.knows, "s0")
        wait_until(lambda: not edge.directory.is_answered, LONGEST_S, "it is seen that it is no answer")


@pytest.mark.parametrize(
    "member",
    [
        {"name": "Bad Name", "url": "http://127.0.0.1:1"},
        {"name": "s1", "url": "file:///etc/passwd"},
        {"name": "s1", "url": "http://user@host"},
        {"name": "s1", "url": "http://host/path"},
    ],
)
def test_a_member_that_cannot_be_spoils_no_other(balancer: StrangeBalancer, member: dict[str, object]) -> None:
    balancer.members = [member]
    balancer.name("s0", "http://127.0.0.1:1")
    with running(balancer_url=balancer.url) as edge:
        wait_known(edge, "s0")

        assert edge.do(edge.directory.names) == ["s0"]
