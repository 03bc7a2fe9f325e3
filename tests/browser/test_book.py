"""The course's site in a real browser: whole, by itself, in either theme, on a narrow screen."""

from __future__ import annotations

import functools
import http.server
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / "out" / "book" / "html"
BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
SETTLED = "document.readyState === 'complete' && [...document.images].every(i => i.complete)"
WIDTH = "document.documentElement.scrollWidth"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class Parts(HTMLParser):
    """What a page holds: its anchors, its links, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag in ("script", "link", "img", "iframe", "source"):
            self.loads += [given[name] for name in ("src", "href") if given.get(name)]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def pages():
    if not (SITE / "index.html").exists():
        pytest.skip(f"no site at {SITE}: make book first")
    found = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
    return {path: Parts(path) for path in found}


@pytest.fixture(scope="module")
def address(pages):
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(browser, address):
    """Return a function that opens a page of the site in a window of a width."""
    contexts = []

    def opened(name, *, width=1280):
        size = {"width": width, "height": 800}
        contexts.append(browser.new_context(viewport=size, color_scheme="light"))
        (page := contexts[-1].new_page()).goto(address + name)
        return page

    yield opened
    for context in contexts:
        context.close()


def test_every_page_is_whole_and_fits_a_narrow_screen(browser, pages, address):
    wrong = []
    context = browser.new_context(viewport={"width": 375, "height": 800})
    page = context.new_page()

    def complain(what):
        wrong.append(f"{page.url.removeprefix(address)}: {what}")

    def failed(asked):
        if asked.failure != "net::ERR_ABORTED":  # the next page was asked for meanwhile
            complain(f"failed: {asked.url}")

    page.on("console", lambda m: complain(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complain(error))
    page.on("requestfailed", failed)
    page.on("response", lambda got: complain(f"{got.status} {got.url}") if got.status > 399 else 0)
    page.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((address, "data:", "blob:"))
            else complain(f"asks {asked.url}")
        ),
    )
    for path in pages:
        page.goto(address + path.relative_to(SITE).as_posix())
        page.wait_for_function(SETTLED)
        for source in page.evaluate(BROKEN):
            complain(f"an image has not loaded: {source[:80]}")
        if page.evaluate(WIDTH) > 375:
            complain(f"is {page.evaluate(WIDTH)} pixels wide on a screen of 375")
    context.close()
    assert wrong == []


def test_no_page_loads_anything_from_elsewhere(pages):
    foreign = [
        f"{path.relative_to(SITE)}: {source}"
        for path, parts in pages.items()
        for source in parts.loads
        if urlsplit(source).scheme not in ("", "data") or source.startswith("//")
    ]
    assert foreign == []


def test_every_link_within_the_site_leads_somewhere(pages):
    lost = []
    for path, parts in pages.items():
        for link in parts.links:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            anchor = unquote(to.fragment)
            if not target.is_file():
                lost.append(f"{path.relative_to(SITE)}: {link}: no such file")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                lost.append(f"{path.relative_to(SITE)}: {link}: no such anchor")
    assert lost == []


def test_solutions_are_linked_from_the_instructors_page_only(pages):
    linking = {
        path.name
        for path, parts in pages.items()
        if any("_downloads/" in link for link in parts.links)
    }
    assert linking == {"instructors.html"}


def test_the_dark_theme_can_be_switched_on(open_page):
    page = open_page("index.html")
    light = page.evaluate(BACKGROUND)
    page.locator(".theme-switch-button").first.click()
    page.locator(".theme-change-button[data-mode=dark]").first.click()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.wait_for_function(f"{BACKGROUND} !== '{light}'")


def test_search_finds_what_a_page_is_about(open_page):
    page = open_page("search.html?q=confident+learning")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("label_errors" in title or "methods" in title.lower() for title in found), found


def test_the_index_lists_the_lessons_in_order(pages):
    links = [link for link in pages[SITE / "index.html"].links if link[:2].isdecimal()]
    lessons = [path.name for path in pages if path.name[:2].isdecimal()]
    assert list(dict.fromkeys(links)) == lessons
