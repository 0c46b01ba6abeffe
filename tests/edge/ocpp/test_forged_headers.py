"""What a charger might write into the headers of a proxy, to pass for another: seen by a real listener, whose peer is
a proxy that is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.edge.ocpp.settings import Proxies
from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.store import Registry
from smartgrid.http_server.client_address import networks
from support.charger_sockets import SUBSTATION, run, running

NETWORK = networks("127.0.0.0/8")
NGINX, ENVOY, HAPROXY = "ssl-client-subject-dn", "x-forwarded-client-cert", "x-ssl-client-cn"
TLS, ACCEPTED = ("X-Forwarded-Proto", "https"), ("ssl-client-verify", "SUCCESS")
Header = tuple[str, str]


def status(folder: Path, header: str, *headers: Header) -> int:
    """The answer to CP-1, which is registered with profile 3, where proxies tell certificates in `header`; 101 if it is
    let in."""
    registry, found = Registry(folder), list[int]()
    registry.put(ChargerId(SUBSTATION, "CP-1"), ChargerSpec(security_profile=3))

    async def story() -> None:
        async with running(folder, registry=registry, proxies=Proxies(NETWORK, header)) as edge:
            found.append(await edge.refused(additional_headers=headers))

    run(story)
    return found[0]


@pytest.mark.parametrize(
    ("header", "headers"),
    [
        (NGINX, [("SSL-Client-Subject-DN", "CN=CP-1"), ("SSL-CLIENT-VERIFY", "SUCCESS")]),
        (HAPROXY, [("X-SSL-Client-CN", "CP-1"), ("X-SSL-Client-Verify", "0")]),
        (ENVOY, [("X-Forwarded-Client-Cert", 'Subject="CN=CP-9"'), (ENVOY, 'Subject="CN=CP-1"')]),
    ],
)
def test_headers_are_known_in_any_case(tmp_path: Path, header: str, headers: list[Header]) -> None:
    assert status(tmp_path, header, TLS, *headers) == 101


@pytest.mark.parametrize(
    ("header", "headers"),
    [
        (NGINX, [(NGINX, "CN=CP-1"), (NGINX, "O=Operator"), ACCEPTED]),
        (NGINX, [(NGINX, "CN=CP-1"), (NGINX, "CN=CP-1"), ACCEPTED]),
        (NGINX, [(NGINX, "CN=CP-1"), ACCEPTED, ("ssl-client-verify", "NONE")]),
        (NGINX, [(NGINX, "CN=CP-1"), ("ssl-client-verify", "FAILED:expired"), ACCEPTED]),
        (NGINX, [("ssl_client_subject_dn", "CN=CP-1"), ACCEPTED]),
        (NGINX, [("ssl-client-subject-dn-", "CN=CP-1"), ACCEPTED]),
        (NGINX, [(ENVOY, 'Subject="CN=CP-1"'), ACCEPTED]),
        (HAPROXY, [(HAPROXY, "CP-1"), (HAPROXY, "")]),
        (HAPROXY, [(NGINX, "CN=CP-1"), ACCEPTED]),
        (HAPROXY, [(HAPROXY, "CP-1"), ("X-SSL-Client-Verify", "10")]),
        (ENVOY, [(ENVOY, 'Subject="CN=CP-1";URI="'), (ENVOY, 'Hash=2;Subject="CN=CP-9"')]),
        ("", [(NGINX, "CN=CP-1"), ACCEPTED]),
    ],
)
def test_a_certificate_is_believed_in_the_one_header_that_its_proxy_sets_once(
    tmp_path: Path, header: str, headers: list[Header]
) -> None:
    assert status(tmp_path, header, TLS, *headers) == 403


@pytest.mark.parametrize("scheme", ["http", "https, http", "http,https", "HTTPS ", "", "ftp"])
def test_tls_is_believed_only_where_one_header_says_so_and_nothing_else(tmp_path: Path, scheme: str) -> None:
    told = (NGINX, "CN=CP-1"), ACCEPTED
    assert status(tmp_path, NGINX, ("X-Forwarded-Proto", scheme), *told) == 403
    assert status(tmp_path / "twice", NGINX, TLS, TLS, *told) == 403
    assert status(tmp_path / "underscore", NGINX, ("X_Forwarded_Proto", "https"), *told) == 403
