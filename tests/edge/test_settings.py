"""The edge's settings, and what is said of bad ones."""

from __future__ import annotations

import pytest

from smartgrid.edge.settings import EdgeSettings, parse_peers, parse_substations
from smartgrid.runtime.settings import SettingsError, load


def test_substations_are_read_by_name():
    assert parse_substations("a=http://h:1, b=https://i/") == {"a": "http://h:1", "b": "https://i"}


def test_each_peer_has_an_address_for_chargers_and_one_for_its_api():
    peers = parse_peers("edge-0=ws://a:9000|http://a:8083,edge-1=wss://b|https://b")
    assert peers == {"edge-0": ("ws://a:9000", "http://a:8083"), "edge-1": ("wss://b", "https://b")}


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SUBSTATIONS", "substation-0", "as in substation-0=http://127.0.0.1:8082, with commas"),
        ("SUBSTATIONS", "a=http://x,a=http://y", "has a twice"),
        ("PEERS", "edge-0=http://a|http://b", "a URL such as ws://"),
        ("PEERS", "edge-0=ws://a", "a URL such as http://"),
        ("PEER_TEMPLATE", "ws://edge:9000|http://edge:8083", "{n} in the place of an edge's number"),
        ("BALANCER_URL", "balancer:8081", "a URL such as http://"),
        ("REGISTRATION", "maybe", "'closed' or 'open'"),
        ("TRUSTED_PROXIES", "proxy", "does not appear to be an IPv4 or IPv6 network"),
        ("OCPP_PORT", "0", "greater than or equal to 1"),
        ("CLIENT_CERTIFICATE_HEADER", "X Cert", "should match pattern"),
    ],
)
def test_a_bad_value_is_one_sentence_that_says_what_would_be_right(
    variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(f"SMARTGRID_{variable}", value)

    with pytest.raises(SettingsError) as error:
        load(EdgeSettings)

    assert str(error.value).startswith(f"SMARTGRID_{variable}={value!r}: ")
    assert sentence in str(error.value)
