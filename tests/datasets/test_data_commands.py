"""`firstspike data`: output, exit codes, nothing heavy before it is needed."""

import json
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from firstspike.datasets.catalog import CATALOG, SPOKEN
from firstspike.datasets.commands import COMMANDS


def run(*args, input=None):
    result = CliRunner().invoke(click.Group("data", commands=COMMANDS), list(args), input=input)
    if result.exception and not isinstance(result.exception, SystemExit):
        code = getattr(result.exception, "exit_code", 1)
        return code, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def empty(monkeypatch, tmp_path):
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path))
    return tmp_path


def test_names():
    assert list(COMMANDS) == ["list", "info", "fetch", "import", "verify", "path", "spikes"]


def test_list_and_info(empty):
    code, out, _ = run("list", "--json")
    rows = {r["name"]: r for r in json.loads(out)}
    assert code == 0 and set(rows) == set(CATALOG) | set(SPOKEN)
    assert rows["mnist"]["state"] == "not here" and rows["digits"]["state"] == "bundled"
    code, out, _ = run("info", "mnist")
    assert code == 0
    for word in ("60000", "CC BY-SA", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "https://", "LeCun"):
        assert word in out
    document = json.loads(run("info", "fashion_mnist", "--json")[1])
    assert [f["bytes"] for f in document["files"]] == [26_421_880, 29_515, 4_422_102, 5_148]
    assert "Ankle boot" in document["classes"]


def test_verify_exit_codes(empty):
    code, out, text = run("verify", "mnist", "--json")
    assert code == 3 and json.loads(out)["ok"] is False and "data fetch mnist" in text
    (empty / "mnist").mkdir()
    (empty / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    code, out, text = run("verify", "mnist")
    assert code == 5 and "size is 7 bytes, expected 28881" in text and "wrong" in out
    assert json.loads(run("list", "--json")[1])[0]["state"] == "not here"
    assert run("verify", "digits")[0] == 0


def test_unknown_name_is_a_usage_error(empty):
    for command in ("info", "fetch", "verify", "path"):
        code, _, text = run(command, "mnits")
        assert code == 2 and "did you mean 'mnist'" in text


def test_path(empty):
    assert run("path")[1].strip() == str(empty)
    assert json.loads(run("path", "mnist", "--json")[1]) == {"path": str(empty / "mnist"), "exists": False}


def test_fetch_asks_first(empty):
    code, _, text = run("fetch", "mnist", input="n\n")
    assert code == 1 and "11.6 MB" in text and "CC BY-SA" in text and not list(empty.iterdir())
    assert run("fetch", "digits")[0] == 0


def test_import_and_verify_real_files(empty, data_root, monkeypatch):
    source = data_root / "mnist"
    if not source.is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")
    small = empty / "mine"
    small.mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        shutil.copy(source / name, small / f"copy-of-{name}")
    code, _, text = run("import", "mnist", str(small))
    assert code == 0 and "still missing: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in text
    assert {r["name"]: r["state"] for r in json.loads(run("list", "--json")[1])}["mnist"] == "incomplete"
    code, _, text = run("import", "fashion_mnist", str(small))
    assert code == 3 and "nothing of fashion_mnist found" in text


def test_light_imports():
    code = (
        "import sys, firstspike.datasets.commands\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'matplotlib', 'numba', 'pooch', 'requests'}\n"
        "sys.exit(len(heavy & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd="/").returncode == 0
