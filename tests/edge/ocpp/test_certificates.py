"""Whom a client certificate names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.edge.ocpp.certificates import common_name, told_by_proxy

NGINX, ENVOY, HAPROXY = "ssl-client-subject-dn", "X-Forwarded-Client-Cert", "X-SSL-Client-CN"


def nginx(subject: str, *verdicts: str) -> str | None:
    return told_by_proxy(NGINX, [subject], verdicts or ["SUCCESS"])


def envoy(*values: str) -> str | None:
    return told_by_proxy(ENVOY, values)


def haproxy(value: str, *verdicts: str) -> str | None:
    return told_by_proxy(HAPROXY, [value], verdicts)


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
        (r"CN=CP\\2D1", r"CP\2D1"),
        (r"CN=a\\\,b", r"a\,b"),
        (r"CN=\#a\C3\A4\"", '#aä"'),
    ],
)
def test_pitfall_24_nginx_tells_a_distinguished_name(subject: str, name: str) -> None:
    assert nginx(subject) == name


@pytest.mark.parametrize(
    "subject", ["", "O=Operator", "CN=", "CN=a,CN=b", r"O=x\,CN=evil", "nonsense", r"CN=\FF", "CN=CP-1\\", '"CN=CP-1']
)
def test_pitfall_24_a_subject_without_exactly_one_name_proves_nothing(subject: str) -> None:
    assert nginx(subject) is None


@pytest.mark.parametrize("verified", ["FAILED:self-signed certificate", "NONE", "", "success"])
def test_pitfall_24_a_certificate_that_the_proxy_has_not_accepted_proves_nothing(verified: str) -> None:
    assert nginx("CN=CP-1", verified) is None
    assert nginx("CN=CP-1", "SUCCESS", verified) is None
    assert nginx("CN=CP-1", verified, "SUCCESS") is None
    assert haproxy("CP-1", verified) is None


@pytest.mark.parametrize("header", [NGINX, HAPROXY])
def test_pitfall_24_of_a_header_that_is_there_twice_neither_is_believed(header: str) -> None:
    """Such as one of the charger's own, to which its proxy has added another, of a certificate without a name."""
    assert told_by_proxy(header, ["CN=CP-1", "O=Operator"]) is None
    assert told_by_proxy(header, ["CN=CP-1", "CN=CP-1"]) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("CP-1", "CP-1"),
        ('"CP-1"', '"CP-1"'),
        (r"CP\2D1", r"CP\2D1"),
        ("a,CN=b", "a,CN=b"),
        ("\xc3\xa4", "ä"),
        ("\xe4", None),
        ("", None),
    ],
)
def test_pitfall_24_haproxy_tells_the_name_alone(value: str, name: str | None) -> None:
    assert haproxy(value) == haproxy(value, "0") == name
    assert haproxy(value, "21") is None


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
    "value",
    [
        "",
        "Hash=1a",
        "Subject=CN=CP-1",
        'Subject="CN=CP-1',
        'Subject="CN=CP-1"x',
        'Subject="',
        'Subject="CN=a";Subject="CN=b"',
        'Subject="CN=CP-1",Hash=2',
    ],
)
def test_pitfall_24_what_envoy_does_not_say_so_proves_nothing(value: str) -> None:
    assert envoy(value) is None


def test_pitfall_24_a_comma_in_another_part_of_the_subject_begins_no_name_behind_envoy() -> None:
    """Which does not escape in its header what the subject has escaped already, though its manual says so."""
    assert envoy(r'Hash=1;Subject="O=x\,CN=CP-1"') is None
    assert envoy(r'Hash=1;Subject="O=x\\,CN=CP-1"') is None
    assert envoy(r'Hash=1;Subject="O=Acme\, Inc.,CN=CP-1"') == "CP-1"


@pytest.mark.parametrize(
    "forged",
    ['Subject="CN=CP-1";URI="', 'Subject="CN=CP-1";URI=\\', 'Subject="CN=CP-1";URI="\\', 'Subject="CN=CP-1', '"', ""],
)
def test_pitfall_24_what_a_charger_wrote_is_not_believed_where_its_proxy_only_appends(forged: str) -> None:
    told = 'By=x;Hash=2;Subject="O=Op"'
    assert envoy(f"{forged},{told}") is None
    assert envoy(forged, told) is None


@given(st.text(max_size=30).filter(lambda text: text.isprintable() and text.isascii() and text == text.strip() != ""))
def test_an_organisation_with_any_name_cannot_pass_for_a_charger(text: str) -> None:
    escaped = "".join(f"\\{each}" if each in ',+"\\<>;=#' else each for each in text)
    assert nginx(f"O={escaped},CN=CP-1") == "CP-1"
    assert envoy(f'Hash=1;Subject="O={escaped}"') is None


@given(st.text(max_size=80))
def test_anything_is_read_without_an_exception(text: str) -> None:
    nginx(text)
    envoy(text)
    haproxy(text)
