"""What a set of EndpointSlices means."""

from __future__ import annotations

import pytest

from balancer.discovery.scripted_api_server import endpoint, endpoint_slice
from smartgrid.balancer.discovery import Member
from smartgrid.balancer.discovery.endpoints import members
from smartgrid.protocol.models import MEMBER_NAME


def test_a_ready_pod_is_a_member_by_its_name_and_address() -> None:
    assert members([endpoint_slice("a", endpoint("substation-0", "10.0.0.7", ready=True))], "http") == {
        Member("substation-0", "http://10.0.0.7:8080")
    }


def test_the_slices_of_a_service_are_merged() -> None:
    slices = [endpoint_slice("a", endpoint("s-0", "10.0.0.1")), endpoint_slice("b", endpoint("s-1", "10.0.0.2"))]
    assert {member.name for member in members(slices, "http")} == {"s-0", "s-1"}


def test_a_pod_in_two_slices_is_one_member_at_the_address_of_the_later_slice() -> None:
    slices = [endpoint_slice("a", endpoint("s-0", "10.0.0.1")), endpoint_slice("b", endpoint("s-0", "10.0.0.2"))]
    assert members(slices, "http") == {Member("s-0", "http://10.0.0.2:8080")}


def test_on_a_cluster_with_both_the_ipv4_address_is_used() -> None:
    slices = [
        endpoint_slice("four", endpoint("s-0", "10.0.0.1")),
        endpoint_slice("six", endpoint("s-0", "fd00::1"), addressType="IPv6"),
    ]
    assert members(slices, "http") == {Member("s-0", "http://10.0.0.1:8080")}


def test_an_ipv6_address_is_put_in_brackets() -> None:
    assert members([endpoint_slice("six", endpoint("s-0", "fd00::1"), addressType="IPv6")], "http") == {
        Member("s-0", "http://[fd00::1]:8080")
    }


@pytest.mark.parametrize(
    ("conditions", "is_member"),
    [
        pytest.param({}, True, id="no conditions"),
        pytest.param({"ready": None, "serving": None, "terminating": None}, True, id="null conditions"),
        pytest.param({"ready": True, "serving": True, "terminating": False}, True, id="ready"),
        pytest.param({"ready": False, "serving": False, "terminating": False}, False, id="not ready"),
        pytest.param({"ready": False, "serving": True, "terminating": True}, False, id="draining"),
        pytest.param({"ready": True, "serving": True, "terminating": True}, False, id="draining, published anyway"),
        pytest.param({"ready": True, "serving": False, "terminating": False}, False, id="not ready, published anyway"),
    ],
)
def test_pods_that_do_not_serve_or_are_leaving_are_away(conditions: dict[str, bool | None], is_member: bool) -> None:
    found = members([endpoint_slice("a", endpoint("s-0", "10.0.0.1", **conditions))], "http")
    assert found == {Member("s-0", "http://10.0.0.1:8080", away=not is_member)}


def test_a_pod_that_serves_by_one_slice_is_not_away_by_another() -> None:
    slices = [
        endpoint_slice("a", endpoint("s-0", "10.0.0.1", ready=True)),
        endpoint_slice("b", endpoint("s-0", "10.0.0.1", ready=False)),
    ]
    assert members(slices, "http") == {Member("s-0", "http://10.0.0.1:8080")}


def test_of_two_slices_with_a_pod_the_one_that_was_changed_last_counts_in_whatever_order_a_list_has_them() -> None:
    slices = [
        endpoint_slice("a", endpoint("s-0", "10.0.0.2"), version="1000"),
        endpoint_slice("b", endpoint("s-0", "10.0.0.1"), version="999"),
    ]
    assert members(slices, "http") == {Member("s-0", "http://10.0.0.2:8080")}


def test_a_fresher_ipv6_slice_does_not_win_over_ipv4() -> None:
    slices = [
        endpoint_slice("four", endpoint("s-0", "10.0.0.1"), version="1"),
        endpoint_slice("six", endpoint("s-0", "fd00::1"), version="2", addressType="IPv6"),
    ]
    assert members(slices, "http") == {Member("s-0", "http://10.0.0.1:8080")}


@pytest.mark.parametrize(
    ("address", "kind"), [("evil.example", "FQDN"), ("evil.example", "IPv4"), ("fd00::1", "IPv4"), ("10.0.0.1", "IPv6")]
)
def test_what_is_no_address_of_its_kind_is_not_believed(address: str, kind: str) -> None:
    assert members([endpoint_slice("a", endpoint("s-0", address), addressType=kind)], "http") == frozenset()


def test_pods_whose_names_differ_in_what_a_label_cannot_have_are_two_members() -> None:
    pods = (endpoint("a-b", "10.0.0.1"), endpoint("a.b", "10.0.0.2"), endpoint("a.-b", "10.0.0.3"))
    found = {member.url: member.name for member in members([endpoint_slice("a", *pods)], "http")}
    assert found["http://10.0.0.1:8080"] == "a-b"
    assert len(set(found.values())) == 3
    assert all(MEMBER_NAME.fullmatch(name) for name in found.values())


def test_a_name_that_is_too_long_for_a_label_is_shortened_and_still_its_own() -> None:
    pods = (endpoint(f"{'x' * 200}-1", "10.0.0.1"), endpoint(f"{'x' * 200}-2", "10.0.0.2"))
    names = {member.name for member in members([endpoint_slice("a", *pods)], "http")}
    assert len(names) == 2
    assert all(MEMBER_NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize("endpoints", [None, []])
def test_a_slice_without_endpoints_adds_nobody(endpoints: list[object] | None) -> None:
    assert members([endpoint_slice("a", endpoints=endpoints)], "http") == frozenset()


def test_the_port_is_found_by_its_name() -> None:
    ports = [{"name": "metrics", "port": 9090}, {"name": "http", "port": 8082}]
    assert members([endpoint_slice("a", endpoint("s-0", "10.0.0.1"), ports=ports)], "http") == {
        Member("s-0", "http://10.0.0.1:8082")
    }


def test_a_slice_without_that_port_adds_nobody() -> None:
    assert members([endpoint_slice("a", endpoint("s-0", "10.0.0.1"), ports=None)], "http") == frozenset()


def test_an_endpoint_made_by_hand_is_named_by_its_host_name_or_its_address() -> None:
    by_hand = [{"addresses": ["10.0.0.1"], "hostname": "north"}, {"addresses": ["10.0.0.2"]}]
    assert members([endpoint_slice("a", *by_hand)], "http") == {
        Member("north", "http://10.0.0.1:8080"),
        Member("ip-10-0-0-2", "http://10.0.0.2:8080"),
    }


@pytest.mark.parametrize(
    "strange",
    [
        {"endpoints": "none"},
        {"endpoints": ["none", None, {}]},
        {"endpoints": [{"addresses": {"": "10.0.0.9"}}]},
        {"endpoints": [{"addresses": ["10.0.0.9"], "targetRef": "s-9", "conditions": []}], "ports": 7},
        {"metadata": [], "addressType": None, "ports": [None, {"name": "http", "port": "1"}]},
        {"ports": [{"name": "http", "port": 70000}], "endpoints": [{"addresses": ["10.0.0.9"]}]},
        {"metadata": {"resourceVersion": "9" * 5000}},
    ],
)
def test_what_is_of_another_shape_adds_nobody_and_takes_nobody_away(strange: dict[str, object]) -> None:
    good = endpoint_slice("a", endpoint("s-0", "10.0.0.1"))
    assert members([{**endpoint_slice("b"), **strange}, good], "http") == {Member("s-0", "http://10.0.0.1:8080")}


NAMED = {"name": "a", "namespace": "grid", "labels": {"kubernetes.io/service-name": "substation"}}


def test_requests_to_a_pod_name_it_as_a_mesh_knows_it_while_its_address_is_dialled() -> None:
    (found,) = members([endpoint_slice("a", endpoint("s-0", "10.0.0.7"), metadata=NAMED)], "http")
    assert (found.url, found.host) == ("http://10.0.0.7:8080", "s-0.substation.grid.svc")


@pytest.mark.parametrize(
    ("target", "metadata"),
    [
        pytest.param({"kind": "Node", "name": "s-0"}, NAMED, id="no pod"),
        pytest.param({"kind": "Pod", "name": "s-0\r\nX: y"}, NAMED, id="a name that is none"),
        pytest.param({"kind": "Pod", "name": "s-0"}, NAMED | {"labels": None}, id="no service"),
        pytest.param({"kind": "Pod", "name": "s-0"}, NAMED | {"namespace": ""}, id="no namespace"),
        pytest.param(None, NAMED, id="made by hand"),
    ],
)
def test_what_has_no_name_in_a_service_is_named_by_its_address(target: object, metadata: dict[str, object]) -> None:
    by_hand = {"addresses": ["10.0.0.7"], "hostname": "north", "targetRef": target}
    (found,) = members([endpoint_slice("a", by_hand, metadata=metadata)], "http")
    assert found.host == ""
