"""The dashboards are what the code writes, and what Grafana and people expect."""

from __future__ import annotations

import pytest

from monitoring import queries

SEVEN = (
    "Substation Load (kW)",
    "Active Chargers",
    "Charging Requests Rate",
    "Load Balancer Request Rate",
    "Charging Duration Percentiles 50th and 95th",
    "Load Balancer Routing Decisions",
    "Substation Load Percentage",
)
FOUND = queries.dashboards()


def test_the_files_are_what_the_code_writes() -> None:
    code = queries.tool("dashboards")

    assert set(code.DASHBOARDS) == set(FOUND)
    for name in code.DASHBOARDS:
        assert (queries.DASHBOARDS / name).read_text() == code.render(name), "run python tools/dashboards.py"


def test_the_panels_of_the_specification_are_there_by_name() -> None:
    titles = [panel["title"] for panel in queries.panels(FOUND["smart-grid.json"])]

    assert set(SEVEN) <= set(titles)


def test_load_is_green_to_70_amber_to_90_and_red_above() -> None:
    panel = next(p for p in queries.panels(FOUND["smart-grid.json"]) if p["title"] == "Substation Load Percentage")

    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [(None, "green"), (70, "orange"), (90, "red")]


@pytest.mark.parametrize("name", FOUND)
def test_a_dashboard_can_be_provisioned_anywhere(name: str) -> None:
    dashboard = FOUND[name]

    assert dashboard["uid"] == name.removesuffix(".json")
    assert dashboard["refresh"] == "5s"
    assert "__inputs" not in dashboard
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in queries.panels(dashboard):
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("name", FOUND)
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in queries.panels(FOUND[name]):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", FOUND)
def test_panels_do_not_overlap_and_ids_are_unique(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    identifiers = [panel["id"] for panel in FOUND[name]["panels"]]
    for panel in FOUND[name]["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert len(identifiers) == len(set(identifiers))
