"""The rules of the house that a machine can check: who imports whom, what is listed, what may not appear."""

import ast
import configparser
import re
from pathlib import Path

import pytest

import firstspike
from firstspike.runtime.jit import DEPENDS

ROOT = Path(firstspike.__file__).parent
ROOMS = ("plasticity", "theory", "sims", "datasets", "runtime")
FILES = sorted(f for room in ROOMS for f in (ROOT / room).rglob("*.py"))
PRODUCT = [*FILES, *sorted(ROOT.glob("*.py"))]

#: room or sub-room -> what it may import from, besides itself; the cache of machine code relies on the first of these
MAY = {room: set(others) for room, others in DEPENDS.items()} | {
    "plasticity/learners": {
        "runtime",
        "plasticity/rules",
        "plasticity/events",
        "plasticity/waves",
        "plasticity/layers",
    },
    "sims": {"runtime", "theory", "datasets", "plasticity"},
}
ONLY_SIMS = {"results", "run", "progress", "checkpoint", "provenance"}


def room(path):
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "plasticity" and len(parts) > 2 else parts[0]


def imported(path):
    """Absolute parts (inside the package) of every relative import of a file."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module.split(".") if node.module else ()))
            names = [(*target, a.name) for a in node.names]
            yield from names
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert module.split(".")[0] != "firstspike", f"{path}: inside the package imports are relative"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_arrows(path):
    here = room(path)
    if here == "plasticity":
        return
    for target in imported(path):
        there = target[0]
        if there not in ROOMS:
            continue
        if there == "plasticity" and here.startswith("plasticity"):
            there = "/".join(target[:2])
        allowed = MAY[here] | {here}
        assert there in allowed, f"{path.name} imports {'.'.join(target)}"
        if there == "runtime" and here not in ("sims", "runtime"):
            assert target[1] not in ONLY_SIMS, f"{path.name} imports runtime.{target[1]}"


def test_packages_listed_in_setup_cfg_are_those_of_the_tree():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {"firstspike"} | {
        "firstspike." + ".".join(f.parent.relative_to(ROOT).parts) for f in FILES if f.name == "__init__.py"
    }
    assert listed == found


def test_no_stray_module_at_the_root():
    assert {f.name for f in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


FORBIDDEN = {
    r"(?<![\w.])print\(": "print",
    r"cache=True": "numba's own cache",
    r"np\.random\.": "NumPy's generators",
    r"import pickle|allow_pickle=True": "pickle",
    r"except:\s*$": "bare except",
}


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_forbidden(path):
    text = path.read_text()
    code = re.sub(r'""".*?"""', "", text, flags=re.S)
    for pattern, what in FORBIDDEN.items():
        assert not re.search(pattern, code, flags=re.M), f"{path}: {what}"
    assert text.count("\n") <= 400, f"{path} is longer than 400 lines"


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_things_have_docstrings_whose_parameters_exist(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
        if "click." in decorators:
            continue
        doc = ast.get_docstring(node)
        assert doc, f"{path}: {node.name} has no docstring"
        if isinstance(node, ast.FunctionDef) and "Parameters\n---" in doc:
            a = node.args
            real = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x}
            section = doc.split("Parameters\n")[1].split("\n\n")[0]
            named = re.findall(r"^(\*{0,2}\w[\w, *]*?) :|^(\*{1,2}\w+)$", section, flags=re.M)
            told = {n.strip(" *") for pair in named for n in "".join(pair).split(",")}
            assert told <= real, f"{path}: {node.name} documents {told - real}"
