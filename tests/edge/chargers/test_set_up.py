"""What a charger is configured with after its limits: once, and not ten thousand at a time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from smartgrid.edge.chargers.set_up import ABREAST, MOST_UNANSWERED
from smartgrid.edge.ports import CallFailure, OcppVersion
from support.edge_fleet import ScriptedLink, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def converse(link: ScriptedLink, **configuration: Any) -> list[str]:
    """Accept everything the charger is asked; what it was asked, in order."""
    asked = []
    while link.calls:
        call = link.calls.pop(0)
        asked.append(call.action)
        keys = [{"key": key, "readonly": True, "value": value} for key, value in configuration.items()]
        call.accept(configurationKey=keys)
    return asked


def test_a_charger_is_set_up_once_its_limits_are_set(world: World) -> None:
    asked = converse(world.connect())
    assert asked[0] == "GetConfiguration"
    assert "ChangeConfiguration" in asked


BOOT = {"chargePointVendor": "Test", "chargePointModel": "Slow"}


def refuse_all(link: ScriptedLink) -> None:
    """As one does that was not let in by the answer to its BootNotification yet."""
    while link.calls:
        link.calls.pop(0).fail(CallFailure.REFUSED)


def test_one_that_refuses_everything_before_it_has_booted_is_set_up_once_it_has(world: World) -> None:
    link = world.connect()
    refuse_all(link)
    link.say("BootNotification", **BOOT)
    assert "ChangeConfiguration" in converse(link)
    assert converse(world.connect()) == []


@pytest.mark.parametrize("code", ["SecurityError", "InternalError", "GenericError"])
def test_a_limit_that_it_cannot_take_just_after_its_boot_is_written_again_as_it_was(world: World, code: str) -> None:
    link = world.connect(is_settled=False)
    link.say("BootNotification", **BOOT)
    world.clock.run(1)
    while early := link.take("SetChargingProfile"):
        early[0].fail(CallFailure.REFUSED, code)
    world.clock.run(10)
    assert link.profiles() == [("TxDefaultProfile", 0.0, None)]


def test_one_that_still_cannot_later_on_is_tried_another_way(world: World) -> None:
    link = world.connect()
    world.clock.run(40)
    world.start(link)
    world.offer(11.0)
    refused = [call for call in link.take("SetChargingProfile") if "TxProfile" in str(call.payload)]
    refused[0].fail(CallFailure.REFUSED, "InternalError")
    again = [call.payload["csChargingProfiles"] for call in link.take("SetChargingProfile")]
    assert {each["chargingProfilePurpose"] for each in again} == {"TxDefaultProfile"}


def test_what_it_refused_while_it_booted_is_asked_again_once(world: World) -> None:
    link = world.connect()
    link.calls.pop(0).fail(CallFailure.REFUSED)
    link.say("BootNotification", **BOOT)
    asked = converse(link)
    assert asked.count("GetConfiguration") == 1
    assert asked.index("GetConfiguration") > 0


def test_one_that_comes_back_is_not_set_up_again_not_even_by_another_process(world: World) -> None:
    converse(world.connect())
    assert converse(world.connect()) == []
    world.restart()
    assert set(converse(world.connect(is_settled=False))) <= {"SetChargingProfile"}


def test_nor_by_a_process_that_does_not_know_yet_how_many_will_come(world: World) -> None:
    world.fleet.set_up.reckon(100_000)
    assert ("MeterValueSampleInterval", "60") in settings(world.connect())
    world.restart()
    assert set(converse(world.connect(is_settled=False))) <= {"SetChargingProfile"}


def settings(link: ScriptedLink) -> list[tuple[str, str]]:
    """Accept everything the charger is asked; what of its configuration was changed."""
    changed = []
    while link.calls:
        call = link.calls.pop(0)
        if call.action == "ChangeConfiguration":
            changed.append((call.payload["key"], call.payload["value"]))
        call.accept()
    return changed


def test_a_charger_that_takes_watts_only_is_told_in_watts_also_when_it_comes_back(world: World) -> None:
    for _ in range(2):
        link = world.connect()
        converse(link, ChargingScheduleAllowedChargingRateUnit="Power")
    world.start(link)
    world.offer(11.0)
    units = {call.payload["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"] for call in link.calls}
    assert units == {"W"}


def test_one_that_answers_nothing_is_gone_on_with_and_one_that_is_gone_is_not(world: World) -> None:
    link = world.connect()
    link.calls.pop().fail(CallFailure.TIMEOUT)
    assert [call.action for call in link.calls] == ["ChangeConfiguration"]
    world.fleet.disconnected(link)
    link.calls.pop().fail(CallFailure.CLOSED)
    assert link.calls == []


def test_one_that_leaves_three_calls_in_a_row_unanswered_is_not_asked_the_rest(
    world: World,
) -> None:
    """PyPI `ocpp` 2.1.0 answers nothing of 2.1 for which a charger has no handler: each call costs its whole time."""
    link = world.connect()
    for _ in range(MOST_UNANSWERED):
        (call,) = link.calls
        link.calls.clear()
        call.fail(CallFailure.TIMEOUT)
    assert link.calls == []
    assert "ChangeConfiguration" in converse(world.connect())


def test_one_that_answers_in_between_is_asked_all(world: World) -> None:
    link = world.connect()
    for _ in range(2):
        for _ in range(MOST_UNANSWERED - 1):
            link.calls.pop().fail(CallFailure.TIMEOUT)
        link.calls.pop().accept()
    assert link.calls


def test_so_many_are_set_up_at_a_time_and_the_others_after_them(world: World) -> None:
    links = [world.connect(f"CP{n}") for n in range(ABREAST + 3)]
    world.clock.run(1)
    for link in links:
        link.confirm_safe_currents()
    assert sum(bool(link.calls) for link in links) == ABREAST
    converse(links[0])
    world.fleet.disconnected(links[1])
    assert sum(bool(link.calls) for link in links[ABREAST:]) == 2


def test_a_2x_charger_is_set_up_by_its_variables(world: World) -> None:
    assert converse(world.connect(version=OcppVersion.V201))[0] == "GetVariables"


def test_settings_that_need_a_reboot_are_said_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    link = world.connect()
    while link.calls:
        link.calls.pop(0).accept(status="RebootRequired")
    assert "only with its next reboot" in caplog.text
