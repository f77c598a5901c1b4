"""Chromium, and dashboards on free loopback ports."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn

import servers
from duckherd.dashboard.app import Access, create


# Playwright keeps an event loop running in this thread: it must end with the module, or
# every later test that calls asyncio.run would fail.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of this module."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("browser tests skipped: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        launched = playwright.chromium.launch(executable_path=executable, args=flags)
        yield launched
        launched.close()


@contextmanager
def served(live: object, **access: object) -> Iterator[str]:
    """Serve a dashboard; gives its address."""
    port = servers.free_port()
    allowed = Access(frozenset({"127.0.0.1"}), **access)
    config = uvicorn.Config(
        create(live, allowed),
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="off",
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{port}"
    servers.wait_until(lambda: servers.listens(port), "the dashboard")
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def open_page(browser) -> Iterator[Callable[[str], object]]:
    """Open an address in a page of its own; any script error or dialog fails the test."""
    contexts, problems = [], []

    def opened(address: str, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
