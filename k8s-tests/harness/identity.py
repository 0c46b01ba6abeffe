"""The identity provider of the cluster: logging in, its keys, and taking it away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster import dex
from cluster.backend import Backend
from cluster.lock import exclusive
from cluster.shell import wait_until
from harness.api import KubeApi
from harness.reach import Caller, calling_pod

LOGIN_CLIENT = Path(__file__).with_name("login_client.py")
READ = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
KEYS = f"/apis/dex.coreos.com/v1/namespaces/{dex.NAMESPACE}/signingkeies"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{dex.NAMESPACE}/deployments/{dex.NAME}"
PODS = f"/api/v1/namespaces/{dex.NAMESPACE}/pods"
KeySet = dict[str, Any]


class LoginRefusedError(Exception):
    """The provider gave no token; the message says why."""


class IdentityProvider:
    """A running Dex. `browser` is a pod in the cluster: the provider's address means something only there."""

    def __init__(self, backend: Backend, api: KubeApi, browser: Caller) -> None:
        self._backend, self._api, self._browser = backend, api, browser

    def log_in(self, user: str, password: str = dex.PASSWORD, *, wrong_verifier: bool = False) -> str:
        """A user's ID token, by the login page with PKCE. Raises LoginRefusedError."""
        return self._token("code", user, password, wrong_verifier=wrong_verifier)

    def token(self, user: str, password: str = dex.PASSWORD) -> str:
        """The same by the password grant, which needs no page. Raises LoginRefusedError."""
        return self._token("password", user, password)

    def keys(self) -> KeySet:
        """The key set as services read it."""
        return dict(json.loads(self._browser.run(READ, dex.KEYS_URL)))

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the old one is still published. Returns when that is so."""
        before = {key["kid"] for key in self.keys()["keys"]}
        (stored,) = self._api.get(KEYS)["items"]
        name = stored["metadata"]["name"]
        self._api.patch(f"{KEYS}/{name}", {"nextRotation": datetime.now(UTC).isoformat()})
        self._replace_pod()  # it looks whether the time has come when it starts, and every 30 s
        wait_until("a new key", lambda: bool({key["kid"] for key in self.keys()["keys"]} - before), timeout_s=60)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Not there while the block runs; afterwards it is the same as before."""
        self._scale(0)
        wait_until("the end of Dex", lambda: not self._pod_names(), timeout_s=60)
        try:
            yield
        finally:
            self._scale(1)
            self._wait_until_back()

    def _token(self, flow: str, user: str, password: str, **more: object) -> str:
        asked = {
            "flow": flow,
            "issuer": dex.ISSUER,
            "client": dex.CLIENT,
            "redirect_uri": dex.REDIRECT_URI,
            "user": user,
            "password": password,
            **more,
        }
        given = json.loads(self._browser.run(LOGIN_CLIENT.read_text(), json.dumps(asked)))
        if "refused" in given:
            raise LoginRefusedError(given["refused"])
        return str(given["id_token"])

    def _replace_pod(self) -> None:
        old = self._pod_names()
        for name in old:
            self._api.delete(f"{PODS}/{name}")
        wait_until("the end of the old pod", lambda: not old & self._pod_names(), timeout_s=60)
        self._wait_until_back()

    def _wait_until_back(self) -> None:
        """Ready is not enough: the node learns a little later where its Service leads to now."""
        dex.wait_until_ready(self._backend)
        wait_until("Dex to answer", lambda: bool(self.keys()), timeout_s=60)

    def _pod_names(self) -> set[str]:
        items = self._api.get(PODS, labelSelector=f"app.kubernetes.io/name={dex.NAME}")["items"]
        return {item["metadata"]["name"] for item in items}

    def _scale(self, replicas: int) -> None:
        self._api.patch(f"{DEPLOYMENT}/scale", {"spec": {"replicas": replicas}})


@contextmanager
def identity_provider(backend: Backend, api: KubeApi) -> Iterator[IdentityProvider]:
    """Dex in the cluster; removed afterwards if it was not there before."""
    path = f"/api/v1/namespaces/{dex.NAMESPACE}"
    was_there = api.exists(path)
    with exclusive():
        dex.install(backend)
    try:
        with calling_pod(api, dex.NAMESPACE, "browser", {}) as browser:
            yield IdentityProvider(backend, api, browser)
    finally:
        if not was_there:
            api.delete(path)
            wait_until(f"removal of {path}", lambda: not api.exists(path), timeout_s=120)
