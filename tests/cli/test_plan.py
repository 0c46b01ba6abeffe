"""Which processes `smartgrid up` starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smartgrid.cli.plan import Options, PlanError, services

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
