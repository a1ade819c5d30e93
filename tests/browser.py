"""A real browser: the Chromium of the system, or the one that Playwright has fetched, through Playwright."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. The test is skipped, with the reason, where none can be had."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: scripts/install dev")
    given = os.environ.get("STREAMFILTER_TEST_BROWSER")
    path = given or next((found for name in NAMES if (found := shutil.which(name))), None)
    with api.sync_playwright() as playwright:
        try:
            # The sandbox needs rights that a container often lacks; all pages here are our own.
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            reason = str(error).strip().splitlines()[0]
            pytest.skip(f"no browser ({reason}): install chromium, or name one in STREAMFILTER_TEST_BROWSER")
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, url: str, **how: Any) -> Iterator[Page]:
    """A window of its own that shows the review at `url`. Whatever the page complains about fails the test."""
    context = browser.new_context(**how)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    page.goto(url)
    page.wait_for_selector("body.loaded")
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def wait(page: Page, script: str, argument: object = None, *, longest_s: float = 30.0) -> None:
    """Wait until an expression, or a function of `argument`, is true in the page.

    Playwright's own `wait_for_function` evaluates text inside the page, which the page's policy forbids.
    """
    end_s = time.monotonic() + longest_s
    while not page.evaluate(script, argument):
        assert time.monotonic() < end_s, f"not within {longest_s:g} s: {script}"
        page.wait_for_timeout(20)
