"""A real Chromium, and tabs that notice whatever goes wrong in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TIMEOUT_MS = 20_000

_SETTINGS = """
if (localStorage.getItem("komadori.settings") === null)
  localStorage.setItem("komadori.settings", JSON.stringify({ state: %s, version: 0 }))
"""


@dataclass
class Tab:
    """A page of the UI.

    ``errors`` are those of its console and scripts, and answers of the server that say so; ``foreign``
    are requests to other origins.
    """

    page: Page
    url: str
    project: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str, **query: str) -> Page:
        """Go to a page of the tab's project."""
        self.page.goto(f"{self.url}{path}?{urlencode({'project': self.project, **query})}")
        return self.page

    def watch(self) -> None:
        """Take note of what goes wrong from now on."""
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._look_where)
        self.page.on("response", self._look_how)

    def _look_where(self, request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme not in ("blob", "data") and target.netloc != urlsplit(self.url).netloc:
            self.foreign.append(request.url)

    def _look_how(self, response: Response) -> None:
        if response.status >= 500:
            self.errors.append(f"{response.status} {response.url}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def tab_of(
    browser: Browser,
    url: str,
    project: str,
    *,
    language: str = "en",
    theme: str = "dark",
    size: tuple[int, int] = (1440, 900),
) -> Iterator[Tab]:
    """A tab in a context of its own, with nothing of others in its storage."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale={"en": "en-US", "ja": "ja-JP"}[language],
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(_SETTINGS % f'{{"theme": "{theme}", "language": "{language}"}}')
    try:
        yield new_tab(context, url, project)
    finally:
        context.close()


def new_tab(context: BrowserContext, url: str, project: str) -> Tab:
    """One more tab beside others."""
    tab = Tab(context.new_page(), url, project)
    tab.watch()
    return tab


def drop_files(page: Page, selector: str, paths: list[Path], media_type: str = "video/mp4") -> None:
    """Drop files onto an element, as from a file manager."""
    contents = [[path.name, list(path.read_bytes())] for path in paths]
    transfer = page.evaluate_handle(
        """([files, type]) => {
            const transfer = new DataTransfer()
            for (const [name, bytes] of files) {
              const isText = name.endsWith('.txt')
              const file = new File([new Uint8Array(bytes)], name, { type: isText ? 'text/plain' : type })
              transfer.items.add(file)
            }
            return transfer
        }""",
        [contents, media_type],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(selector, event, {"dataTransfer": transfer})
