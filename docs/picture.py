"""Takes the picture of today's report: ``python docs/picture.py``, from `backtrain run` to the PNG.

``python docs/picture.py REPORT.html`` takes it of a report that is there. Needs chromium.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser
from PIL import Image

PICTURE = Path(__file__).with_name("report.png")
WIDTH = 1000
#: The picture ends above this section.
NEXT = "At which price the answer changes"
_TOP = f"""[...document.querySelectorAll('h2')].find(h => h.textContent.includes('{NEXT}'))
.getBoundingClientRect().top + scrollY"""


def main(report: Path) -> None:
    """Write the top of a report, with few enough colours to be small."""
    with Browser() as browser:
        browser.open(report.resolve().as_uri(), WIDTH, scale=1.5)
        taken = browser.picture(height=int(browser.evaluate(_TOP)) - 24)
    image = Image.open(io.BytesIO(taken)).convert("RGB").quantize(48, dither=Image.Dither.NONE)
    image.save(PICTURE, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            run = ["backtrain", "run", "hindsight=true", f"hydra.run.dir={folder}/run"]
            subprocess.run(run, check=True)
            main(Path(folder) / "run/report.html")
