"""Who did what to what, as a grid with tokens writes it down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smartgrid.auth.scopes import CHARGE_READ, GRID_READ
from support.grid import car, wait_whole
from support.http import Reply
from support.identity import OPERATOR, Identities
from support.processes import Process, running, wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes minutes to start many processes


@dataclass(frozen=True)
class Audited:
    identities: Identities
    substation: Process
    balancer: Process
    gateway: Process

    def new_lines(self, process: Process, reply: Reply) -> list[dict[str, Any]]:
        """What the process wrote of the request that this is the answer to; waits for the first line."""
        wait_until(lambda: bool(self._of(process, reply)), what="a line of the audit")
        return self._of(process, reply)

    def _of(self, process: Process, reply: Reply) -> list[dict[str, Any]]:
        text = path(process).read_text()
        found = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [line for line in found if line["request_id"] == reply.headers["X-Request-Id"]]


def path(process: Process) -> Path:
    return process.folder / "audit.log"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    identities = Identities(folder / "issuer")
    asks = {**identities.believing, "log_hash_key": "shared"}
    token = identities.calling["service_token_file"]
    found = []
    for service, settings in (
        ("substation", {"name": "s0", "capacity_kw": 100}),
        ("balancer", {"service_token_file": token, "poll_interval_s": 0.25}),
        ("gateway", {"service_token_file": token}),
    ):
        found.append(Process(service, folder / service, audit_log=folder / service / "audit.log", **settings, **asks))
    substation, balancer, gateway = found
    balancer.settings["substations"] = f"s0={substation.url}"
    gateway.settings["balancer_url"] = balancer.url
    with running(*found):
        wait_whole(balancer, identities.bearer("reader", [GRID_READ]))
        yield Audited(identities, *found)


def charge(audited: Audited, who: str) -> Reply:
    return audited.gateway.call("POST", "/charge", json=car("EV-SECRET"), headers=audited.identities.bearer(who))


def test_a_charge_and_its_stop_name_the_owner_and_the_same_hidden_session(audited: Audited) -> None:
    charged = charge(audited, "driver-1")
    session = charged.json()["session_id"]
    stopped = audited.gateway.call("DELETE", f"/sessions/{session}", headers=audited.identities.bearer("driver-1"))

    (first,) = audited.new_lines(audited.gateway, charged)
    (second,) = audited.new_lines(audited.gateway, stopped)

    who = audited.identities.owner("driver-1")
    assert (first["who"], first["did"], first["outcome"], first["status"]) == (who, "charge", "done", 201)
    assert (second["who"], second["did"], second["outcome"], second["status"]) == (who, "stop", "done", 200)
    assert first["to"]["session"] == second["to"]["session"]
    assert first["stream"] == "audit"


def test_what_a_request_only_asks_about_a_route_is_not_written_as_done(audited: Audited) -> None:
    driver = audited.identities.bearer("asks-about")
    asked = audited.gateway.call("OPTIONS", "/charge", headers=driver)
    audited.new_lines(audited.gateway, charge(audited, "asks-about"))  # what came before is written by then

    assert asked.headers["X-Request-Id"] not in path(audited.gateway).read_text()


def test_neither_vehicle_nor_subject_nor_session_nor_token_is_in_it(audited: Audited) -> None:
    charged = charge(audited, "driver-2")
    audited.new_lines(audited.gateway, charged)

    written = path(audited.gateway).read_text()

    for secret in ("EV-SECRET", "driver-2", charged.json()["session_id"], "eyJ"):
        assert secret not in written


def test_the_services_behind_do_not_write_it_again(audited: Audited) -> None:
    audited.new_lines(audited.gateway, charge(audited, "driver-3"))

    assert path(audited.balancer).read_text() == "" or "charge" not in path(audited.balancer).read_text()
    assert "charge" not in path(audited.substation).read_text()


def test_what_is_forbidden_is_written_too(audited: Audited) -> None:
    refused = audited.gateway.call(
        "POST", "/charge", json=car(), headers=audited.identities.bearer("reader", [CHARGE_READ])
    )

    (line,) = audited.new_lines(audited.gateway, refused)
    assert refused.status == 403
    assert (line["who"], line["outcome"]) == (audited.identities.owner("reader"), "forbidden")


def test_an_attempt_on_a_session_that_is_not_there_is_written_as_refused(audited: Audited) -> None:
    refused = audited.gateway.call("DELETE", "/sessions/s0.guessed", headers=audited.identities.bearer("guesser"))

    (line,) = audited.new_lines(audited.gateway, refused)
    assert (refused.status, line["outcome"], line["who"]) == (404, "refused", audited.identities.owner("guesser"))
    assert "guessed" not in path(audited.gateway).read_text()


def test_an_operators_limit_is_written_where_the_operator_asked(audited: Audited) -> None:
    operator = audited.identities.bearer("operator", OPERATOR)
    through = audited.balancer.call("PUT", "/substations/s0/capacity", json={"capacity_kw": 90}, headers=operator)
    direct = audited.substation.call("PUT", "/draining", json={"draining": False}, headers=operator)

    (line,) = audited.new_lines(audited.balancer, through)
    assert (line["did"], line["to"]) == ("capacity", {"name": "s0", "capacity_kw": 90.0})
    (line,) = audited.new_lines(audited.substation, direct)
    assert (line["did"], line["to"], line["outcome"]) == ("draining", {"draining": False}, "done")
    assert "capacity" not in path(audited.substation).read_text()


def test_whoever_has_no_token_writes_nothing(audited: Audited) -> None:
    refused = [audited.gateway.call("POST", "/charge", json=car()) for _ in range(20)]
    audited.new_lines(audited.gateway, charge(audited, "driver-4"))

    assert {each.status for each in refused} == {401}
    written = path(audited.gateway).read_text()
    assert not [each for each in refused if each.headers["X-Request-Id"] in written]
