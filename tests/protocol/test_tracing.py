"""The request id, carried from service to service."""

from __future__ import annotations

import re

import pytest

from smartgrid.protocol import tracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        f"  00-{TRACE}-{SPAN}-01 ",
        f"cc-{TRACE}-{SPAN}-01-later-versions",
    ],
)
def test_a_trace_is_taken_over(traceparent: str) -> None:
    assert tracing.begin(traceparent) == TRACE
    assert tracing.current() == TRACE


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",  # version 00 has four parts
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n{TRACE}",
    ],
)
def test_what_is_no_trace_begins_a_new_one(traceparent: str | None) -> None:
    found = tracing.begin(traceparent)
    assert found != TRACE
    assert re.fullmatch("[0-9a-f]{32}", found)
    assert tracing.begin(traceparent) != found


@pytest.mark.parametrize("request_id", [TRACE, "4BF92F35-77b3-4da6-a3ce-929d0e0e4736"])
def test_a_request_id_in_the_form_of_a_uuid_is_taken_over(request_id: str) -> None:
    assert tracing.begin(None, request_id) == TRACE


@pytest.mark.parametrize("request_id", ["", "x", "0" * 32, "<script>"])
def test_any_other_request_id_is_not(request_id: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", tracing.begin(None, request_id))


def test_a_trace_goes_before_a_request_id() -> None:
    assert tracing.begin(f"00-{TRACE}-{SPAN}-01", "f" * 32) == TRACE


def test_the_next_service_gets_the_same_trace() -> None:
    tracing.begin(f"00-{TRACE}-{SPAN}-01")
    sent = tracing.outgoing()[tracing.HEADER]
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", sent)
    assert tracing.begin(sent) == TRACE
