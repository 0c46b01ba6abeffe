"""The edge as a process: how it starts, how it ends, and what is said of bad settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hand_charger import HandCharger
from support.ports import free_port
from support.processes import Process, run_to_end, wait_until

SUBSTATIONS = "substation-0=http://127.0.0.1:1"


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Process]:
    """By itself: its substation does not answer."""
    process = Process(
        "edge",
        tmp_path / "edge",
        name="edge-0",
        ocpp_port=free_port(),
        substations=SUBSTATIONS,
        registration="open",
        drain_timeout_s=10,
    )
    yield process
    process.end()


def test_it_serves_chargers_while_no_substation_answers(edge: Process):
    with edge, HandCharger(edge) as charger:
        assert charger.boot()["status"] == "Accepted"
        assert charger.start() > 0


def test_its_chargers_are_told_to_come_again_when_it_ends(edge: Process):
    with edge, HandCharger(edge) as charger:
        charger.boot()

        assert edge.terminate() == 0
        assert charger.closed.wait(30)
    assert charger.close_code == 1001


def test_a_transaction_that_was_answered_survives_kill_9_and_has_the_same_id(edge: Process):
    at = "2026-11-26T07:00:00Z"
    with edge:
        with HandCharger(edge) as charger:
            charger.boot()
            transaction_id = charger.start("EV-1", meter_wh=1000, at=at)
            edge.kill()
        edge.restart()
        wait_until(lambda: told(edge, "edge_inbox_messages") == 1, what="it is still to be told to the substation")
        with HandCharger(edge) as charger:
            assert charger.start("EV-1", meter_wh=1000, at=at) == transaction_id
            assert charger.stop(transaction_id, 2000) is not None
        assert told(edge, "edge_inbox_messages") == 1


def test_whoever_is_registered_is_so_after_a_restart(edge: Process):
    with edge:
        edge.call("PUT", "/chargers/substation-0/CP1", json={"key": "00112233445566778899AABBCCDDEEFF00112233"})
        edge.kill()
        edge.restart()
        assert HandCharger(edge).refusal() == 401


def test_where_no_substation_is_known_it_is_not_ready_and_says_why(tmp_path: Path):
    edge = Process("edge", tmp_path, ocpp_port=free_port(), balancer_url="http://127.0.0.1:1").launch()
    try:
        wait_until(lambda: edge.try_call("GET", "/health") is not None, what="it lives")
        reply = edge.call("GET", "/ready")
        assert reply.status == 503
        assert "no substation is known" in reply.json()["detail"]
    finally:
        edge.end()


def test_one_whose_balancer_is_away_goes_on_with_the_substations_that_it_knew(tmp_path: Path):
    with Process("substation", tmp_path / "s", name="substation-0", capacity_kw=22) as substation:
        balancer = Process("balancer", tmp_path / "b", substations=f"substation-0={substation.url}")
        edge = Process("edge", tmp_path / "e", ocpp_port=free_port(), balancer_url=balancer.url, registration="open")
        with balancer, edge:
            edge.kill()
            balancer.kill()
            edge.restart()
            assert HandCharger(edge).refusal() is None


def test_a_charger_without_a_substation_is_not_let_in(edge: Process):
    with edge:
        assert HandCharger(edge, substation="substation-9").refusal() == 404


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"registration": "all"}, "SMARTGRID_REGISTRATION='all'"),
        ({"substations": "x"}, "SMARTGRID_SUBSTATIONS='x': Input should be as in substation-0=http://"),
        ({"chargers_file": "/no/such/file"}, "SMARTGRID_CHARGERS_FILE=/no/such/file"),
        ({"id_tags_file": "/no/such/file"}, "SMARTGRID_ID_TAGS_FILE=/no/such/file must be a text file"),
        ({"ocpp_tls_cert_file": "/no/such/file"}, "SMARTGRID_OCPP_TLS_KEY_FILE belong together"),
        ({"ocpp_client_ca_file": "/no/such/file"}, "SMARTGRID_OCPP_CLIENT_CA_FILE to both"),
        (
            {"ocpp_tls_cert_file": "/no/such/file", "ocpp_tls_key_file": "/no/such/file"},
            "must be a certificate and its key",
        ),
    ],
)
def test_a_bad_setting_is_one_sentence_and_exit_code_2(settings: dict[str, object], sentence: str, tmp_path: Path):
    given = {"data_dir": tmp_path, "port": free_port(), "ocpp_port": free_port(), **settings}
    code, said = run_to_end("edge", **given)

    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1


def test_a_port_of_chargers_that_is_in_use_is_one_sentence(edge: Process, tmp_path: Path):
    with edge:
        port = edge.settings["ocpp_port"]
        code, said = run_to_end("edge", data_dir=tmp_path, port=free_port(), ocpp_port=port)

    assert code == 2
    assert said == f"Error: cannot listen on 127.0.0.1:{port}: the port is in use\n"


def test_only_tags_that_are_listed_may_charge(edge: Process, tmp_path: Path):
    tags = tmp_path / "tags"
    tags.write_text("anna\nBELA\n\n")
    edge.settings["id_tags_file"] = tags
    with edge, HandCharger(edge) as charger:
        said = {tag: charger.call("Authorize", idTag=tag)["idTagInfo"]["status"] for tag in ("Anna", "bela", "eve")}

    assert said == {"Anna": "Accepted", "bela": "Accepted", "eve": "Invalid"}


def told(edge: Process, name: str) -> float:
    """The value of one of its metrics, without labels."""
    lines = edge.call("GET", "/metrics").body.decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])
