"""Which processes `smartgrid up` starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smartgrid.cli.plan import EdgePorts, Options, PlanError, parse_regions, services

OPTIONS = Options(3, 60.0, 8080, 8081, 8082, Path("data"))


def test_substations_come_first_and_the_gateway_last():
    names = [service.name for service in services(OPTIONS)]

    assert names == ["substation-0", "substation-1", "substation-2", "balancer", "gateway"]


def test_substations_listen_on_consecutive_ports():
    assert [service.port for service in services(OPTIONS)] == [8082, 8083, 8084, 8081, 8080]


def test_the_balancer_is_told_of_every_substation_by_name():
    balancer = services(OPTIONS)[-2]

    assert balancer.settings["SMARTGRID_SUBSTATIONS"] == (
        "substation-0=http://127.0.0.1:8082,substation-1=http://127.0.0.1:8083,substation-2=http://127.0.0.1:8084"
    )


def test_each_service_has_a_data_directory_of_its_own():
    folders = {service.settings["SMARTGRID_DATA_DIR"] for service in services(OPTIONS)}

    assert len(folders) == 5


def test_substations_draw_their_capacity_unless_it_is_given():
    assert "SMARTGRID_CAPACITY_KW" not in services(OPTIONS)[0].settings


@pytest.mark.parametrize(
    ("given", "expected"), [([100.0], ["100.0", "100.0", "100.0"]), ([90.0, 100.0, 110.5], ["90.0", "100.0", "110.5"])]
)
def test_capacities_are_one_for_all_or_one_each(given: list[float], expected: list[str]):
    planned = services(replace(OPTIONS, capacities_kw=given))

    assert [service.settings["SMARTGRID_CAPACITY_KW"] for service in planned[:3]] == expected


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"capacities_kw": [1.0, 2.0]}, "one value, or one for each of the 3 substations, not 2"),
        ({"gateway_port": 8081}, "are both 8081"),
        ({"gateway_port": 8083}, "--gateway-port 8083 is among the substations' ports, 8082 to 8084"),
        ({"substation_port": 65534}, "leaves no room for 3 ports"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(change: dict[str, object], sentence: str):
    with pytest.raises(PlanError, match=sentence):
        services(replace(OPTIONS, **change))  # type: ignore[arg-type]


REGIONS = replace(OPTIONS, regions={"west": 2, "east": 1})


def test_each_region_has_a_balancer_of_its_own_and_one_is_before_them():
    planned = {service.name: service.settings for service in services(REGIONS)}

    assert list(planned) == [
        *("west-substation-0", "west-substation-1", "east-substation-0"),
        *("west-balancer", "east-balancer", "balancer", "gateway"),
    ]
    assert planned["balancer"]["SMARTGRID_SUBSTATIONS"] == "west=http://127.0.0.1:8085,east=http://127.0.0.1:8086"
    assert json.loads(planned["balancer"]["SMARTGRID_REGIONS"]) == [{"name": "west"}, {"name": "east"}]
    assert planned["west-balancer"]["SMARTGRID_NAME"] == "west"
    assert planned["west-balancer"]["SMARTGRID_SUBSTATIONS"] == (
        "substation-0=http://127.0.0.1:8082,substation-1=http://127.0.0.1:8083"
    )
    assert planned["east-substation-0"]["SMARTGRID_NAME"] == "substation-0"


def test_time_limits_nest_where_there_are_regions():
    *_, balancer, gateway = services(REGIONS)
    attempt_s, request_s = (float(balancer.settings[f"SMARTGRID_{w}_TIMEOUT_S"]) for w in ("ATTEMPT", "REQUEST"))
    regions_request_s = 1.7  # the default of a region's balancer

    assert regions_request_s < attempt_s < request_s < float(gateway.settings["SMARTGRID_BALANCER_TIMEOUT_S"])


def test_capacities_go_round_the_substations_of_all_regions():
    planned = services(replace(REGIONS, capacities_kw=[90.0, 100.0, 110.0]))

    assert [service.settings["SMARTGRID_CAPACITY_KW"] for service in planned[:3]] == ["90.0", "100.0", "110.0"]


def test_a_port_of_a_regions_balancer_is_among_the_substations_ports():
    with pytest.raises(PlanError, match="--balancer-port 8085 is among the substations' ports, 8082 to 8086"):
        services(replace(REGIONS, balancer_port=8085))
    assert {each.port_option for each in services(REGIONS)[:5]} == {"--substation-port"}


@pytest.mark.parametrize("text", ["", "west", "west=0", "west=x", "West=1", "west=1,", "a.b=1", "west=²"])
def test_regions_that_cannot_be_read_are_refused_with_an_example(text: str):
    with pytest.raises(PlanError, match="as in west=3,east=3"):
        parse_regions(text)


def test_regions_are_read_in_their_order():
    assert list(parse_regions("west=3, east=2").items()) == [("west", 3), ("east", 2)]
    with pytest.raises(PlanError, match="--regions has west twice"):
        parse_regions("west=3,west=2")
    with pytest.raises(PlanError, match="--regions has 1001 substations; 1000 are possible"):
        parse_regions("west=1000,east=1")


EDGE = replace(OPTIONS, edge=EdgePorts(9000, 8079))


def test_an_edge_comes_before_the_balancer_and_is_told_to_it_and_to_the_gateway():
    planned = {service.name: service for service in services(EDGE)}

    assert list(planned)[-3:] == ["edge", "balancer", "gateway"]
    assert planned["edge"].url == "http://127.0.0.1:8079"
    for name in ("balancer", "gateway"):
        assert planned[name].settings["SMARTGRID_EDGE_URL"] == planned["edge"].url


def test_the_edge_lets_any_charger_in_from_this_machine_alone():
    edge = services(EDGE)[-3].settings

    assert edge["SMARTGRID_REGISTRATION"] == "open"
    assert (edge["SMARTGRID_OCPP_HOST"], edge["SMARTGRID_OCPP_PORT"]) == ("127.0.0.1", "9000")
    assert edge["SMARTGRID_BALANCER_URL"] == "http://127.0.0.1:8081"


def test_without_an_edge_nobody_is_told_of_one():
    assert all("SMARTGRID_EDGE_URL" not in service.settings for service in services(OPTIONS))


@pytest.mark.parametrize(
    ("ports", "sentence"),
    [
        ((8083, 8079), "--edge-port 8083 is among the substations' ports, 8082 to 8084"),
        ((9000, 8081), "--balancer-port and --edge-api-port are both 8081"),
        ((9000, 9000), "--edge-port and --edge-api-port are both 9000"),
    ],
)
def test_the_edges_ports_are_its_own(ports: tuple[int, int], sentence: str):
    with pytest.raises(PlanError, match=sentence):
        services(replace(OPTIONS, edge=EdgePorts(*ports)))


def test_a_grid_of_regions_has_no_edge_of_its_own():
    with pytest.raises(PlanError, match="--edge is for a grid without regions"):
        services(replace(REGIONS, edge=EdgePorts(9000, 8079)))
