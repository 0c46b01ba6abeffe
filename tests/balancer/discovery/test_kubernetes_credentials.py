"""Discovery with the credentials that a pod has: a token, a CA and TLS."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes.config import incluster_config

from balancer.discovery.scripted_api_server import ApiServer, Fleet, Listing, Script, endpoint, endpoint_slice
from smartgrid.balancer.discovery import api_server
from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery
from smartgrid.runtime.start_error import StartError

LIMIT_S = 20.0
FLEET = [endpoint_slice("a", endpoint("s-0", "10.0.0.1"))]


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kubelet mounts into a pod, with a certificate for this machine that is its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("making a certificate needs openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", tmp_path / "key", "-out", tmp_path / "ca.crt", "-subj", "/CN=api",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "token").write_text("the-pods-token")
    (tmp_path / "namespace").write_text("grid\n")
    monkeypatch.setattr(api_server, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    return tmp_path


@pytest.fixture
def in_pod(
    service_account: Path, start_server: Callable[..., ApiServer], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Script], None]:
    """This process as a pod of a cluster whose API server, with TLS, follows the script."""

    def be(script: Script) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(service_account / "ca.crt", service_account / "key")
        server = start_server(script, tls=tls)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_address[1]))

    return be


def test_a_pod_lists_and_watches_its_own_namespace_with_its_token(in_pod: Callable[[Script], None]) -> None:
    script = Script(Listing(FLEET))
    in_pod(script)
    fleet, stop = Fleet(), threading.Event()
    thread = threading.Thread(target=KubernetesDiscovery("", "substation").run, args=(fleet, stop), daemon=True)
    thread.start()
    stream = script.stream()
    stream.send("MODIFIED", endpoint_slice("a", endpoint("s-1", "10.0.0.2"), version="11"))
    fleet.until("s-1")
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive(), "a watch over TLS must end at once too"
    assert script.authorizations == {"bearer the-pods-token"}
    assert {request["path"] for request in script.requests} == {
        "/apis/discovery.k8s.io/v1/namespaces/grid/endpointslices"
    }


def test_a_service_account_without_its_certificate_is_said_so(
    service_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    (service_account / "ca.crt").unlink()
    with pytest.raises(StartError, match="needs a service account or a kubeconfig"):
        KubernetesDiscovery("", "substation")
