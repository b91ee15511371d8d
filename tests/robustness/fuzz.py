"""Damaged files for every reader: what may happen is a result or one refusal that names the file.

``run("idx", n, seed, folder)`` damages valid files `n` times and reads them; it returns counts by outcome:

    read      the reader gave data (the damage did not matter, or made another valid file)
    refused   the reader's own error, one line with the file's name
    else      a failure: another error, no file name, more than LIMIT_S, more than LIMIT_BYTES of memory,
              a crash or an endless loop (HDF5 only, whose library runs in a process of its own)

The damage: cut, bits flipped, runs of 00 or FF over length fields, parts moved, doubled, lost or replaced by noise;
for packed formats also inside, with checksums made right again, so that it reaches the readers behind them.
"""

import collections
import contextlib
import gzip
import io
import json
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

LIMIT_S = 10.0
LIMIT_BYTES = 2 << 30


# ---- damage --------------------------------------------------------------------------------------------------------


def damage(data, r):
    """One to three random faults in `data`."""
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        data = _fault(bytearray(data), r)
    return bytes(data)


def _fault(data, r):
    n = len(data)
    if not n:
        return data
    at, size = r.randrange(n), r.choice((1, 2, 4, 8))
    kind = r.randrange(10)
    if kind == 0:
        return data[:at]
    if kind in (1, 2):
        for _ in range(r.choice((1, 1, 2, 8))):
            data[r.randrange(n)] ^= 1 << r.randrange(8)
    elif kind in (3, 4):  # length fields are mostly near the start
        at = r.randrange(min(n, 64)) if kind == 3 else at
        value = r.choice((b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x01", b"\x80"))
        data[at : at + size] = (value * 8)[:size]
    elif kind == 5:
        del data[at : at + r.randrange(1, 40)]
    elif kind == 6:
        data[at:at] = data[r.randrange(n) :][: r.randrange(1, 40)]
    elif kind == 7:
        data[at : at + size] = r.randbytes(size)
    elif kind == 8:
        data[at:at] = r.randbytes(r.randrange(1, 20))
    else:
        return bytearray(r.choice((b"", r.randbytes(r.randrange(1, 64)), bytes(data[at:]))))
    return data


_WORDS = (
    """nan -1 1e999 1e-400 " [ ] { } = , ; true null -0.0 0x10 1_0 ''' # [[[[[[ parameters inf 10Hz [] {}""".split()
)
_WORDS += ["", "\t", "\n", "\x00", "\ufffd", "\ud7ff", "9" * 400, "5 ms"]


def damage_text(data, r):
    """As :func:`damage`, or a word replaced by one that is trouble somewhere."""
    if r.random() < 0.4:
        return damage(data, r)
    words = re.findall(rb"[\w.+-]+|\s+|[^\w\s]", data)
    for _ in range(r.choice((1, 1, 2, 5))):
        words[r.randrange(len(words))] = r.choice(_WORDS).encode("utf-8", "surrogatepass")
    return b"".join(words)


def damage_gzip(data, r):
    return damage(data, r) if r.random() < 0.5 else gzip.compress(damage(gzip.decompress(data), r), 1)


def damage_npz(data, r):
    if r.random() < 0.5:
        return damage(data, r)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", r.choice((0, 8))) as new:
        for name in old.namelist():
            content = old.read(name)
            head = content[:128]
            if r.random() < 0.7:
                head = damage_text(head, r) if r.random() < 0.5 else damage(head, r)
            new.writestr(name, head + content[128:])
    return out.getvalue()


def damage_png(data, r):
    """Damage inside one chunk, its checksum made right again."""
    if r.random() < 0.4 or not data.startswith(b"\x89PNG"):
        return damage(data, r)
    chunks, at = [], 8
    while at + 12 <= len(data):
        n = struct.unpack_from(">I", data, at)[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + n]))
        at += 12 + n
    k = r.randrange(len(chunks))
    kind, content = chunks[k]
    if kind == b"IDAT" and r.random() < 0.7:
        content = zlib.compress(damage(zlib.decompress(content), r))
    else:
        content = damage(content, r)
    chunks[k] = kind, content
    parts = [struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in chunks]
    return data[:8] + b"".join(parts)


# ---- valid files and their readers ---------------------------------------------------------------------------------


def _saved(save, *args, **kwargs):
    stream = io.BytesIO()
    save(stream, *args, **kwargs)
    return stream.getvalue()


def _idx():
    import numpy as np

    heads = [((8, 3), (3, 4, 5)), ((13, 2), (6, 7)), ((8, 1), (30,))]
    plain = []
    for (code, n_dims), shape in heads:
        count = int(np.prod(shape)) * (4 if code == 13 else 1)
        plain.append(
            bytes([0, 0, code, n_dims]) + struct.pack(f">{n_dims}I", *shape) + bytes(i % 251 for i in range(count))
        )
    return [("a", p, damage) for p in plain] + [("a.gz", gzip.compress(p), damage_gzip) for p in plain]


def _npz():
    import numpy as np

    t, u = np.linspace(0, 1, 50), np.arange(50)
    return [
        ("a.npz", _saved(np.savez, time=t, unit=u), damage_npz),
        ("a.npz", _saved(np.savez_compressed, times=t.astype("f4"), units=u.astype("u1")), damage_npz),
    ]


def _csv():
    rows = [f"{0.001 * k:.3f},{k % 7}" for k in range(40)]
    return [
        ("a.csv", "\n".join(["time,unit", *rows]).encode(), damage_text),
        ("a.txt", "\n".join(rows).replace(",", "\t").encode(), damage_text),
        ("a.csv", "\r\n".join(["# x", "i;t_ms;z", *(f"{k};{k};0" for k in range(9))]).encode(), damage_text),
    ]


def _images():
    import numpy as np
    from PIL import Image

    grey = np.add.outer(np.arange(12), np.arange(9)).astype(np.uint8) * 7
    colour = np.dstack([grey, grey.T.reshape(12, 9), grey])
    files = []
    for name, array, kind, mode in [
        ("a.png", grey, "PNG", None), ("a.png", colour, "PNG", None), ("a.png", grey, "PNG", "P"),
        ("a.png", grey.astype(np.uint16) * 99, "PNG", None),
        ("a.jpg", colour, "JPEG", None), ("a.bmp", colour, "BMP", None),
        ("a.bmp", grey, "BMP", "P"), ("a.pgm", grey, "PPM", None), ("a.ppm", colour, "PPM", None),
    ]:  # fmt: skip
        image = Image.fromarray(array)
        image = image.convert(mode) if mode else image
        files.append((name, _saved(image.save, format=kind), damage_png))
    files.append(("a.pgm", b"P2 3 2 255\n1 2 3 4 5 6\n", damage_text))
    return files


def _config():
    plan = {"command": "sim coincidence", "preset": "quick", "seed": 3, "seeds": 2}
    plan["parameters"] = {
        "tau_m": "18 ms",
        "threshold": [0.9, "0.5"],
        "rule": "additive",
        "n_afferents": 300,
        "v_periods": 0,
    }
    toml = 'command = "sim coincidence"\nseed = 3\n[parameters]\ntau_m = "18 ms"\nthreshold = [0.9, 0.5]'
    return [("a.json", json.dumps(plan).encode(), damage_text), ("a.toml", toml.encode(), damage_text)]


def _hdf5_table():
    import h5py
    import numpy as np

    def flat(f):
        f["time"], f["unit"] = np.linspace(0, 1, 50), np.arange(50)

    def packed(f):
        group = f.create_group("spikes/output")
        options = {"chunks": (64,), "compression": "gzip", "shuffle": True, "fletcher32": True}
        group.create_dataset("time", data=np.linspace(0, 1, 200), **options).attrs["units"] = "s"
        group.create_dataset("unit", data=np.arange(200), **options)

    def table(f):
        f["t"] = np.zeros(50, [("time_ms", "f4"), ("i", "i2")])

    def write(stream, fill):
        with h5py.File(stream, "w", libver=("earliest", "v110")) as f:
            fill(f)

    return [("a.h5", _saved(write, fill), damage) for fill in (flat, packed, table)]


def _result():
    import numpy as np

    from firstspike.runtime.results import Result

    r = Result("simulation", "A title", "A 2020", {"tau": 0.1, "n": [1, 2]}, {"command": "x"})
    r.add("seed", [3, 4], ("seed",), long_name="seed")
    r.add("weights", np.arange(20.0).reshape(2, -1), ("seed", "afferent"), "1", "weight")
    r.add("large", np.arange(20_000), ("k",), "1", "compressed")
    r.add("label", ["a", "b"], ("seed",), "1", "names")
    with tempfile.TemporaryDirectory() as folder:
        return [("a.h5", r.save(Path(folder) / "a.h5").read_bytes(), damage)]


def _read_idx(path):
    from firstspike.datasets.idx import read_idx

    read_idx(path)


def _read_spikes(path):
    import numpy as np

    from firstspike.datasets.tables import read_spikes

    time_, unit = read_spikes(path)
    assert np.isfinite(time_).all() and (np.diff(time_) >= 0).all() and len(time_) == len(unit) and unit.min() >= 0


def _read_folder(path):
    from firstspike.datasets.folders import read_images

    read_images(path.parent.parent)


def _read_config(path):
    """The whole way of a config file, as the command line goes it, up to the printed plan."""
    import click
    from click.testing import CliRunner

    from firstspike.cli import main

    @click.command()
    def command():
        main(["sim", "coincidence", "--config", str(path), "--dry-run", "--json"])

    done = CliRunner().invoke(command, [])
    if done.exit_code not in (0, 2, 3):
        raise RuntimeError(f"exit code {done.exit_code}: {done.stderr[-300:]}")
    if done.exit_code:
        raise Refused(done.stderr.strip())


def _read_hdf5_table(path):
    """As the product's child process does, in a process of ours."""
    from firstspike.datasets import hdf5_child, tables

    try:
        names = [["time", "times", "time_ms"], ["unit", "i"]]
        (name, units, time_), (_, _, unit) = hdf5_child.columns(path, names, 1 << 20)
    except hdf5_child.Refused as error:
        raise Refused(f"{path}: {' '.join(str(error).split())}") from None
    for data in (time_, unit):
        tables._check_kind(path, data.dtype, data.ndim)
    tables._checked(path, time_, unit, 1.0, str)


def _read_result(path):
    from firstspike.runtime.results import open_result

    found = open_result(path)
    if found.content_sha256 != _CONTENT.setdefault("sha256", found.content_sha256):
        raise RuntimeError("other data than were written")


_CONTENT: dict = {}


class Refused(ValueError):
    """Stands for the error of a command."""


#: format -> (valid files, reader, whether it needs a process of its own)
FORMATS = {
    "idx": (_idx, _read_idx, False),
    "npz": (_npz, _read_spikes, False),
    "csv": (_csv, _read_spikes, False),
    "images": (_images, _read_folder, False),
    "config": (_config, _read_config, False),
    "hdf5": (_hdf5_table, _read_hdf5_table, True),
    "result": (_result, _read_result, True),
}


# ---- the campaign --------------------------------------------------------------------------------------------------


def run(kind, n, seed, folder, keep=None):
    """Counts by outcome of `n` damaged files; those that failed are kept in the folder `keep`, if one is given."""
    make, read, apart = FORMATS[kind]
    samples, r = make(), random.Random(seed)
    counts, failures, slowest = collections.Counter(), {}, 0.0
    place = Path(folder) / ("set/class" if kind == "images" else ".")
    place.mkdir(parents=True, exist_ok=True)
    for name, data, _ in samples:  # undamaged, they must be read; this also sets what a result file holds
        path = place / name
        path.write_bytes(data)
        read(path)
        path.unlink()
    with memory_limit(0 if apart else LIMIT_BYTES):
        for _ in range(n):
            name, data, how = r.choice(samples)
            data, path = how(data, r), place / name
            path.write_bytes(data)
            start = time.perf_counter()
            outcome = _in_a_child(read, path) if apart else _outcome(read, path)
            slowest = max(slowest, time.perf_counter() - start)
            counts[outcome.split(":")[0]] += 1
            if outcome not in ("read", "refused"):
                failures.setdefault(outcome[:300], path.name)
                if keep:
                    Path(keep).mkdir(parents=True, exist_ok=True)
                    (Path(keep) / f"{kind}-{sum(counts.values())}-{name}").write_bytes(data)
            path.unlink()
    return {"format": kind, "n": n, "seed": seed, "counts": dict(counts), "slowest_s": round(slowest, 3),
            "failures": failures}  # fmt: skip


@contextlib.contextmanager
def memory_limit(n_bytes):
    """At most so many more bytes of address space than now."""
    import resource

    if not n_bytes or sys.platform != "linux":
        yield
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class _Late(BaseException):
    pass


def _outcome(read, path):
    def late(*_):
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        read(path)
        return "read"
    except _Late:
        return "hang"
    except Exception as error:
        if getattr(error, "exit_code", 0) != 3 and not isinstance(error, Refused):
            return f"error: {type(error).__name__} {error}"
        said = str(error)
        if str(path) not in said and str(path.parent) not in said:
            return f"nameless: {said}"
        return "refused" if "\n" not in said.strip() else f"lines: {said}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _in_a_child(read, path):
    """Outcome in a forked process with limits, which may crash or loop."""
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException), memory_limit(LIMIT_BYTES):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.write(send, _outcome(read, path).encode()[:4000])
        os._exit(0)
    os.close(send)
    end = time.monotonic() + LIMIT_S + 1  # a loop inside the library hears no alarm
    while not (ended := os.waitpid(pid, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.0005)
    if not ended[0]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    said = os.read(receive, 4000).decode(errors="replace")
    os.close(receive)
    return said if said else "hang" if not ended[0] else f"crash: signal {os.waitstatus_to_exitcode(ended[1])}"
