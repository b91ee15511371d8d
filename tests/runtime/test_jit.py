"""Compiled code: bound functions, and that an upgrade never runs the old machine code."""

import ast
import os
import subprocess
import sys
import textwrap

import numpy as np

from firstspike.runtime import jit


def _sum(x):
    s = 0.0
    for i in range(x.size):
        s += f(x[i])  # noqa: F821
    return s


def _double(v):
    return 2.0 * v


def _square(v):
    return v * v


def test_specialise_binds_and_does_not_mix():
    x = np.arange(4.0)
    assert jit.specialise(_sum, f=_double)(x) == 12.0
    assert jit.specialise(_sum, f=_square)(x) == 14.0
    assert jit.specialise(_sum, f=_double) is jit.specialise(_sum, f=_double)


@jit.kernel
def _add_one(n):
    return n + 1


@jit.kernel
def _counts(x):
    n = 0
    for _ in range(x.size):
        n = _add_one(n)
    return n + _add_one(2)


def test_a_literal_argument_compiles_nothing_more():
    assert _counts(np.zeros(3)) == 6
    assert len(_add_one.nopython_signatures) == 1


def test_division_follows_ieee():
    assert jit.kernel(lambda a, b: a / b)(1.0, 0.0) == np.inf


RULE = "SCALE = {scale}\ndef f(v):\n    return SCALE * v\n"
SCRIPT = textwrap.dedent(
    """
    import sys, numpy as np
    sys.path.insert(0, {folder!r})
    import user_rule
    from firstspike.runtime import jit
    def total(x):
        s = 0.0
        for i in range(x.size):
            s += f(x[i])
        return s
    compiled = jit.specialise(total, f=user_rule.f)
    value = compiled(np.ones(3))
    hits = sum(compiled.stats.cache_hits.values())
    print(value, hits)
    """
)


def test_cache_hits_and_follows_a_changed_rule(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(tmp_path)))
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(scale):
        (tmp_path / "user_rule.py").write_text(RULE.format(scale=scale))
        out = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=True)
        return out.stdout.split()

    assert run(2.0) == ["6.0", "0"]
    assert run(2.0) == ["6.0", "1"]
    assert run(5.0) == ["15.0", "0"]


def test_digest_changes_with_any_source(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "runtime").mkdir(parents=True)
    file = package / "runtime" / "a.py"
    file.write_text("x = 1\n")
    monkeypatch.setattr(jit, "_ROOT", package)
    digests = set()
    for text in ("x = 1\n", "x = 2\n", "x = 1\n"):
        file.write_text(text)
        jit.source_digest.cache_clear()
        digests.add(jit.source_digest())
    jit.source_digest.cache_clear()
    assert len(digests) == 2


FULL = """
import resource
import firstspike.runtime.jit as jit
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
double = jit.kernel(lambda x: x + x)
print(double(1.5), jit.specialise(lambda x: f(x), f=lambda v: 3 * v)(2.0))
"""


def test_a_full_disk_of_the_cache_does_not_stop_a_kernel(tmp_path):
    (tmp_path / "script.py").write_text(FULL)
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, tmp_path / "script.py"], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["3.0", "6.0"] and not done.stderr, done.stderr
    assert (tmp_path / "cache").exists() and not list((tmp_path / "cache").rglob("*.nbc"))


def test_kernels_import_nothing_that_their_digest_leaves_out():
    """Importing all kernels' folders loads no file of runtime that the digest skips, except the parameters'."""
    code = (
        "import sys, firstspike.plasticity.events, firstspike.plasticity.waves, firstspike.datasets.patterns, "
        "firstspike.theory.kernels; from firstspike.runtime.jit import _NO_KERNELS; "
        "print([n for n in _NO_KERNELS if 'firstspike.runtime.' + n[:-3] in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=os.sep, capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) <= {"params.py"}
