"""`smartgrid up` as people run it: real processes, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grid import patient
from support.http import answers, call
from support.ports import free_ports
from support.processes import wait_until

TIMEOUT_S = 90.0
CHARGER = Path(__file__).parents[2] / "scripts" / "charger.py"
LARGEST = 4  # substations and balancers of regions, each at the port after the one before


class Up:
    """A running `smartgrid up`, and what it has said so far."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self.gateway, self.balancer, self.substation, *_ = free_ports(2 + LARGEST)
        ports = ["--gateway-port", self.gateway, "--balancer-port", self.balancer, "--substation-port", self.substation]
        self._out = data_dir.parent / "up.out"
        with self._out.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "smartgrid", "up", "--data-dir", str(data_dir), *map(str, ports), *options],
                stdout=out,
                stderr=out,
            )

    def said(self) -> str:
        return self._out.read_text()

    def wait_said(self, words: str) -> None:
        wait_until(lambda: words in self.said(), TIMEOUT_S, f"up says {words!r}; so far: {self.said()}")

    def processes(self) -> dict[str, dict[str, object]]:
        return dict(json.loads((self.data_dir / "processes.json").read_text()))

    def pid(self, name: str) -> int:
        return int(str(self.processes()[name]["pid"]))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up") / "data", "--capacity-kw", "90,100,110", "--time-scale", "60")
    try:
        running.wait_said("\nready\n")
        yield running
    finally:
        running.end()


def test_it_says_where_everything_is_and_ready_at_last(up: Up):
    said = up.said().split("ready")[0]

    for name, process in up.processes().items():
        assert f"{name:<15} {process['url']}" in said


def test_a_car_charges_through_all_of_it(up: Up):
    reply = call("POST", f"http://127.0.0.1:{up.gateway}/charge", json={"vehicle_id": "EV-1", "energy_kwh": 1.0})

    assert reply.status == 201


def test_each_service_is_a_process_of_its_own_with_the_capacity_it_was_given(up: Up):
    assert len({up.pid(name) for name in up.processes()}) == 5
    status = call("GET", f"http://127.0.0.1:{up.substation + 2}/status").json()
    assert (status["name"], status["capacity_kw"]) == ("substation-2", 110.0)


def test_a_child_that_dies_is_started_again_and_said_so(up: Up):
    before = up.pid("substation-1")

    os.kill(before, signal.SIGKILL)

    up.wait_said("substation-1 was killed by SIGKILL; starting it again in")
    wait_until(lambda: up.pid("substation-1") != before, TIMEOUT_S, "processes.json names the new process")
    url = f"http://127.0.0.1:{up.substation + 1}/ready"
    wait_until(lambda: answers(url), TIMEOUT_S, "substation-1 answers again")


def test_a_data_directory_in_use_is_refused(up: Up):
    refused = run("--data-dir", str(up.data_dir), "--gateway-port", "30001")

    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"Error: the data directory {up.data_dir} is in use by another `smartgrid up`; give this one its own --data-dir"
    ]


def test_a_port_in_use_is_refused(up: Up, tmp_path: Path):
    balancer, substation, *_ = map(str, free_ports(1 + LARGEST))
    ports = ["--gateway-port", str(up.gateway), "--balancer-port", balancer, "--substation-port", substation]

    refused = run("--data-dir", str(tmp_path), *ports)

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{up.gateway}: the port is in use" in refused.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--substations", "0"),
        ("--time-scale", "nan"),
        ("--capacity-kw", "much"),
        ("--gateway-port", "70000"),
        ("--bogus",),
        ("--regions", "west"),
        ("--regions", "west=1", "--substations", "1"),
        ("--regions", "west=1", "--edge"),
    ],
)
def test_a_bad_value_is_one_sentence_and_exit_code_2(options: tuple[str, ...]):
    refused = run(*options)

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("Error: ")


def test_a_substation_that_cannot_start_is_not_started_for_ever(tmp_path: Path):
    broken = tmp_path / "data" / "substation-0" / "substation.db"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no database at all, but longer than its header would be" * 20)

    grid = Up(tmp_path / "data", "--substations", "1")

    assert grid.popen.wait(TIMEOUT_S) == 2
    assert f"substation-0: {broken}" in grid.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_and_leaves_nothing_running(tmp_path: Path, number: int):
    grid = Up(tmp_path / "data", "--substations", "1")
    grid.wait_said("\nready\n")
    pids = [grid.pid(name) for name in grid.processes()]

    code = grid.end(number)

    assert code == 0
    assert grid.said().endswith("stopping\nstopped\n")
    assert not any(is_alive(pid) for pid in pids)
    assert not (grid.data_dir / "processes.json").exists()


@pytest.mark.parametrize("auth", [(), ("--auth",)], ids=["open", "auth"])
def test_regions_take_the_cars_that_name_them(tmp_path: Path, auth: tuple[str, ...]):
    country = Up(tmp_path / "data", "--regions", "west=1,east=1", *auth)
    try:
        country.wait_said("\nready\n")
        found = re.search("#token=(.*)", country.said())
        who = {"Authorization": f"Bearer {found[1]}"} if found else {}

        car = {"vehicle_id": "EV-1", "energy_kwh": 1.0, "region": ["east", "west"]}
        url = f"http://127.0.0.1:{country.gateway}/charge"
        reply = patient(lambda: call("POST", url, json=car, headers=who), lambda reply: reply.status == 201)

        assert reply.json()["substation"] == "east.substation-0"
        assert bool(found) is bool(auth)
    finally:
        country.end()


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "smartgrid", "up", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_with_an_edge_it_says_where_chargers_connect_and_one_charges(tmp_path: Path):
    ocpp, api = free_ports(2)
    ports = ("--edge-port", str(ocpp), "--edge-api-port", str(api))
    grid = Up(tmp_path / "data", "--substations", "1", "--capacity-kw", "22", "--edge", *ports)
    try:
        grid.wait_said("\nready\n")
        assert f"chargers        ws://127.0.0.1:{ocpp}/ocpp/substation-0/YOUR-CHARGER (any is let in)" in grid.said()

        url = f"ws://127.0.0.1:{ocpp}/ocpp/substation-0/CP1"
        done = subprocess.run(
            [sys.executable, CHARGER, url, "--seconds", "4"], capture_output=True, text=True, timeout=60, check=True
        )

        assert "11.00 kW: 15.9 A on three phases, of at most 31.8 A" in done.stdout
        assert "unplugged after" in done.stdout
        session = call("GET", f"http://127.0.0.1:{grid.gateway}/sessions").json()["sessions"][0]
        assert (session["vehicle_id"], session["charger"]) == ("EV-042", "CP1")
        charger = call("GET", f"http://127.0.0.1:{grid.gateway}/chargers").json()["chargers"][0]
        assert (charger["charger"], charger["model"]) == ("CP1", "Script")
    finally:
        assert grid.end() == 0


def test_with_auth_chargers_are_operators_and_no_driver_sees_another_s_session_at_one(tmp_path: Path):
    ocpp, api = free_ports(2)
    ports = ("--edge-port", str(ocpp), "--edge-api-port", str(api))
    grid = Up(tmp_path / "data", "--substations", "1", "--capacity-kw", "22", "--auth", "--edge", *ports)
    charger: subprocess.Popen[str] | None = None
    try:
        grid.wait_said("\nready\n")
        operator = bearer(re.findall("#token=(.*)", grid.said())[0])
        driver = bearer(token(grid, "driver", "charge:read", "charge:write"))
        reader = bearer(token(grid, "reader", "grid:read"))
        services = {name: f"http://127.0.0.1:{port}" for name, port in (("gateway", grid.gateway), ("edge", api))}

        url = f"ws://127.0.0.1:{ocpp}/ocpp/substation-0/CP1"
        charger = subprocess.Popen([sys.executable, CHARGER, url, "--seconds", "600"], stdout=subprocess.DEVNULL)
        gateway = services["gateway"]

        def has_begun() -> bool:
            """Asked of the edge, as a gateway bounds how often one caller may ask."""
            chargers = call("GET", f"{services['edge']}/chargers", headers=reader).json()["chargers"]
            return any(connector["session_id"] for charger in chargers for connector in charger["connectors"])

        wait_until(has_begun, TIMEOUT_S, "a session")
        (session,) = call("GET", f"{gateway}/sessions", headers=operator).json()["sessions"]  # begun by the edge itself
        assert session["charger"] == "CP1"

        for who, read, change in (({}, 401, 401), (driver, 403, 403), (reader, 200, 403), (operator, 200, 200)):
            for at in services.values():
                one = f"{at}/chargers/substation-0/CP1"
                command = {"command": "trigger", "connector": 1, "message": "Heartbeat"}
                assert call("GET", f"{at}/chargers", headers=who).status == read
                assert call("GET", f"{one}/diagnostics", headers=who).status == read
                assert call("POST", f"{one}/commands", json=command, headers=who).status == change
                if change != 200:
                    assert call("DELETE", one, headers=who).status == change
        assert call("GET", f"{gateway}/sessions", headers=driver).json()["sessions"] == []
        assert call("GET", f"{gateway}/sessions/{session['session_id']}", headers=driver).status == 404
        assert call("DELETE", f"{gateway}/charge/{session['session_id']}", headers=driver).status == 404
    finally:
        if charger is not None:
            charger.kill()
            charger.wait()
        assert grid.end() == 0


def token(grid: Up, subject: str, *scopes: str) -> str:
    named = [part for scope in scopes for part in ("--scope", scope)]
    command = [sys.executable, "-m", "smartgrid", "token", "--data-dir", str(grid.data_dir), "--subject", subject]
    return subprocess.run(
        [*command, *named], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    ).stdout.strip()


def bearer(found: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {found}"}


def test_a_port_of_chargers_that_is_in_use_is_refused(up: Up, tmp_path: Path):
    gateway, balancer, substation = map(str, free_ports(3))
    ports = ["--gateway-port", gateway, "--balancer-port", balancer, "--substation-port", substation]
    refused = run("--data-dir", str(tmp_path), "--substations", "1", *ports, "--edge", "--edge-port", str(up.gateway))

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.endswith("the port is in use; choose another with --edge-port\n")
