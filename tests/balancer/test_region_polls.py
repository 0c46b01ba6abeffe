"""The long poll to a region, with what stands between two clusters: a load balancer that cuts what is idle.

Scaled down: 60 s are 6 s here, as a poll interval of 5 s is one of 0.5 s.
"""

from __future__ import annotations

from pathlib import Path

from support.grid import in_rotation, metric
from support.processes import Process, running, wait_until
from support.tcp_proxy import TcpProxy

INTERVAL_S = 0.5
CUT_AFTER_S = 5.5
PLAIN_POLLS = "polling_duration_seconds_count"


def test_a_long_poll_to_a_region_ends_before_it_is_cut_and_one_to_a_substation_may_not(tmp_path: Path) -> None:
    substation = Process("substation", tmp_path / "substation", name="substation-0", capacity_kw=44)
    region = Process("balancer", tmp_path / "region", substations=f"substation-0={substation.url}")
    with running(substation, region), TcpProxy(region.port) as to_region, TcpProxy(substation.port) as to_substation:
        to_region.idle_limit_s = to_substation.idle_limit_s = CUT_AFTER_S
        members = {"west": to_region, "plain": to_substation}
        listed = ",".join(f"{name}={proxy.url}" for name, proxy in members.items())
        with Process("balancer", tmp_path / "top", substations=listed, poll_interval_s=INTERVAL_S) as top:
            wait_until(lambda: in_rotation(top, "west"), 60, "the region is seen")
            begun = to_region.asked
            wait_until(lambda: to_region.asked >= begun + 3, 90, "three long polls in a row have ended")
            assert to_region.idle_cuts == 0
            wait_until(lambda: to_substation.idle_cuts > 0, 60, "the proxy does cut what is idle")
            assert in_rotation(top, "west")
            assert in_rotation(top, "plain"), "a cut costs a poll more"
            assert metric(top, PLAIN_POLLS) >= len(members) + 1
