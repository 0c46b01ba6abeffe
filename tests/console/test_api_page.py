"""The page of the API in a real browser: it works without a script of its own in it, and in no one's frame."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from support.processes import Process


def test_it_shows_the_operations(balancer: Process, open_page: Callable[..., Page]) -> None:
    page, complaints = open_page(balancer.url + "/"), list[str]()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto(balancer.url + "/docs")

    expect(page.locator(".opblock-summary-path").first).to_be_visible()
    expect(page.locator("#operations-default-charge")).to_contain_text("/charge")
    assert complaints == [], "what the page's own policy forbids"


def test_it_allows_no_script_but_its_own_and_no_frame(balancer: Process) -> None:
    reply = balancer.call("GET", "/docs")

    assert "script-src 'self';" in reply.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert b"<script>" not in reply.body
