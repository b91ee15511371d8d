"""The catalogue of spoken words: where archives are found, how they are judged, downloaded (from this machine only)."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace

import click
import numpy as np
import pytest
from click.testing import CliRunner
from naive import shd

from firstspike.datasets import catalog, load_spoken
from firstspike.datasets.catalog import SPOKEN, Archive, DataError
from firstspike.datasets.commands import COMMANDS
from firstspike.datasets.spoken_store import fetch_spoken, presence, spoken_status


def run(*args):
    result = CliRunner().invoke(click.Group("data", commands=COMMANDS), list(args))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def served(monkeypatch, tmp_path):
    """SHD of a few samples behind an address on this machine; returns (folder served, requests seen)."""
    origin, requests = tmp_path / "origin", []
    origin.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            requests.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Quiet(*a, directory=str(origin)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = {}
    for part in ("train", "test"):
        name = f"shd_{part}"
        shd.write(origin / f"{name}.h5", [([0.1, 0.2], [3, 4]), ([0.5], [9])], [0, 1], ["a", "b"], [1, 2])
        with zipfile.ZipFile(origin / f"{name}.h5.zip", "w") as archive:
            archive.write(origin / f"{name}.h5", f"{name}.h5")
        md5 = [hashlib.md5((origin / f).read_bytes()).hexdigest() for f in (f"{name}.h5.zip", f"{name}.h5")]
        urls = ("http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/{name}.h5.zip")
        files[part] = Archive(f"{name}.h5.zip", urls, 1000, md5[0], plain_name=f"{name}.h5", plain_md5=md5[1])
    monkeypatch.setitem(catalog.SPOKEN, "shd", replace(SPOKEN["shd"], files=files))
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path / "data"))
    yield origin, requests
    server.shutdown()
    server.server_close()


def test_catalogue():
    assert set(SPOKEN) == {"fsdd", "speech_commands", "shd", "ssc"}
    for name, data in SPOKEN.items():
        assert data.name == name and data.licence and data.citation and data.n_classes > 1 and data.n_bytes > 1e6
        for file in data.files.values():
            assert all(url.startswith("https://") for url in file.urls)
            assert len(file.md5) in (0, 32) and len(file.sha256) in (0, 64) and len(file.plain_md5) in (0, 32)
            assert file.urls[0].rpartition("/")[2] in (file.name, "v1.0.10.zip")
    sizes = {name: (d.n_train, d.n_valid, d.n_test) for name, d in SPOKEN.items()}
    assert sizes["shd"] == (8156, 0, 2264) and sizes["ssc"] == (75466, 9981, 20382)
    assert sum(sizes["speech_commands"]) == 105_829


def test_fetch_unpacks_and_checks(served, tmp_path):
    _, requests = served
    assert presence("shd") == "not here" and {r["state"] for r in spoken_status("shd")} == {"missing"}
    lines = []
    paths = fetch_spoken("shd", report=lines.append)
    assert [p.name for p in paths] == ["shd_train.h5", "shd_test.h5"] and len(lines) == 4 and len(requests) == 2
    assert sorted(p.name for p in (tmp_path / "data" / "shd").iterdir()) == ["shd_test.h5", "shd_train.h5"]
    assert presence("shd") == "here" and {r["state"] for r in spoken_status("shd")} == {"ok"}
    assert load_spoken("shd").x.shape == (2, 10, 140)
    fetch_spoken("shd")
    assert len(requests) == 2
    paths[0].write_bytes(b"damaged")
    assert [r["state"] for r in spoken_status("shd")] == ["wrong", "ok"]
    code, _, text = run("verify", "shd")
    assert code == 5 and "md5 is" in text
    fetch_spoken("shd")
    assert len(requests) == 3 and {r["state"] for r in spoken_status("shd")} == {"ok"}
    paths[1].unlink()
    assert presence("shd") == "incomplete" and run("verify", "shd")[0] == 3


def test_failed_downloads_leave_nothing(served, tmp_path):
    origin, _ = served
    (origin / "shd_train.h5.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match="shd_train.h5.zip was not served .*127.0.0.1:9.*put it into"):
        fetch_spoken("shd")
    assert not list((tmp_path / "data" / "shd").glob("*.h5*"))


def test_commands(served, tmp_path):
    rows = {r["name"]: r for r in json.loads(run("list", "--json")[1])}
    assert rows["shd"]["state"] == "not here" and rows["shd"]["image"] is None and rows["mnist"]["image"] == [28, 28]
    assert "spoken" in run("list")[1]
    for word in ("8156 for training, 2264 for testing", "CC BY 4.0", "127.0.0.1", "md5"):
        assert word in run("info", "shd")[1]
    assert json.loads(run("info", "ssc", "--json")[1])["n_valid"] == 9981
    code, out, _ = run("fetch", "shd", "--yes", "--json")
    assert code == 0 and json.loads(out)["ok"]
    code, _, text = run("import", "shd", str(tmp_path))
    assert code == 2 and "put the archives of shd into" in text
    code, _, text = run("info", "sdh")
    assert code == 2 and "did you mean 'shd'" in text


def test_digits_are_counted(monkeypatch, tmp_path):
    monkeypatch.setitem(catalog.SPOKEN, "fsdd", replace(SPOKEN["fsdd"], n_train=3, n_test=1))
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path))
    place = tmp_path / "fsdd" / "free-spoken-digit-dataset-1.0.10" / "recordings"
    place.mkdir(parents=True)
    for k in range(4):
        (place / f"0_ada_{k}.wav").write_bytes(b"")
    assert presence("fsdd") == "here" and spoken_status("fsdd")[0]["state"] == "ok"
    (place / "0_ada_0.wav").unlink()
    row = spoken_status("fsdd")[0]
    assert row["state"] == "wrong" and row["reason"] == "3 recordings, expected 4"
    shutil.move(place.parent, place.parent.with_name("free-spoken-digit-dataset-mine"))
    row = spoken_status("fsdd")[0]
    assert presence("fsdd") == "other files" and row["state"] == "unknown" and "3 recordings" in row["reason"]
    assert run("verify", "fsdd")[0] == 0


def test_real_subsets(data_root):
    if not (data_root / "fsdd").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no fsdd")
    row = spoken_status("fsdd")[0]
    assert row["state"] in ("ok", "unknown") and np.char.endswith(row["path"], (".zip", "dataset-1.0.10")).any()


def test_state_of_recordings_needs_no_array_library(tmp_path):
    (tmp_path / "fsdd").mkdir()
    (tmp_path / "fsdd" / "free-spoken-digit-dataset-mine.zip").write_bytes(b"")
    code = (
        "import sys; from firstspike.datasets.spoken_store import presence; assert presence('fsdd') == 'other files'\n"
        "sys.exit(len({'numpy', 'scipy', 'numba', 'h5py', 'pooch'} & sys.modules.keys()))"
    )
    env = os.environ | {"FIRSTSPIKE_DATA": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], cwd="/", env=env).returncode == 0
