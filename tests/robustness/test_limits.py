"""Disk full, bombs, hostile HDF5, pickles: a clear end, bounded memory, nothing half-written."""

import gzip
import json
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from firstspike.datasets import hdf5_child, safe_hdf5
from firstspike.datasets.catalog import DataError
from firstspike.datasets.idx import read_idx
from firstspike.datasets.tables import read_spikes
from firstspike.runtime.results import Result

resource = pytest.importorskip("resource")


def result(seed):
    r = Result("simulation", "A title", "", {"a": seed})
    r.add("x", np.random.default_rng(seed).integers(0, 2**60, 20_000), ("k",), "1", "x")
    r.add("y", np.zeros(50_000), ("l",), "1", "compressed")
    r.add("names", ["a", "b"], ("name",), "1", "text")
    return r


def in_a_fork(work):
    """Code and last words of `work` in a process of its own."""
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        code = 0
        try:
            work()
        except BaseException as error:
            os.write(send, f"{type(error).__name__}: {error}".encode()[:2000])
            code = 1
        os._exit(code)
    os.close(send)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = os.read(receive, 2000).decode()
    os.close(receive)
    return code, said


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_the_old_file_and_no_other(there, tmp_path):
    # in a fresh interpreter: a child forked beside threads of other tests may die of their locks and finalizers
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_limits; "
        "test_limits.full_disk(sys.argv[2], sys.argv[3:])"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "a.h5"), *["there"] * there]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def full_disk(path, there):
    """Save where files may grow to some size only: a clear error, and what stood there stands."""
    path = Path(path)
    size = result(1).save(path).stat().st_size
    before = result(0).save(path).read_bytes() if there else path.unlink()
    sizes = [0, 1, 100, 512, 2048, 5000, *np.random.default_rng(7).integers(5000, size - 1, 6).tolist(), size - 1]
    for limit in sizes:

        def work(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            result(1).save(path)

        code, said = in_a_fork(work)
        assert code == 1 and said.startswith(f"OSError: {path} cannot be written: File too large"), (limit, code, said)
        assert "\n" not in said
        assert [p.name for p in path.parent.iterdir()] == ["a.h5"] * bool(there)
        assert not there or path.read_bytes() == before


def test_a_full_disk_at_the_command_line(tmp_path):
    """Checkpoint or result: exit code 1, one line, what was published stays."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
        "from firstspike.cli import main; main(sys.argv[2:])"
    )
    settings = "n_afferents=300 rate=10Hz n_periods=20 n_recorded=10 probe_duration=10".split()
    words = ["sim", "coincidence", "--out", "a.h5", "--json", *(w for s in settings for w in ("--set", s))]
    command = [sys.executable, "-m", "firstspike", *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # the kernels' cache is on the same disk
    (tmp_path / "a.h5").unlink()
    for checkpoints in ([], ["--checkpoint-every", "0.001"]):
        command = [sys.executable, "-B", "-c", code, "3000", *words, *checkpoints]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1 and not done.stdout
        assert "cannot be written: File too large" in done.stderr and "Traceback" not in done.stderr
        assert "a.h5.ckpt.h5" in done.stderr if checkpoints else "a.h5" in done.stderr
        assert not list(tmp_path.iterdir())


def test_a_gzip_bomb_stops_at_the_size_of_the_header(tmp_path):
    """200 MB of zeros in 194 kB, behind a header that claims 30 values."""
    bomb = gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, 30) + bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    path = tmp_path / "bomb.gz"
    path.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(DataError, match="more bytes than the 30"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_compressed_array_that_claims_much_takes_no_memory(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", time=np.zeros(8_000_000), unit=np.zeros(8_000_000, "u1"))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match="claim 72000"):
        read_spikes(tmp_path / "a.npz", max_bytes=50_000_000)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_pickle_in_an_array_is_refused_with_code_3(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    trap = np.empty(3, object)
    trap[:] = Evil()
    np.savez(tmp_path / "a.npz", time=trap, unit=np.arange(3))
    with pytest.raises(DataError, match="numbers are expected, got type object") as caught:
        read_spikes(tmp_path / "a.npz")
    assert caught.value.exit_code == 3 and not (tmp_path / "was here").exists()


# ---- HDF5 in its child ---------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["time"], f["unit"] = np.arange(5.0), np.arange(5)
    return tmp_path / "a.h5"


def replace_child(monkeypatch, tmp_path, code):
    """Let the child run other code: what a damaged file makes of the library."""
    (tmp_path / "hdf5_child.py").write_text(f"import os, signal, sys, time\n{code}\n")
    monkeypatch.setattr(safe_hdf5, "__file__", str(tmp_path / "safe_hdf5.py"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("while True: pass", "not read within 2 s"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11"),
        ("sys.exit(7)", "ended with exit code 7"),
        ("print('[1, 2]')", "ended with exit code 0"),
        ('print(\'{"names": ["time", "unit"], "units": ["", ""]}\')', "has left no data"),
    ],
)
def test_whatever_happens_to_the_child_is_one_line(code, message, table, tmp_path, monkeypatch):
    replace_child(monkeypatch, tmp_path, code)
    with pytest.raises(DataError) as caught:
        safe_hdf5.read_columns(table, [["time"], ["unit"]], seconds=2.0)
    assert message in str(caught.value) and str(table) in str(caught.value)


def test_the_child_has_limits(tmp_path):
    """Memory, processor time and the size of files end at what was asked for."""

    def hungry():
        hdf5_child.limit(100 << 20, 5.0)
        bytearray(2 << 30)

    def busy():
        hdf5_child.limit(1 << 30, 0.0)
        while True:
            pass

    def large():
        hdf5_child.limit(1000, 5.0)
        (tmp_path / "large").write_bytes(bytes(100_000))

    assert in_a_fork(hungry) == (1, "MemoryError: ")
    assert in_a_fork(busy)[0] == -24  # SIGXCPU
    assert "File too large" in in_a_fork(large)[1]


def test_a_chunk_larger_than_memory_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        for name in ("time", "unit"):
            data = f.create_dataset(name, (10,), "f8", chunks=(500_000_000,), maxshape=(None,), compression="gzip")
            data[:0] = []
            data.id.write_direct_chunk((0,), b"x\x9c" + bytes(100))
    with pytest.raises(DataError, match=r"a\.h5"):
        safe_hdf5.read_columns(tmp_path / "a.h5", [["time"], ["unit"]], max_bytes=1 << 20)


def test_the_answer_is_plain_json(table):
    request = {"path": str(table), "names": [["time"], ["unit"]], "max_bytes": 10, "folder": ".", "seconds": 5}
    command = [sys.executable, hdf5_child.__file__]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
    assert json.loads(done.stdout) == {"error": "its columns claim 80 bytes, more than the limit of 10"}
