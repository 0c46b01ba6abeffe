"""One list of the chargers of all edges, where another edge tells nonsense."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import pytest
from flask import Response

from smartgrid.auth.credentials import Credentials
from smartgrid.auth.principal import EVERYONE
from smartgrid.edge.all_chargers import AllChargers, Peers
from smartgrid.edge.settings import EdgeSettings
from smartgrid.http_server.wsgi import CAME_S
from smartgrid.protocol.headers import UNREACHABLE
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.web import access, metrics
from smartgrid.web.app import answer, create_app
from smartgrid.web.charger_views import Chargers, ListQuery, Place

ALL = ListQuery(None, None, 100)


def page(*rows: object) -> bytes:
    return json.dumps({"chargers": rows, "next_cursor": None}).encode()


def row(charger: str, edge: str, substation: str = "s0") -> dict[str, str]:
    return {"substation": substation, "charger": charger, "edge": edge}


@contextmanager
def saying(body: bytes, status: int = 200) -> Iterator[str]:
    """The address of another edge that answers this to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Own:
    """This edge's, as far as it is asked here."""

    rows: list[dict[str, str]]

    def page(self, _: ListQuery) -> Response:
        return answer({"chargers": self.rows, "next_cursor": None})

    def look(self, _: Place) -> Response:
        return answer({"connected": False})

    def diagnostics(self, _: Place) -> Response:
        return answer({"charger": {"connected": False}, "mine": True})


@contextmanager
def asked(own: list[dict[str, str]], urls: dict[str, str], owner: str = "edge-0") -> Iterator[AllChargers]:
    """All edges' as this one, edge-0, answers for them in a request; `owner` has all substations."""
    peers = Peers("edge-0", lambda _: owner, lambda: list(urls), urls.get, Credentials(EdgeSettings()).client)
    app = create_app("edge", Lifecycle(), metrics.registry())
    environ = {access.PRINCIPAL: EVERYONE, CAME_S: time.monotonic()}
    with app.test_request_context("/chargers", environ_overrides=environ):
        yield AllChargers(cast("Chargers", Own(own)), peers)


def listed(own: list[dict[str, str]], urls: dict[str, str], owner: str = "edge-0") -> tuple[list[Any], str | None]:
    """The rows of the whole list, and who is named as unreachable."""
    with asked(own, urls, owner) as chargers:
        found = chargers.page(ALL)
        return json.loads(found.get_data())["chargers"], found.headers.get(UNREACHABLE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        b"null",
        b"{}",
        b'{"chargers": null, "next_cursor": null}',
        b'{"chargers": {"a": 1}, "next_cursor": null}',
        page("a row"),
        page({"substation": "s0"}),
        page({"substation": "s0", "charger": 7}),
        b"[" * 100_000,
    ],
)
def test_an_edge_that_tells_no_page_is_named_and_the_rest_is_shown(body: bytes) -> None:
    with saying(body) as bad, saying(page(row("CP-2", "edge-2"))) as good:
        rows, unreachable = listed([row("CP-1", "edge-0")], {"edge-1": bad, "edge-2": good})

    assert [each["charger"] for each in rows] == ["CP-1", "CP-2"]
    assert unreachable == "edge-1"


def test_of_two_that_tell_of_a_charger_the_owner_counts_and_not_who_says_to_be_it() -> None:
    with (
        saying(page(row("CP-1", "edge-2"))) as other,
        saying(page({**row("CP-1", "edge-2"), "is_true": True})) as owner,
    ):
        rows, _ = listed(
            [],
            {
                "edge-1": other,
                "edge-2": owner,
            },
            owner="edge-2",
        )
        assert [each.get("is_true") for each in rows] == [True]
        rows, _ = listed([{**row("CP-1", "edge-0"), "is_true": "ours"}], {"edge-1": other, "edge-2": owner})
        assert [each.get("is_true") for each in rows] == ["ours"]


def test_a_newer_edge_may_tell_more() -> None:
    with saying(page({**row("CP-1", "edge-1"), "more": [1]})) as newer:
        rows, unreachable = listed([], {"edge-1": newer})

    assert (rows[0]["more"], unreachable) == ([1], None)


@pytest.mark.parametrize(
    "told",
    [
        {"connected": True},
        {"connected": True, "edge": 7},
        {"connected": True, "edge": None},
        {"connected": "x", "edge": []},
    ],
)
def test_an_edge_that_says_it_has_a_charger_and_not_which_edge_that_is_is_not_asked(told: dict[str, object]) -> None:
    with saying(json.dumps(told).encode()) as bad, asked([], {"edge-1": bad}) as chargers:
        assert json.loads(chargers.diagnostics(Place("s0", "CP-1")).get_data())["mine"] is True
