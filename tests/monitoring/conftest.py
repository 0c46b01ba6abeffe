"""A small grid of real processes for the tests of this folder."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from balancer.discovery.scripted_api_server import ApiServer, Refusal, Script
from support.identity import Identities
from support.ports import free_port
from support.processes import Process, start_all, wait_until

VOLUME_BYTES = 64 * 1024 * 1024


@dataclass
class Services:
    """Two substations of 100 kW, a balancer, a gateway, and an edge that lets any charger in; and a balancer whose API
    server refuses it, which asks for tokens and has no room for its audit."""

    substations: list[Process]
    balancer: Process
    gateway: Process
    edge: Process
    lonely: Process
    volume: Path | None
    api_server: ApiServer
    identities: Identities
    """The issuer whose tokens the second balancer asks for."""

    def named(self) -> dict[str, Process]:
        return {
            "substation-0": self.substations[0],
            "substation-1": self.substations[1],
            "balancer": self.balancer,
            "gateway": self.gateway,
            "edge": self.edge,
            "lonely": self.lonely,
        }


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """All processes start at once."""
    folder = tmp_path_factory.mktemp("grid")
    with contextlib.ExitStack() as stack:
        volume = stack.enter_context(small_volume(folder / "volume"))
        api_server = ApiServer(Script(Refusal(503)))
        stack.callback(api_server.stop)
        substations = [
            Process(
                "substation", folder / name, name=name, capacity_kw=100, time_scale=100,
                **({} if volume is None else {"data_dir": volume / name}),
            )
            for name in ("substation-0", "substation-1")
        ]  # fmt: skip
        fleet = ",".join(f"{each.settings['name']}={each.url}" for each in substations)
        balancer = Process("balancer", folder / "balancer", substations=fleet, poll_interval_s=0.1)
        gateway = Process("gateway", folder / "gateway", balancer_url=balancer.url, balancer_timeout_s=1.2, threads=2)
        edge = Process(
            "edge", folder / "edge", name="edge", balancer_url=balancer.url, registration="open", meter_interval_s=1,
            ocpp_port=free_port(),
        )  # fmt: skip
        identities = Identities(folder / "identities")
        lonely = Process(
            "balancer", folder / "lonely", discovery="kubernetes", audit_log="/dev/full", **identities.believing
        )
        made = Services(substations, balancer, gateway, edge, lonely, volume, api_server, identities)
        for process in made.named().values():
            stack.callback(process.end)
        with kubeconfig(folder / "kubeconfig", api_server.server_address[1]):
            lonely.launch()
        start_all((*substations, balancer, gateway, edge))
        wait_until(lambda: lonely.try_call("GET", "/metrics") is not None, 30, "the second balancer answers")
        yield made


@contextlib.contextmanager
def small_volume(folder: Path) -> Iterator[Path | None]:
    """A volume of 64 MiB; None where this user may not mount one, and then no volume is filled."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def kubeconfig(path: Path, port: int) -> Iterator[None]:
    """Point processes that start within the block at an API server on this machine."""
    cluster = f'{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}'
    context = "{name: c, context: {cluster: c, user: u, namespace: grid}}"
    path.write_text(
        f"{{apiVersion: v1, kind: Config, clusters: [{cluster}], users: [{{name: u, user: {{token: t}}}}], "
        f"contexts: [{context}], current-context: c}}"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        yield
