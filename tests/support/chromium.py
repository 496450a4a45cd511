"""A real Chromium that a test drives: it opens pages, presses buttons, takes pictures and tells what it complained of.

It is spoken to over its debugging pipe: JSON with a zero byte at the end of each message.
"""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--remote-debugging-pipe",
)
TELEPHONE_WIDTH = 600
"""Below it the page is shown as on a telephone."""
PATIENCE_SECONDS = 60.0
"""How long one answer may take on a busy machine."""


class Chromium:
    """One page. `complaints` are all lines of its console and log, violations of the policy among them."""

    def __init__(self, to_it: int, from_it: int) -> None:
        self.complaints: list[str] = []
        self._to_it, self._from_it = to_it, from_it
        self._read = b""
        self._number = 0
        self._session = ""
        self._loads = 0
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command and give its answer; what happens meanwhile is kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_it, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]

    def _next(self) -> Any:
        """Give the next message, and keep what it tells of the page."""
        until = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from_it], [], [], max(0.0, until - time.monotonic()))
            assert ready, "Chromium said nothing"
            self._read += os.read(self._from_it, 1 << 20)
        text, _, self._read = self._read.partition(b"\0")
        said = json.loads(text)
        if said.get("method") == "Log.entryAdded":
            self.complaints.append(said["params"]["entry"]["text"])
        elif said.get("method") in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.complaints.append(json.dumps(said["params"])[:500])
        elif said.get("method") == "Page.loadEventFired":
            self._loads += 1
        return said

    def _loaded(self, before: int) -> None:
        while self._loads == before:
            self._next()

    def visit(self, url: str) -> None:
        """Open a page and wait until it is there."""
        before = self._loads
        self.ask("Page.navigate", url=url)
        self._loaded(before)

    def run(self, code: str) -> Any:
        """Give what a line of JavaScript comes to in the page."""
        done = self.ask("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def fill(self, selector: str, value: str) -> None:
        """Write into a field, or choose from a list."""
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")

    def press(self, selector: str) -> None:
        """Press a button or a link that leads to a page, and wait until that is there."""
        before = self._loads
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self._loaded(before)

    def text(self) -> str:
        """Give the text of the page as it is seen."""
        return str(self.run("document.body.innerText"))

    def wide(self, width: int, height: int = 900) -> None:
        """Look at the page in a window of this size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def picture(self, file: Path) -> None:
        """Take a picture of the whole page."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


@contextmanager
def running(program: Path, profile: Path) -> Iterator[Chromium]:
    """Start Chromium with a profile of its own and end it."""
    (their_read, to_it), (from_it, their_write) = os.pipe(), os.pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{their_read} 4>&{their_write}', "-", str(program), *FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"], pass_fds=(their_read, their_write), stderr=subprocess.DEVNULL
    )
    os.close(their_read)
    os.close(their_write)
    try:
        yield Chromium(to_it, from_it)
    finally:
        process.kill()
        process.wait()
        os.close(to_it)
        os.close(from_it)
