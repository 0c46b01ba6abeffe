"""A charger never comes back, and its edge neither: the edge that has its substation then ends its session by one call.

The edge stands for another one here: it has lost all that it had on its disk, and knows of the registration alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from edge.end_to_end.chargers import WAIT_S, session_of, wait_session
from support.hand_charger import HandCharger
from support.ports import free_port
from support.processes import Process, running, wait_until

LEASE_S = 10.0
KEY = "00112233445566778899AABBCCDDEEFF00112233"
PATH = "/chargers/substation-0/CP1"
ENTRY = {"substation": "substation-0", "charger": "CP1", "key": KEY}


def test_one_call_does_it_all_or_says_when_to_ask(tmp_path: Path) -> None:
    substation = Process("substation", tmp_path / "s", name="substation-0", capacity_kw=22.0, lease_s=LEASE_S)
    (tmp_path / "chargers.json").write_text(json.dumps([ENTRY]))
    edge = Process(
        "edge",
        tmp_path / "edge",
        ocpp_port=free_port(),
        substations=f"substation-0={substation.url}",
        chargers_file=tmp_path / "chargers.json",
    )

    def session() -> dict[str, Any]:
        return session_of(substation, "EV-1")

    with running(substation, edge):
        with HandCharger(edge, key=KEY) as charger:
            charger.boot()
            charger.start()
            charger.wait_limit(lambda limit_a: limit_a > 6, "it charges")
            edge.kill()
        shutil.rmtree(edge.settings["data_dir"])  # type: ignore[arg-type]
        edge.restart()

        early = edge.call("DELETE", PATH)
        assert (early.status, early.json()["code"]) == (409, "charger-in-use")
        assert edge.call("GET", PATH).json()["registered"], "nothing was done"
        edge.kill()
        shutil.rmtree(edge.settings["data_dir"])  # type: ignore[arg-type]
        wait_until(lambda: session()["held_kw"] < 5.0, WAIT_S, "nobody has held it for a lease")
        edge.restart()

        removed = edge.call("DELETE", PATH)
        assert (removed.status, removed.json()["registered"]) == (200, False)
        wait_session(substation, "EV-1", "Idle")
