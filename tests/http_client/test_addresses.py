"""Names are resolved within the deadline, and a name service that is away ends no one's service."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from smartgrid.http_client import addresses
from smartgrid.http_client.addresses import Address, Addresses
from smartgrid.http_client.client import HttpClient, NotSentError
from support.ports import free_port
from support.rough_server import answers, server

HERE: Address = (socket.AF_INET, ("127.0.0.1", 80))
THERE: Address = (socket.AF_INET, ("127.0.0.2", 80))


class NameService:
    """A name service that can be made to hang, to fail and to tell something else; real ones do not do so on demand."""

    def __init__(self, *found: Address) -> None:
        self.found = list(found)
        self.asked = threading.Semaphore(0)
        self.well = threading.Event()
        self.well.set()
        self.error: Exception | None = None

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.release()
        self.well.wait(60)
        if self.error is not None:
            raise self.error
        return list(self.found)


@pytest.fixture
def names() -> Iterator[NameService]:
    service = NameService(HERE)
    yield service
    service.well.set()  # its threads are needed again


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is at once too old to be used without asking."""
    monkeypatch.setattr(addresses, "FRESH_S", 0.0)


def soon() -> float:
    return time.monotonic() + 0.1


def in_a_while() -> float:
    return time.monotonic() + 30


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_needs_no_name_service(host: str, names: NameService) -> None:
    found = Addresses(host, 80, names).find(in_a_while())
    assert [place[0] for _, place in found] == [host]
    assert not names.asked.acquire(blocking=False)


def test_a_name_is_resolved_and_remembered(names: NameService) -> None:
    host = Addresses("a.example", 80, names)
    assert [host.find(in_a_while()) for _ in range(3)] == [[HERE]] * 3
    assert names.asked.acquire(blocking=False)
    assert not names.asked.acquire(blocking=False)


def test_a_name_service_that_hangs_is_waited_for_until_the_deadline_only(names: NameService) -> None:
    names.well.clear()
    begun_s = time.monotonic()
    with pytest.raises(TimeoutError, match=r"a\.example"):
        Addresses("a.example", 80, names).find(soon())
    assert time.monotonic() - begun_s < 30  # not the 60 s that it hangs


def test_all_who_wait_get_the_one_lookup_under_way(names: NameService) -> None:
    names.well.clear()
    host = Addresses("a.example", 80, names)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            host.find(soon())
    names.well.set()
    assert host.find(in_a_while()) == [HERE]
    assert names.asked.acquire(blocking=False)
    assert not names.asked.acquire(blocking=False)


@pytest.mark.usefixtures("stale")
def test_the_last_good_address_is_used_while_the_name_service_hangs(names: NameService) -> None:
    host = Addresses("a.example", 80, names)
    host.find(in_a_while())
    names.well.clear()
    assert [host.find(in_a_while()) for _ in range(3)] == [[HERE]] * 3


@pytest.mark.usefixtures("stale")
def test_the_last_good_address_is_used_while_the_name_service_fails(names: NameService) -> None:
    host = Addresses("a.example", 80, names)
    host.find(in_a_while())
    names.error = OSError("no such name")
    assert host.find(in_a_while()) == [HERE]


@pytest.mark.usefixtures("stale")
def test_a_name_that_moves_is_followed(names: NameService) -> None:
    host = Addresses("a.example", 80, names)
    host.find(in_a_while())
    names.found = [THERE]
    assert host.find(in_a_while()) == [THERE]


@pytest.mark.parametrize("error", [OSError("no such name"), RuntimeError("a fault in the resolver")])
def test_a_name_that_is_not_found_says_so_to_everyone_and_is_asked_for_again(
    error: Exception, names: NameService
) -> None:
    names.error = error
    host = Addresses("a.example", 80, names)
    with pytest.raises(OSError, match=str(error)):
        host.find(in_a_while())
    names.error = None
    assert host.find(in_a_while()) == [HERE]


def test_a_name_without_an_address_is_not_found(names: NameService) -> None:
    names.found = []
    with pytest.raises(OSError, match="no address"):
        Addresses("a.example", 80, names).find(in_a_while())


def test_hanging_lookups_take_a_bounded_number_of_threads(names: NameService) -> None:
    names.well.clear()
    for number in range(40):
        with pytest.raises(TimeoutError):
            Addresses(f"{number}.example", 80, names).find(time.monotonic() + 0.001)
    assert sum(thread.name.startswith("lookup") for thread in threading.enumerate()) <= 8


# ------------------------------------------------------------------ with the client


def resolves_to(monkeypatch: pytest.MonkeyPatch, *hosts: str, hangs_s: float = 0) -> None:
    real = socket.getaddrinfo

    def found(host: str, port: int, *args: object, flags: int = 0, **more: object) -> object:
        if not host.endswith(".example"):
            return real(host, port, *args, flags=flags, **more)  # type: ignore[arg-type]
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        time.sleep(hangs_s)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_request_does_not_wait_for_a_name_beyond_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.0.0.1", hangs_s=5)
    begun_s = time.monotonic()
    with closing(HttpClient("http://a.example:80", connect_timeout_s=60)) as http, pytest.raises(NotSentError):
        http.request("GET", "/", timeout_s=0.2)
    assert time.monotonic() - begun_s < 4


def test_the_next_address_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    with server(answers(b"1"), answers(b"2")) as rough:
        port = rough.url.rpartition(":")[2]
        with closing(HttpClient(f"http://a.example:{port}", max_age_s=0)) as http:
            assert [http.request("GET", "/", timeout_s=10).body for _ in range(2)] == [b"1", b"2"]


def test_an_address_that_drops_packets_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    with (
        server(answers(b"1")) as rough,
        full_server("127.0.0.2", int(rough.url.rpartition(":")[2])) as port,
        closing(HttpClient(f"http://a.example:{port}", connect_timeout_s=2)) as http,
    ):
        assert http.request("GET", "/", timeout_s=10).body == b"1"


@contextmanager
def full_server(host: str, port: int) -> Iterator[int]:
    """One whose queue has no more room, so that the kernel drops whoever comes."""
    with socket.create_server((host, port), backlog=0) as listener, ExitStack() as crowd:
        for _ in range(4):
            one = crowd.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield port


def test_an_address_that_could_not_be_reached_is_tried_last_the_next_time(names: NameService) -> None:
    names.found = [HERE, THERE]
    host = Addresses("a.example", 80, names)
    host.find(in_a_while())
    host.demote(HERE)
    assert host.find(in_a_while()) == [THERE, HERE]


def test_where_all_addresses_refuse_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    with closing(HttpClient(f"http://a.example:{free_port()}")) as http, pytest.raises(NotSentError, match="refused"):
        http.request("GET", "/", timeout_s=10)
