"""Which URLs the balancer may be told to connect to."""

from __future__ import annotations

import pytest

from smartgrid.balancer.targets import parse
from smartgrid.http_client.urls import check_url

LOOPBACK = parse("localhost,127.0.0.0/8,::1")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8082",
        "http://127.9.9.9",
        "https://localhost:8443",
        "HTTP://LOCALHOST:1/",
        "http://[::1]:8082",
        "http://[::ffff:127.0.0.1]:8082",
    ],
)
def test_the_default_is_this_machine(url: str) -> None:
    assert LOOPBACK.allows(check_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8082",
        "http://169.254.169.254",
        "http://metadata.google.internal",
        "http://[fd00:ec2::254]",
        "http://[::ffff:10.0.0.1]",
        "http://[::ffff:a9fe:a9fe]",
        "http://[64:ff9b::7f00:1]",
        "http://0.0.0.0:8082",
        "http://[::]:8082",
        "http://2130706433:8082",
        "http://0x7f000001:8082",
        "http://0177.0.0.1:8082",
        "http://127.1:8082",
        "http://localhost.example:8082",
        "http://notlocalhost:8082",
        "http://localhost.:8082",
        "http://127.0.0.1.example:8082",
    ],
)
def test_all_else_is_not_allowed(url: str) -> None:
    assert not LOOPBACK.allows(check_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8082",
        "//127.0.0.1:8082",
        "file:///etc/passwd",
        "ftp://127.0.0.1",
        "unix:///var/run/docker.sock",
        "http://",
        "http://user@127.0.0.1:8082",
        "http://user:secret@127.0.0.1:8082",
        "http://10.0.0.1@127.0.0.1:8082",
        "http://127.0.0.1@10.0.0.1:8082",
        "http://127.0.0.1:8082/path",
        "http://127.0.0.1:8082?query=1",
        "http://127.0.0.1:8082#fragment",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://[::1:8082",
        "http://two..dots:8082",
        "http://spaced host:8082",
        "http://-hyphen:8082",
        f"http://{'a' * 64}.example",
    ],
)
def test_what_is_no_substations_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no URL|must be|has a host"):
        check_url(url)


def test_one_form_for_each_url() -> None:
    assert check_url("HTTP://Substation-1.Grid:8082/") == "http://substation-1.grid:8082"
    assert check_url("http://[::1]:8082") == "http://[::1]:8082"
    assert check_url("https://host") == "https://host"


def test_hosts_suffixes_and_networks() -> None:
    targets = parse("substation.example, *.grid.svc, 10.1.0.0/16, fd00::/8")

    allowed = ["substation.example", "a.grid.svc", "a.b.grid.svc", "10.1.2.3", "[fd00::1]"]
    refused = ["other.example", "x.substation.example", "grid.svc", "agrid.svc", "10.2.0.1", "[fe80::1]", "localhost"]
    assert [host for host in allowed if not targets.allows(f"http://{host}:1")] == []
    assert [host for host in refused if targets.allows(f"http://{host}:1")] == []


def test_no_target_is_allowed_where_none_is_named() -> None:
    assert not parse("").allows("http://127.0.0.1:8082")


@pytest.mark.parametrize("text", ["*", "a.*.b", "http://host", "10.0.0.0/99", "a b", "**.x"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="is no host name"):
        parse(text)
