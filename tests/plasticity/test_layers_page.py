"""docs/layers.md: its scripts run, what it names exists, its pair is short."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import firstspike

PAGE = (Path(firstspike.__file__).parent / "docs" / "layers.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_scripts_run(tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join([BLOCKS[0], "assert accuracy > 0.9, accuracy", *BLOCKS[1:]]))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(BLOCKS) == 3 and all(len(block.splitlines()) < 40 for block in BLOCKS[1:])


def test_what_is_named_is_there():
    names = "linear|conv|pool|batch_norm|dropout|neurons|delays|losses|optimisers|schedules"
    found = re.findall(rf"`({names})\.(?!py)(\w+)`", PAGE)
    assert len(found) > 25
    for module, name in found:
        place = import_module(f"firstspike.plasticity.layers.{module}")
        assert hasattr(place, name), f"{module}.{name}"
        if name.endswith("_forward"):
            assert hasattr(place, name.replace("_forward", "_backward")), f"{module}.{name}"
    for name in re.findall(r"`(\w+_params)`", PAGE):
        assert any(hasattr(import_module(f"firstspike.plasticity.layers.{m}"), name) for m in names.split("|")), name
