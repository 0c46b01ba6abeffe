"""How a service proves itself to those it calls: by its own token, or by that of the address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from smartgrid.auth.credentials import Credentials
from smartgrid.auth.scopes import GRID_READ, GRID_SERVICE
from smartgrid.http_client.client import NotSentError
from smartgrid.runtime.settings import CallingSettings
from smartgrid.runtime.start_error import StartError
from support import certificates
from support.identity import Identities
from support.processes import Process, wait_until

WEST, EAST = "https://west.example.com", "http://east.example.com:8081"


def credentials(tmp_path: Path, *targets: dict[str, str]) -> Credentials:
    own = tmp_path / "own"
    own.write_text("own")
    return Credentials(CallingSettings(service_token_file=own, targets=json.dumps(targets)))


def test_an_address_of_which_nothing_is_said_gets_the_services_own_token(tmp_path: Path) -> None:
    assert credentials(tmp_path).of(WEST).headers() == {"Authorization": "Bearer own"}


def test_an_address_gets_its_own_token_and_authority_and_its_neighbour_does_not(tmp_path: Path) -> None:
    (tmp_path / "west").write_text("of.west")
    target = {"url": WEST, "token_file": str(tmp_path / "west"), "ca": str(tmp_path / "ca.crt")}
    found = credentials(tmp_path, target)
    for url in (WEST, f"{WEST}:443/charge", WEST.upper().replace("HTTPS", "https")):
        assert found.of(url).headers() == {"Authorization": "Bearer of.west"}
        assert found.of(url).ca_file == tmp_path / "ca.crt"
    for url in (EAST, "http://west.example.com", f"{WEST}:8443", "https://west.example.com.evil.example"):
        assert found.of(url).headers() == {"Authorization": "Bearer own"}
        assert found.of(url).ca_file is None


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("[", "EOF"),
        ('[{"url": "west.example.com"}]', "must be a URL such as"),
        ('[{"url": "https://a", "toke_file": "x"}]', "toke_file"),
        ("/no/such/file", "/no/such/file"),
        (json.dumps([{"url": "https://a"}] * 1001), "at most 1000"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(setting: str, part: str) -> None:
    with pytest.raises(StartError, match="SMARTGRID_TARGETS") as refusal:
        Credentials(CallingSettings(targets=setting))
    assert part in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def close() -> Iterator[ExitStack]:
    """What is to be closed in the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def secret_substation(tmp_path: Path) -> Iterator[tuple[Process, Identities, certificates.Certificate]]:
    """One that speaks https with a certificate of its own, and asks for tokens."""
    identities, found = Identities(tmp_path / "identities"), certificates.make(tmp_path)
    process = Process(
        "substation",
        tmp_path / "s",
        capacity_kw=100,
        tls_cert_file=found.cert,
        tls_key_file=found.key,
        **identities.believing,
    )
    process.launch()
    yield process, identities, found
    process.end()


def test_a_real_one_is_called_with_its_authority_and_token_and_else_not(
    secret_substation: tuple[Process, Identities, certificates.Certificate], tmp_path: Path, close: ExitStack
) -> None:
    process, identities, certificate = secret_substation
    token = tmp_path / "west"
    token.write_text(identities.issuer.token("west", [GRID_SERVICE], 60))
    url = f"https://localhost:{process.port}"
    target = {"url": url, "token_file": str(token), "ca": str(certificate.cert)}
    knowing, unknowing = (credentials(tmp_path, *each).client(url) for each in ([target], []))
    close.callback(knowing.close)

    def answers() -> bool:
        try:
            return knowing.request("GET", "/ready", timeout_s=5).status == 200
        except NotSentError:
            return False

    wait_until(answers, 60, "the substation answers")
    assert knowing.request("GET", "/status?keys=0", timeout_s=10).status == 200
    with pytest.raises(NotSentError, match="certificate"):
        unknowing.request("GET", "/status", timeout_s=10)
    token.write_text(identities.issuer.token("west", [GRID_READ], 60))
    again = credentials(tmp_path, target).client(url)
    close.callback(again.close)
    assert again.request("GET", "/status?keys=0", timeout_s=10).status == 403
