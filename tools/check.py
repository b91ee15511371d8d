"""Every automatic check in one command: ``python tools/check.py`` (about a minute, without the simulations)."""

import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
STRUCTURE = ["tests/test_house.py", "tests/test_cli.py", "tests/test_doctests.py", "tests/runtime"]
STEPS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "types": [PYTHON, "-m", "mypy", "runtime", "cli.py", "__init__.py"],
    "structure": [PYTHON, "-m", "pytest", "-q", *STRUCTURE],
}


def run(name, command):
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    sys.stdout.write(f"{'ok  ' if not done.returncode else 'FAIL'} {name} ({time.perf_counter() - start:.0f} s)\n")
    if done.returncode:
        sys.stdout.write(done.stdout[-4000:] + done.stderr[-4000:])
    return not done.returncode


def wheel():
    """The wheel holds the package, its licence and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        command = [PYTHON, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(ROOT)]
        if not run("wheel builds", command):
            return False
        names = zipfile.ZipFile(next(Path(folder).glob("*.whl"))).namelist()
    rooms = {"plasticity", "theory", "sims", "datasets", "runtime", "__init__.py", "__main__.py", "cli.py", "py.typed"}
    strange = [n for n in names if ".dist-info/" not in n and (n.split("/")[0], n.split("/")[1]) not in
               {("firstspike", r) for r in rooms}]  # fmt: skip
    sys.stdout.write(f"{'FAIL' if strange else 'ok  '} wheel content {strange or ''}\n")
    return not strange


if __name__ == "__main__":
    results = [run(name, command) for name, command in STEPS.items()] + [wheel()]
    sys.exit(0 if all(results) else 1)
