"""Looks at the built site as a browser does: ``python docs/browser.py site``.

Every page at the width of a telephone: nothing but what scrolls by itself may be wider than it.
With a folder as second argument, a picture of each page at 400 and 1280 pixels is put there.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_COMMAND = (
    *("chromium", "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--hide-scrollbars", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
#: How much room there is, how wide the page is, and the first elements that stick out of it.
_WIDTH = """(() => {
  const room = document.documentElement.clientWidth, found = [];
  const scrolls = node => {
    for (let n = node.parentElement; n && n !== document.body; n = n.parentElement)
      if (/auto|scroll|hidden/.test(getComputedStyle(n).overflowX)) return true;
    return false;
  };
  for (const node of document.querySelectorAll('.md-content *')) {
    const box = node.getBoundingClientRect();
    if (box.width && box.right > room + 1 && !scrolls(node))
      found.push(node.tagName.toLowerCase() + ': ' + node.textContent.trim().slice(0, 60));
  }
  return {room, wide: document.documentElement.scrollWidth, found: found.slice(0, 3)};
})()"""


class Browser:
    """One headless Chromium, spoken to over a pipe."""

    def __enter__(self) -> Self:
        self.folder = tempfile.mkdtemp(prefix="backtrain-browser-")
        heard, self.out = os.pipe()
        self.back, said = os.pipe()
        # It reads from file 3 and writes to file 4; copies under high numbers cannot be these.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in (heard, said)]
        start = f'exec 3<&{ends[0]} 4>&{ends[1]}; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", start, "bash", *_COMMAND, f"--user-data-dir={self.folder}"],
            pass_fds=ends,
            stderr=subprocess.DEVNULL,
        )
        for end in (heard, said, *ends):
            os.close(end)
        self.number, self.rest = 0, b""
        self.session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.out)
        os.close(self.back)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (heard := self._next()).get("id") != self.number:
            pass
        if "error" in heard:
            raise RuntimeError(f"{method}: {heard['error']['message']}")
        return heard["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            if not (more := os.read(self.back, 1 << 20)):
                raise RuntimeError("chromium ended")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        return json.loads(line)

    def open(
        self,
        address: str,
        width: int,
        height: int = 900,
        *,
        scheme: str = "light",
        scale: float = 1,
    ) -> None:
        """Load a page in a window of this size; `scheme` is light or dark, `scale` of pictures."""
        size = {"width": width, "height": height, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", deviceScaleFactor=scale, **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", features=[feature])
        self.ask("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script: str) -> Any:
        """What an expression of JavaScript gives, waited for if it is a promise."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        return self.ask("Runtime.evaluate", **asked)["result"].get("value")

    def picture(self, top: int = 0, height: int | None = None) -> bytes:
        """The page as a PNG, from `top` on; all that is left without a `height`."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        area = {"x": 0, "y": top, "width": size["width"], "scale": 1}
        area["height"] = min(height or size["height"], size["height"] - top)
        taken = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=area)
        return base64.b64decode(taken["data"])


def main(site: Path, pictures: Path | None = None) -> int:
    """Say what is wider than its page; 1 if anything is."""
    if not shutil.which(_COMMAND[0]):
        print(f"{_COMMAND[0]} is not installed: no page was looked at")
        return 0
    faults = 0
    with Browser() as browser:
        for page in sorted(site.rglob("*.html")):
            name = page.relative_to(site).with_suffix("")
            for width in (400, 1280):
                browser.open(page.as_uri(), width)
                found = browser.evaluate(_WIDTH)
                if found["wide"] > found["room"] or found["found"]:
                    faults += 1
                    print(f"{name} at {width}: {found['wide']} wide", *found["found"], sep="\n  ")
                if pictures:
                    pictures.mkdir(exist_ok=True)
                    to = pictures / f"{str(name).replace('/', '-')}-{width}.png"
                    to.write_bytes(browser.picture())
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*(Path(argument).resolve() for argument in sys.argv[1:])))
