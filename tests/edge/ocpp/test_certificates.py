"""Whom a client certificate names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ocpp.certificates import common_name, told_by_proxy

NGINX, ENVOY = "ssl-client-subject-dn", "X-Forwarded-Client-Cert"


def nginx(subject: str, verified: str | None = "SUCCESS") -> str | None:
    return told_by_proxy(NGINX, subject, verified)


def envoy(value: str) -> str | None:
    return told_by_proxy(ENVOY, value, None)


def test_python_s_own_tls_tells_a_subject_in_parts() -> None:
    assert common_name({"subject": ((("organizationName", "Op"),), (("commonName", "CP-1"),))}) == "CP-1"


@pytest.mark.parametrize(
    "peer",
    [None, {}, {"subject": ()}, {"subject": ((("commonName", "a"),), (("commonName", "b"),))}],
)
def test_no_name_or_two_are_none(peer: dict[str, object] | None) -> None:
    assert common_name(peer) is None


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=CP-1", "CP-1"),
        ("CN=CP-1,O=Operator,C=SE", "CP-1"),
        ("O=Operator, CN=CP-1", "CP-1"),
        ("O=Operator+CN=CP-1", "CP-1"),
        ("cn=CP-1", "CP-1"),
        (r"CN=a\,b", "a,b"),
        (r"CN=a\2Cb", "a,b"),
        (r"CN=\C3\A4", "ä"),
        ('CN="a,b"', "a,b"),
        (r"O=x\,CN=evil,CN=CP-1", "CP-1"),
        ('O="x,CN=evil",CN=CP-1', "CP-1"),
    ],
)
def test_pitfall_24_nginx_tells_a_distinguished_name(subject: str, name: str) -> None:
    assert nginx(subject) == name


@pytest.mark.parametrize("subject", ["", "O=Operator", "CN=", "CN=a,CN=b", r"O=x\,CN=evil", "nonsense", r"CN=\FF"])
def test_pitfall_24_a_subject_without_exactly_one_name_proves_nothing(subject: str) -> None:
    assert nginx(subject) is None


@pytest.mark.parametrize("verified", ["FAILED:self-signed certificate", "NONE", "", "success"])
def test_pitfall_24_a_certificate_that_the_proxy_has_not_accepted_proves_nothing(verified: str) -> None:
    assert nginx("CN=CP-1", verified) is None


@pytest.mark.parametrize(
    "value",
    [
        'Hash=1a;Subject="CN=CP-1,O=Op";URI=',
        'By=spiffe://x;Hash=1a;Subject="CN=CP-1"',
        'subject="CN=CP-1"',
        'Hash=0;Subject="CN=evil",Hash=1a;Subject="O=a\\\\\\"b,CN=CP-1"',
        'Hash=1;Subject="O=a;Subject=\\"CN=evil\\",CN=CP-1"',
    ],
)
def test_pitfall_24_envoy_tells_it_in_a_field_of_the_last_element(value: str) -> None:
    assert envoy(value) == "CP-1"


@pytest.mark.parametrize(
    "value", ["", "Hash=1a", "Subject=CN=CP-1", 'Subject="CN=a";Subject="CN=b"', 'Subject="CN=CP-1",Hash=2']
)
def test_pitfall_24_what_envoy_does_not_say_so_proves_nothing(value: str) -> None:
    assert envoy(value) is None


@given(st.text(max_size=30).filter(lambda text: text.isprintable() and text.isascii() and text == text.strip() != ""))
def test_an_organisation_with_any_name_cannot_pass_for_a_charger(text: str) -> None:
    escaped = "".join(f"\\{each}" if each in ',+"\\<>;=#' else each for each in text)
    assert nginx(f"O={escaped},CN=CP-1") == "CP-1"
    quoted = f"O={escaped},CN=CP-1".replace("\\", "\\\\").replace('"', '\\"')
    assert envoy(f'Hash=1;Subject="{quoted}"') == "CP-1"


@given(st.text(max_size=80))
def test_anything_is_read_without_an_exception(text: str) -> None:
    nginx(text)
    envoy(text)
