"""docs/datasets.md: its script runs, the sizes it names are those of the catalogue."""

import re
import subprocess
import sys
from pathlib import Path

import firstspike
from firstspike.datasets import relative_timing
from firstspike.datasets.catalog import SPOKEN

PAGE = (Path(firstspike.__file__).parent / "docs" / "datasets.md").read_text()


def test_script_runs(tmp_path):
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "convert(" in b)
    checks = "\nassert accuracy == 1 and facts['samples'] == 20 and facts['classes'] == 2, (accuracy, facts)"
    (tmp_path / "page.py").write_text(block + checks)
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_sizes():
    for name, data in SPOKEN.items():
        text = re.search(rf"^\| `{name}`[^|]*\| ([\d +]+)", PAGE, re.M)[1]
        sizes = [int(part.replace(" ", "")) for part in text.split("+")]
        assert sizes == [data.n_train, data.n_valid, data.n_test], name
    x, _ = relative_timing(3, setting="a")
    assert x.shape == (3, 48, 8)
