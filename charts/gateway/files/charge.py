"""What `helm test` runs in the gateway's image: charge a car through the gateway, and stop it."""

# ruff: noqa: T201 - what it prints, `helm test` shows

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

GATEWAY = os.environ["GATEWAY_URL"].rstrip("/")
LONGEST_WAIT_S = float(os.environ.get("LONGEST_WAIT_S", "60"))
ANSWER_TIMEOUT_S = 10.0


def call(method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
    request = urllib.request.Request(GATEWAY + path, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    # The certificate is for the name outside, and this asks by the Service's: what is tested is the way, not the name.
    context = ssl._create_unverified_context() if GATEWAY.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S, context=context) as answer:
        return dict(json.load(answer))


def charge(deadline_s: float) -> dict[str, Any]:
    """Asks again while the grid is still starting or full; the key makes that one session, however often it asks."""
    key = str(uuid.uuid4())
    while True:
        try:
            car = {"vehicle_id": "helm-test", "energy_kwh": 5, "max_power_kw": 7.4}
            return call("POST", "/charge", car, Idempotency_Key=key)
        except OSError as problem:
            hopeless = isinstance(problem, urllib.error.HTTPError) and problem.code < 500
            if hopeless or time.monotonic() > deadline_s:
                raise
        time.sleep(1)


def asks_for_tokens(problem: urllib.error.HTTPError) -> bool:
    """Whether the gateway is ready, and just does not know who this is."""
    return problem.code == 401 and call("GET", "/ready") == {"status": "ready"}


def main() -> None:
    session = charge(time.monotonic() + LONGEST_WAIT_S)
    print(f"Charging at {session['substation']} with {session['power_kw']} kW.")
    stopped = call("DELETE", f"/sessions/{session['session_id']}")
    if stopped["state"] != "Idle":
        sys.exit(f"The session was stopped, but its state is {stopped['state']}.")
    print(f"Stopped after {stopped['delivered_kwh']} kWh.")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as problem:
        if asks_for_tokens(problem):
            print("The gateway is ready, and asks for a token (global.auth.issuers): no car was charged.")
            sys.exit(0)
        sys.exit(f"The gateway refused: {problem.code} {problem.read().decode(errors='replace')}")
    except OSError as problem:
        sys.exit(f"The gateway at {GATEWAY} did not answer: {problem}")
