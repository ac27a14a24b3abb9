"""Runs what stands on the first pages of the site, as a reader would: ``python docs/snippets.py``.

In an empty directory, in the order of the pages: blocks of Python in one process, blocks of shell
commands in bash. The table that they make has fewer rows than on the page, to take minutes.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PAGES = ("index.md", "how_to.md", "five_checks.md")
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Run every block; 1 if one fails."""
    names: dict[str, object] = {}
    said: list[str] = []  # what shell blocks export holds for later ones
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for page in PAGES:
            for kind, text in _BLOCK.findall((HERE / page).read_text(encoding="utf-8")):
                first = text.splitlines()[0]
                if "pip install" in text:
                    continue
                print(f"{page}: {first}", flush=True)
                if kind == "python":
                    exec(compile(text.replace("n = 4_000", "n = 700"), page, "exec"), names)
                    continue
                if text.startswith("export "):
                    said.append(text)
                    continue
                done = subprocess.run(
                    ["bash", "-ec", "".join(said) + text], capture_output=True, text=True
                )
                if done.returncode not in ((0, 3) if "fail_if" in text else (0,)):
                    print(done.stdout[-3000:], done.stderr[-3000:], sep="\n")
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
