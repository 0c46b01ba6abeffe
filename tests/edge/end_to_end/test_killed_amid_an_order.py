"""An edge is killed while it orders a session: whoever orders it again, its car charges on, and its charger is neither
sent away nor told to stop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edge.end_to_end.chargers import OPEN, session_of, wait_session
from support.hand_charger import HandCharger, now
from support.ports import free_port
from support.processes import Process, frozen, running

CAPACITY_KW = 22.0
TAG = "EV-1"


class Amid(NamedTuple):
    """A substation and its edge."""

    substation: Process
    edge: Process

    def charger(self) -> HandCharger:
        return HandCharger(self.edge)

    def assert_charges(self, charger: HandCharger, session_id: str) -> None:
        """In the session that it had, on this connection."""
        charger.wait_limit(lambda limit_a: limit_a > 0, "it is given power")
        session = session_of(self.substation, TAG)
        assert (session["session_id"], session["ended_at"]) == (session_id, None)
        assert not charger.closed.is_set()
        assert charger.asked("RemoteStopTransaction") == []


@pytest.fixture
def amid(tmp_path: Path) -> Iterator[Amid]:
    substation = Process("substation", tmp_path / "s", name="substation-0", capacity_kw=CAPACITY_KW)
    edge = Process(
        "edge", tmp_path / "edge", ocpp_port=free_port(), substations=f"substation-0={substation.url}", **OPEN
    )
    with running(substation, edge):
        yield Amid(substation, edge)


def test_by_the_edge_itself_when_it_is_back(amid: Amid) -> None:
    with amid.charger() as charger:
        charger.boot()
        charger.wait_limit(lambda limit_a: limit_a == 0, "nothing flows without a session", "TxDefaultProfile")
        with frozen(amid.substation):
            charger.start(TAG)
            amid.edge.kill()
            amid.edge.restart()
            again = amid.charger()
            again.__enter__()
    try:
        session_id = wait_session(amid.substation, TAG, "Charging")["session_id"]
        amid.assert_charges(again, session_id)
    finally:
        again.__exit__(None, None, None)


def test_by_another_edge_to_which_the_start_is_repeated(amid: Amid) -> None:
    """It has nothing of what the first had on its disk."""
    at = now()
    with amid.charger() as charger:
        charger.boot()
        transaction_id = charger.start(TAG, at=at)  # the answer counts as lost
        session_id = wait_session(amid.substation, TAG, "Charging")["session_id"]
        amid.edge.kill()
    shutil.rmtree(amid.edge.settings["data_dir"])  # type: ignore[arg-type]
    amid.edge.restart()

    with amid.charger() as again:
        again.boot()
        again.wait_limit(lambda limit_a: limit_a > 0, "its session was taken over")
        assert again.start(TAG, at=at) == transaction_id

        amid.assert_charges(again, session_id)
        again.stop(transaction_id, 1000)
        assert wait_session(amid.substation, TAG, "Idle")["delivered_kwh"] == pytest.approx(1.0)
