"""Names and paths at the operators' API that are unusual, or meant to be taken for others: at the edge and through the
gateway, by real processes."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from support.grid import Grid
from support.hand_charger import HandCharger
from support.processes import Process

HERE = "/chargers/substation-0"


@pytest.fixture(params=["edge", "gateway"])
def where(request: pytest.FixtureRequest, edge_grid: Grid) -> Process:
    return edge_grid.edge if request.param == "edge" else edge_grid.gateway


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "%",
        "a%2Fb",
        "a%252Fb",
        "a?b=c&d",
        "a#b",
        "a;b,c",
        "+",
        "...",
        ".hidden",
        "commands",
        "diagnostics",
        "<script>",
        "é",
        "e\u0301",
        "充電器",
        "\U0001f50c",
        '"',
        "'; DROP TABLE chargers; --",
        "x" * 48,
    ],
)
def test_a_charger_of_any_name_is_one_charger_everywhere(edge_grid: Grid, where: Process, name: str) -> None:
    path = f"{HERE}/{quote(name, safe='')}"
    try:
        assert where.call("PUT", path, json={"security_profile": 0}).status in (200, 201)
        with HandCharger(edge_grid.edge, name) as charger:
            charger.boot()
            for each in (edge_grid.edge, edge_grid.gateway):
                found = each.call("GET", path).json()
                assert (found["charger"], found["connected"], found["model"]) == (name, True, "Hand")
                assert each.call("GET", f"{path}/diagnostics").json()["charger"]["charger"] == name
    finally:
        assert where.call("DELETE", path).status == 200


def names(where: Process) -> set[tuple[str, str]]:
    return {(each["substation"], each["charger"]) for each in where.call("GET", "/chargers").json()["chargers"]}


@pytest.mark.parametrize(
    "path",
    [
        "/chargers/substation-0/",
        "/chargers/substation-0//",
        "/chargers//CP-1",
        "/chargers/substation-0/..",
        "/chargers/substation-0/%2e%2e",
        "/chargers/substation-0/.%2e/substation-0/CP-1",
        "/chargers/../registry/changes",
        "/chargers/substation-0/%2e%2e%2f%2e%2e%2fregistry%2fchanges",
        "/chargers/substation-0/a%5Cb",
        "/chargers/substation-0/a%00b",
        "/chargers/substation-0/a%0Ab",
        "/chargers/substation-0/a%0D%0AX-Evil:%201",
        "/chargers/substation-0/%FF",
        "/chargers/substation-0/%C3%28",
        "/chargers/substation-0/%E2%80%AE",
        "/chargers/substation-0/%ED%A0%80",
        "/chargers/substation-0/" + "x" * 49,
        "/chargers/substation-0/" + "x" * 300,
        "/chargers/substation-0/" + "%41" * 300,
        "/chargers/" + "s" * 64 + "/CP-1",
        "/chargers/Substation-0/CP-1",
        "/chargers/substation_0/CP-1",
        "/chargers/-/CP-1",
        "/chargers/substation-0/CP-1/commands/",
        "/chargers/substation-0/CP-1/commands/x",
        "/chargers/substation-0/CP-1%2Fcommands%2Fx",
        "/chargers/substation-0/CP-1/diagnostics;x",
        "/chargers/nobody/CP-1/../../substation-0/CP-1",
    ],
)
def test_a_path_that_names_no_charger_is_not_found(where: Process, path: str) -> None:
    before = names(where)
    for method in ("GET", "PUT", "DELETE", "POST"):
        reply = where.call(method, path, json={"security_profile": 0} if method == "PUT" else None)
        assert reply.status in (400, 404, 405), (method, reply.status, reply.body)
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert "X-Evil" not in reply.headers
    assert names(where) == before


def test_what_edges_tell_each_other_is_not_to_be_had_at_the_gateway(edge_grid: Grid) -> None:
    for path in ("/registry/changes", "/registry%2Fchanges", "//registry/changes", "/chargers/../registry/changes"):
        assert edge_grid.gateway.call("GET", path).status == 404
