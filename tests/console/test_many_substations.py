"""The console with 200 substations."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from console.conftest import MANY, PICTURES, WAIT_MS
from console.stub_substations import StubSubstations
from support.processes import Process

Open = Callable[..., Page]
expect.set_options(timeout=WAIT_MS)

COUNT_CHANGES = """() => {
  window.changed = new Set();
  new MutationObserver((changes) => {
    for (const change of changes) {
      const node = change.target.nodeType === Node.ELEMENT_NODE ? change.target : change.target.parentElement;
      window.changed.add(node.closest(".substation")?.dataset.name ?? "the list");
    }
  }).observe(document.getElementById("fleet"), {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def test_all_are_shown_in_the_order_of_their_numbers(large_balancer: Process, open_page: Open) -> None:
    page = open_page(large_balancer.url + "/")

    expect(page.locator(".substation")).to_have_count(MANY)
    names = page.locator(".substation .name").all_text_contents()
    assert names == [f"substation-{number}" for number in range(MANY)]
    expect(page.locator("#total-substations")).to_have_text(str(MANY))


def test_only_what_has_changed_is_drawn_anew(large_balancer: Process, stubs: StubSubstations, open_page: Open) -> None:
    page = open_page(large_balancer.url + "/")
    expect(page.locator("#total-rotation")).to_have_text("all take cars")
    page.evaluate(COUNT_CHANGES)

    stubs.set_load("substation-7", 80.0)

    card = page.locator('[data-name="substation-7"]')
    expect(card).to_have_attribute("data-level", "amber")
    expect(card.locator(".sessions")).to_have_text("8 cars")
    assert page.evaluate("[...window.changed]") == ["substation-7"]


def test_find_and_order(large_balancer: Process, stubs: StubSubstations, open_page: Open) -> None:
    page = open_page(large_balancer.url + "/")
    expect(page.locator(".substation")).to_have_count(MANY)
    stubs.set_load("substation-150", 95.0)

    page.locator("#order").select_option("load")
    expect(page.locator(".substation .name").first).to_have_text("substation-150")
    page.screenshot(path=PICTURES / "many.png")

    page.locator("#find").fill("-19")
    expect(page.locator(".substation")).to_have_count(11)
    page.locator("#find").fill("nothing")
    expect(page.locator("#fleet-empty")).to_have_text("No substation has such a name.")


def test_all_viewers_share_one_small_answer(large_balancer: Process) -> None:
    answer = large_balancer.call("GET", "/console/feed")

    assert len(answer.json()["substations"]) == MANY
    assert len(answer.body) < 100 * MANY
