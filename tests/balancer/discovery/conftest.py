"""Discovery against a scripted API server."""

from __future__ import annotations

import json
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from balancer.discovery.scripted_api_server import TOKEN, ApiServer, Fleet, Running, Script
from smartgrid.balancer.discovery.api_server import Timeouts
from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery
from smartgrid.runtime.backoff import Backoff


@pytest.fixture
def start_server() -> Iterator[Callable[..., ApiServer]]:
    servers: list[ApiServer] = []

    def start(script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> ApiServer:
        servers.append(ApiServer(script, port, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Point the Kubernetes client at a port of this machine."""

    def write(port: int) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "scripted", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "balancer", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c", "context": {"cluster": "scripted", "user": "balancer", "namespace": "grid"}}],
            "current-context": "c",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(path))

    return write


@pytest.fixture
def discover(kubeconfig: Callable[[int], None]) -> Iterator[Callable[..., Running]]:
    """Start a discovery of the Service `substation`; its waits are short, and the same in every run."""
    started: list[Running] = []

    def start(server: ApiServer, *, silence_s: float = 30.0, relist_s: float = 600.0) -> Running:
        kubeconfig(server.server_address[1])
        discovery = KubernetesDiscovery(
            "",
            "substation",
            timeouts=Timeouts(connect_s=5.0, answer_s=5.0, silence_s=silence_s),
            backoff=Backoff(first_s=0.001, longest_s=0.004, jitter=random.Random(1)),
            relist_s=relist_s,
        )
        fleet, stop = Fleet(), threading.Event()
        thread = threading.Thread(target=discovery.run, args=(fleet, stop), daemon=True)
        started.append(Running(discovery, fleet, stop, thread))
        thread.start()
        return started[-1]

    yield start
    for running in started:
        assert running.end()
