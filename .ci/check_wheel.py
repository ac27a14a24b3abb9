"""Hold a wheel against the repository: every data file is in it, and nothing is at top level."""

import sys
import zipfile
from pathlib import Path

import backtrain

ROOT = Path(__file__).parent.parent
ROOMS = {"app": "", "datasets": "datasets/", "simulator": "simulator/"}
ROOMS |= {room: f"{room}/" for room in ("strategies", "reports", "conf")}

names = set(zipfile.ZipFile(sys.argv[1]).namelist())
top = {name.split("/")[0] for name in names}
assert top == {"backtrain", next(t for t in top if t.endswith(".dist-info"))}, top
for room, packed in ROOMS.items():
    for path in (ROOT / room).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            inside = f"backtrain/{packed}{path.relative_to(ROOT / room)}"
            made_here = path.name == "make.py"  # makes the bundled data from their packages
            assert made_here or inside in names, f"{inside} is not in the wheel"
assert ROOT not in Path(backtrain.__file__).parents, "the checkout is imported, not the wheel"
print(f"{len(names)} files in the wheel, all of them under backtrain/")
