"""Discovery while the API server does what it should."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from balancer.discovery.scripted_api_server import (
    TOKEN,
    ApiServer,
    Listing,
    Running,
    Script,
    Stream,
    endpoint,
    endpoint_slice,
)
from smartgrid.balancer.discovery.kubernetes import KubernetesDiscovery
from smartgrid.runtime.start_error import StartError
from support.processes import wait_until

Start = Callable[..., ApiServer]
Discover = Callable[..., Running]
ONE = endpoint_slice("a", endpoint("s-0", "10.0.0.1"))
TWO = endpoint_slice("a", endpoint("s-0", "10.0.0.1"), endpoint("s-1", "10.0.0.2"), version="11")


def test_it_lists_the_slices_of_the_service_in_its_namespace(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    discover(start_server(script)).fleet.until("s-0")
    assert script.requests[0] == {
        "path": "/apis/discovery.k8s.io/v1/namespaces/grid/endpointslices",
        "labelSelector": "kubernetes.io/service-name=substation",
    }
    assert script.authorizations == {f"Bearer {TOKEN}"}


def test_it_watches_from_the_version_of_the_list_with_bookmarks_and_an_end(
    start_server: Start, discover: Discover
) -> None:
    script = Script(Listing([ONE], version="42"))
    discover(start_server(script))
    script.stream()
    watch = script.requests[1]
    assert (watch["watch"], watch["resourceVersion"]) == ("true", "42")
    assert (watch["allowWatchBookmarks"], watch["timeoutSeconds"]) == ("true", "30")


def test_a_service_without_pods_is_an_empty_fleet(start_server: Start, discover: Discover) -> None:
    discover(start_server(Script(Listing([])))).fleet.until()


@pytest.mark.parametrize("endpoints", [None, []])
def test_null_endpoints_are_an_empty_fleet(
    start_server: Start, discover: Discover, endpoints: list[object] | None
) -> None:
    discover(start_server(Script(Listing([endpoint_slice("a", endpoints=endpoints)])))).fleet.until()


def test_changes_are_published_as_they_come(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    fleet = discover(start_server(script)).fleet
    stream = script.stream()
    stream.send("MODIFIED", TWO)
    fleet.until("s-0", "s-1")
    stream.send("ADDED", endpoint_slice("b", endpoint("s-2", "10.0.0.3"), version="12"))
    fleet.until("s-0", "s-1", "s-2")
    stream.send("DELETED", TWO)
    fleet.until("s-2")


def test_a_pod_that_drains_leaves_the_fleet(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([TWO]))
    fleet = discover(start_server(script)).fleet
    draining = endpoint("s-1", "10.0.0.2", ready=False, serving=True, terminating=True)
    fleet.until("s-0", "s-1")
    script.stream().send("MODIFIED", endpoint_slice("a", endpoint("s-0", "10.0.0.1"), draining, version="12"))
    fleet.until("s-0")


def test_a_pod_that_moves_to_another_slice_never_leaves_the_fleet(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    fleet = discover(start_server(script)).fleet
    stream = script.stream()
    moved = endpoint_slice("b", endpoint("s-0", "10.0.0.1"), endpoint("s-1", "10.0.0.2"), version="11")
    stream.send("ADDED", moved)
    stream.send("MODIFIED", endpoint_slice("a", version="12"))
    stream.send("ADDED", endpoint_slice("c", endpoint("s-2", "10.0.0.3"), version="13"))
    fleet.until("s-0", "s-1", "s-2")
    assert all("s-0" in known for known in fleet.history)


def test_what_changes_nothing_is_not_published(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    fleet = discover(start_server(script)).fleet
    stream = script.stream()
    stream.send("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    stream.send("MODIFIED", endpoint_slice("a", endpoint("s-0", "10.0.0.1"), version="21"))
    stream.send("MODIFIED", TWO)
    fleet.until("s-0", "s-1")
    assert [sorted(known) for known in fleet.history] == [["s-0"], ["s-0", "s-1"]]


def test_a_watch_that_ends_goes_on_from_the_last_version_without_a_new_list(
    start_server: Start, discover: Discover
) -> None:
    script = Script(Listing([ONE], version="10"))
    discover(start_server(script))
    first = script.stream()
    first.send("MODIFIED", TWO)
    first.send("BOOKMARK", {"metadata": {"resourceVersion": "99"}})
    first.end()
    script.stream()
    assert [request.get("resourceVersion") for request in script.requests] == [None, "10", "99"]


def test_before_the_first_list_the_age_is_infinite_then_each_sign_of_life_renews_it(
    start_server: Start, discover: Discover, kubeconfig: Callable[[int], None]
) -> None:
    script = Script(Listing([ONE]))
    server = start_server(script)
    kubeconfig(server.server_address[1])
    assert KubernetesDiscovery("", "substation").sync_age_s(0.0) == math.inf

    discovery = discover(server).discovery
    stream: Stream = script.stream()
    wait_until(lambda: script.count(watch=True) == 1 and discovery.sync_age_s(0.0) < math.inf, what="the first sync")
    for kind, body in (("BOOKMARK", {"metadata": {"resourceVersion": "20"}}), ("MODIFIED", TWO)):
        before_s = discovery.sync_age_s(0.0)
        stream.send(kind, body)
        wait_until(lambda before_s=before_s: discovery.sync_age_s(0.0) < before_s, what=f"{kind} to renew the age")  # type: ignore[misc]


def test_it_lists_anew_now_and_then_whatever_the_watch_says(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]), Listing([TWO]))
    running = discover(start_server(script), relist_s=0.0)
    running.fleet.until("s-0", "s-1")


def test_stopping_ends_a_watch_that_waits(start_server: Start, discover: Discover) -> None:
    script = Script(Listing([ONE]))
    running = discover(start_server(script), silence_s=3600.0)
    script.stream()
    assert running.end()


def test_without_credentials_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    with pytest.raises(StartError, match="needs a service account or a kubeconfig"):
        KubernetesDiscovery("", "substation")
