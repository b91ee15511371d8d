"""Shared by all tests: the oracles' folder on the path, the data folder, one place for caches."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `from naive import ...`


@pytest.fixture(scope="session")
def data_root():
    """Folder with real data sets; the test is skipped where there is none."""
    root = os.environ.get("FIRSTSPIKE_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("FIRSTSPIKE_DATA names no folder with data sets")
    return Path(root)
