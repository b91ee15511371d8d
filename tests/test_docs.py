"""What the documents claim and a machine can check: tables made from the code, links, files that are named."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import firstspike

ROOT = Path(firstspike.__file__).parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_parameter_tables_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("parameter_tables", ROOT / "tools" / "parameters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "parameters.md").read_text() == module.document(), "run python tools/parameters.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_documents_exist(page):
    from firstspike.cli import _GROUPS, _load_root
    from firstspike.sims.experiments import EXPERIMENTS

    for group, name in re.findall(r"firstspike (sim|train|theory|data|results|sweep) ([a-z][\w-]*)", page.read_text()):
        known = set(_load_root(group).table)
        assert name in known, f"{page.name}: firstspike {group} {name}"
    assert set(_GROUPS) >= {group for group, *_ in EXPERIMENTS.values()}


def test_the_scripts_for_spyketorch_users_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "spyketorch.md").read_text(), re.DOTALL)
    assert len(blocks) == 2 and len(blocks[1].split("learnt =")[0].splitlines()) < 40
    checks = [
        "assert accuracy > 0.8, accuracy",
        "assert learnt.answers.max() > 0 and learnt.weights.shape == (200, 12, 4, 4)",
    ]
    script = tmp_path / "page.py"
    script.write_text("\n".join([blocks[0], checks[0], blocks[1], checks[1]]))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_table_for_spyketorch_users_names_what_is_there():
    from importlib import import_module

    text = (ROOT / "docs" / "spyketorch.md").read_text()
    rooms = "front_end|winners|potentials|conv|update|reinforce|backproject"
    found = re.findall(rf"`({rooms})\.(\w+)", text)
    assert len(found) > 15
    for module, name in found:
        assert hasattr(import_module(f"firstspike.plasticity.waves.{module}"), name), f"{module}.{name}"


def test_searching_through_scikit_learn_as_the_page_shows_it(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sweeps.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
