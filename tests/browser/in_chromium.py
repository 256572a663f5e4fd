"""Pages as people meet them: opened in a real headless Chromium, at three looks, with axe-core beside."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERIOUS = ("serious", "critical")


@dataclass(frozen=True)
class Look:
    """A window: its width in pixels and its colours."""

    name: str
    width: int
    colours: Literal["light", "dark"]


LOOKS = (Look("wide", 1280, "light"), Look("narrow", 390, "light"), Look("dark", 1280, "dark"))


@dataclass
class Seen:
    """What a page did that it should not: errors of its scripts and style, and requests to other places."""

    home: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, page: "Page") -> None:
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda asked: self._note(asked.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.home, "data:")):
            self.requests.append(url)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Yield Debian's Chromium, without a window and without the network; skip the test where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Containers run tests as root, where Chromium has no sandbox of its own.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: "Browser", address: str, home: str, look: Look) -> Iterator[tuple["Page", Seen]]:
    """Yield the page at `address`, and what it does meanwhile; `home` begins the addresses that it may ask."""
    context = browser.new_context(viewport={"width": look.width, "height": 900}, color_scheme=look.colours)
    context.set_default_timeout(120_000)  # a machine that other tests keep busy took more than half a minute
    page, seen = context.new_page(), Seen(home)
    seen.watch(page)
    page.goto(address)
    yield page, seen
    context.close()


def faults(page: "Page") -> list[str]:
    """What axe-core finds serious: its rule and the elements."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {' | '.join(node['html'] for node in fault['nodes'])}"
        for fault in found
        if fault["impact"] in SERIOUS
    ]


def overflows(page: "Page") -> list[str]:
    """The elements for which one has to scroll the page sideways."""
    script = """() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return [];
      return [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > width)
        .map(one => one.outerHTML.slice(0, 200));
    }"""
    found: list[str] = page.evaluate(script)
    return found


def picture(page: "Page", path: Path) -> bytes:
    """The whole page as PNG, also written to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return page.screenshot(path=path, full_page=True)
