"""An edge asks the others, over HTTP, for what has changed in their registries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from smartgrid.auth.credentials import Credentials
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry import views
from smartgrid.edge.registry.keys import hash_key
from smartgrid.edge.registry.replication import Replication
from smartgrid.edge.registry.store import Registry
from smartgrid.edge.registry.views import RegistryViews
from smartgrid.edge.settings import EdgeSettings
from smartgrid.http_server.server import HttpServer
from smartgrid.http_server.turns import Kind
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import metrics
from smartgrid.web.app import create_app, finish_app
from smartgrid.web.routes import add_routes
from support import loops
from support.ports import free_port

SPEC = ChargerSpec(security_profile=1, key_hash=hash_key("00112233445566778899AABBCCDDEEFF00112233"))
LONGEST_S = 30.0


@contextmanager
def served(registry: Registry) -> Iterator[str]:
    """The address at which an edge tells its registrations."""
    app = create_app("edge", Lifecycle(), metrics.registry())
    add_routes(app, RegistryViews(registry))
    server = HttpServer(finish_app(app, "edge"), "127.0.0.1", 0, dict.fromkeys(Kind, 2))
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Registry, Registry]]:
    with ExitStack() as stack:
        one, other = (stack.enter_context(closing(Registry(tmp_path / name))) for name in ("one", "other"))
        yield one, other


def charger(number: int) -> ChargerId:
    return ChargerId("substation-0", f"CP-{number}")


def asked(registry: Registry, urls: dict[str, str], times: int = 1, interval_s: float = 60.0) -> Replication:
    """An edge that has asked so often."""
    found = Replication(registry, lambda: urls, Credentials(EdgeSettings()), interval_s)

    async def story() -> None:
        await asyncio.wait_for(found.begin(), LONGEST_S)
        for _ in range(times - 1):
            await found.ask_all()
        await found.close()

    loops.run(story())
    return found


def test_everything_is_asked_for_page_by_page(pair: tuple[Registry, Registry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_ROWS", 3)
    one, other = pair
    for number in range(10):
        one.put(charger(number), SPEC)
    with served(one) as url:
        asked(other, {"one": url})
    assert [row.charger for row in other.page(100)] == [charger(number) for number in range(10)]


def test_only_what_has_changed_is_asked_for_again(pair: tuple[Registry, Registry]) -> None:
    one, other = pair
    one.put(charger(1), SPEC)
    with served(one) as url:
        found = asked(other, {"one": url})
        assert found._told == {"one": (one.epoch, 1)}
        one.put(charger(2), SPEC)
        asked(other, {"one": url})
        assert other.count() == 2


def test_an_edge_that_was_started_anew_is_asked_for_all_of_it(tmp_path: Path) -> None:
    with closing(Registry(tmp_path / "asks")) as asks:
        with closing(Registry(tmp_path / "one")) as one:
            for number in range(5):
                one.put(charger(number), SPEC)
            with served(one) as url:
                found = asked(asks, {"one": url})
        with closing(Registry(tmp_path / "new")) as new:
            new.put(charger(9), SPEC)
            with served(new) as url:
                replication = Replication(asks, lambda: {"one": url}, Credentials(EdgeSettings()))
                replication._told = found._told

                async def story() -> None:
                    await asyncio.wait_for(replication.ask_all(), LONGEST_S)

                loops.run(story())
        assert asks.get(charger(9)) == SPEC


def test_an_edge_that_is_not_there_is_not_waited_for_and_the_others_are_asked(pair: tuple[Registry, Registry]) -> None:
    one, other = pair
    one.put(charger(1), SPEC)
    with served(one) as url:
        gone = f"http://127.0.0.1:{free_port()}"
        asked(other, {"gone": gone, "nowhere": "http://edge-7.invalid:8083", "one": url}, times=2)
    assert other.get(charger(1)) == SPEC


def test_an_answer_that_is_not_valid_is_not_taken(pair: tuple[Registry, Registry]) -> None:
    _, other = pair
    app = create_app("edge", Lifecycle(), metrics.registry())
    server = HttpServer(finish_app(app, "edge"), "127.0.0.1", 0, dict.fromkeys(Kind, 2))
    server.start()
    try:
        asked(other, {"one": f"http://127.0.0.1:{server.port}"})
    finally:
        server.stop()
    assert other.count() == 0


def test_an_edge_goes_on_asking_the_others(pair: tuple[Registry, Registry]) -> None:
    one, other = pair
    with served(one) as url:

        async def story() -> None:
            replication = Replication(other, lambda: {"one": url}, Credentials(EdgeSettings()), interval_s=0.05)
            await replication.begin()
            one.put(charger(1), SPEC)
            while other.get(charger(1)) is None:
                await asyncio.sleep(0.01)
            one.delete(charger(1))
            while other.get(charger(1)) is not None:
                await asyncio.sleep(0.01)
            await replication.close()

        loops.run(asyncio.wait_for(story(), LONGEST_S))
