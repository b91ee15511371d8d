"""Compilation: one decorator for every kernel, with a disk cache keyed by content.

Numba's own ``cache=True`` keys a kernel by its own file only. Here a kernel's loop and the
mathematics it calls stand in different files, so an upgrade that changes the mathematics alone
would go on running the old machine code. :func:`kernel` therefore caches below a folder named
after a digest of *all* sources that the kernel can depend on.

:func:`specialise` compiles one loop for given scalar functions (a learning rule, a kernel shape):
the loop is written once as plain Python, the functions are bound to names in it.

:func:`cuda_kernel`, :func:`cuda_device` and :func:`specialise_cuda` are the counterparts for a graphics processor. They
compile anew in each process, and work under numba's simulator too (``NUMBA_ENABLE_CUDASIM=1``).
"""

import hashlib
import os
import types
from functools import cache
from pathlib import Path

# libgomp's default waiting policy lets the second thread sleep on the first one's core for
# scheduler ticks: 16 ms instead of 6 for an 8 ms region. Must be set before numba loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numba  # noqa: E402
from numba import prange  # noqa: E402

__all__ = [
    "DEPENDS",
    "cache_folder",
    "clear_cache",
    "cuda_device",
    "cuda_kernel",
    "kernel",
    "prange",
    "source_digest",
    "specialise",
    "specialise_cuda",
]

_ROOT = Path(__file__).resolve().parent.parent

#: What the code of a folder may import besides its own; tests hold the sources to it. A kernel's machine code can
#: therefore only depend on these files. Folders that are not named here may import everything.
DEPENDS = {
    "runtime": (),
    "theory": ("runtime",),
    "datasets": ("runtime",),
    "plasticity/rules": ("runtime",),
    "plasticity/events": ("runtime", "plasticity/rules"),
    "plasticity/waves": ("runtime", "plasticity/rules"),
    "plasticity/layers": ("runtime",),
}
_ALL = ("plasticity", "theory", "sims", "datasets", "runtime")
#: of runtime: no kernel imports them
_NO_KERNELS = {"checkpoint.py", "params.py", "progress.py", "provenance.py", "results.py", "run.py"}


@cache
def source_digest(room: str = "") -> str:
    """16 hex digits that change with numba and with any source that kernels of `room` can depend on (default: all)."""
    folders = (room, *DEPENDS[room]) if room in DEPENDS else _ALL
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(f for folder in folders for f in (_ROOT / folder).rglob("*.py")):
        if room in DEPENDS and file.parent == _ROOT / "runtime" and file.name in _NO_KERNELS:
            continue
        digest.update(file.relative_to(_ROOT).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _room(module: str) -> str:
    """Folder of a module of this package, as named in DEPENDS; empty for others'."""
    package = __name__.rpartition(".runtime.")[0]
    parts = module.removeprefix(package + ".").split(".") if module.startswith(package + ".") else [""]
    deep = "/".join(parts[:2])
    return deep if deep in DEPENDS else parts[0]


def cache_folder(module: str = "") -> Path:
    """Folder of the machine code of `module` (below ``NUMBA_CACHE_DIR`` or the user's cache folder)."""
    base = os.environ.get("NUMBA_CACHE_DIR")
    if not base:
        from platformdirs import user_cache_dir

        base = str(Path(user_cache_dir("firstspike")) / "kernels")
    return Path(base) / "firstspike" / source_digest(_room(module))


def clear_cache() -> int:
    """Delete the machine code of other versions; returns the bytes freed."""
    import shutil

    current = {source_digest(), *(source_digest(room) for room in DEPENDS)}
    freed, folder = 0, cache_folder().parent
    for old in folder.iterdir() if folder.exists() else ():
        if old.is_dir() and old.name not in current:
            freed += sum(f.stat().st_size for f in old.rglob("*") if f.is_file())
            shutil.rmtree(old, ignore_errors=True)
    return freed


def _compile(function, options, folder):
    options = {"error_model": "numpy", "nogil": True, **options}
    dispatcher = _without_literals(numba.njit(**options)(function))
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        dispatcher.enable_caching()
        dispatcher._cache.save_overload = _if_possible(dispatcher._cache.save_overload)
    except RuntimeError:  # a function without a source file (typed at a prompt) is compiled anew in each process
        pass
    finally:
        numba.config.CACHE_DIR = before
    return dispatcher


def _if_possible(save):
    """Without room or right to write to the cache, a kernel is compiled anew in each process."""

    def try_to_save(*args):
        try:
            save(*args)
        except OSError:
            pass

    return try_to_save


def _without_literals(dispatcher):
    """Let calls from other kernels see the type of an argument, not its value.

    Numba would compile a kernel once more for each literal it is called with (a ``0`` that later becomes a count);
    inlined code loses nothing, LLVM still knows the constant.
    """
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(
        tuple(numba.types.unliteral(a) for a in args), {k: numba.types.unliteral(a) for k, a in kws.items()}
    )
    return dispatcher


def kernel(function=None, **options):
    """Compile `function` with ``numba.njit(**options)`` and keep the machine code on disk.

    Division follows IEEE rules (``error_model="numpy"``) and the GIL is released, unless said otherwise.

    Examples
    --------
    >>> @kernel
    ... def double(x):
    ...     return x + x
    >>> double(1.5)
    3.0
    """
    if function is None:
        return lambda f: kernel(f, **options)
    return _compile(function, options, cache_folder(function.__module__))


def _fingerprint(function):
    code = function.__code__
    parts = [code.co_code, repr(code.co_names).encode()]
    for const in code.co_consts:
        parts.append(const.co_code if isinstance(const, types.CodeType) else repr(const).encode())
    for name in code.co_names:  # what it takes from its file: constants, and plain functions it calls
        value = function.__globals__.get(name)
        if isinstance(value, types.FunctionType) and value is not function:
            parts.append(_fingerprint(value))
        elif isinstance(value, (bool, int, float, str)):
            parts.append(repr((name, value)).encode())
    return hashlib.sha256(b"\0".join(parts)).digest()


_SPECIALISED: dict = {}


def _key(kind, loop, options, functions):
    # the module is part of the key: machine code on disk names the modules of the functions it was made of
    prints = tuple((name, (f.__module__, _fingerprint(f))) for name, f in sorted(functions.items()))
    return kind, loop.__module__, loop.__qualname__, prints, tuple(sorted(options.items()))


def _bind(loop, compiled):
    bound = types.FunctionType(loop.__code__, {**loop.__globals__, **compiled}, loop.__name__, loop.__defaults__)
    bound.__qualname__ = loop.__qualname__
    bound.__module__ = loop.__module__
    return bound


def specialise(loop, *, options=None, **functions):
    """Compile `loop` with names bound to scalar functions; cached by the content of all of them.

    Parameters
    ----------
    loop : function
        Undecorated; it calls the names in `functions` as if they were globals.
    options : dict, optional
        For ``numba.njit``.
    **functions : function
        Undecorated scalar functions in nopython-compilable Python, for instance the two of a rule.
        They may also come from a user's own file: the cache is keyed by their code.

    Examples
    --------
    >>> def total(x):
    ...     s = 0.0
    ...     for i in range(x.size):
    ...         s += f(x[i])
    ...     return s
    >>> import numpy as np
    >>> float(specialise(total, f=lambda v: 2 * v)(np.arange(3.0)))
    6.0
    """
    options = options or {}
    key = _key("cpu", loop, options, functions)
    if key not in _SPECIALISED:
        code = hashlib.sha256(repr(key[3:]).encode()).hexdigest()[:16]
        compiled = {n: numba.njit(error_model="numpy", inline="never")(f) for n, f in functions.items()}
        _SPECIALISED[key] = _compile(_bind(loop, compiled), options, cache_folder(loop.__module__) / code)
    return _SPECIALISED[key]


def _cuda(function, device, options):
    from numba import cuda

    if numba.config.ENABLE_CUDASIM:  # the simulator refuses options that tune
        options = {}
    return cuda.jit(device=device, **options)(function)


def cuda_kernel(function=None, **options):
    """Compile `function` as a CUDA kernel, ``numba.cuda.jit(**options)``; launch it with ``f[blocks, threads](...)``.

    Options for tuning are dropped in the simulator.
    """
    if function is None:
        return lambda f: cuda_kernel(f, **options)
    return _cuda(function, False, options)


def cuda_device(function):
    """Compile `function` to be called from CUDA kernels.

    A function of another file than the kernel's may not use ``cuda`` itself: the simulator could not run it.
    """
    return _cuda(function, True, {})


def specialise_cuda(loop, *, options=None, **functions):
    """Compile `loop` as a CUDA kernel with names bound to scalar functions, as :func:`specialise` does for the CPU."""
    options = options or {}
    key = _key("cuda", loop, options, functions)
    if key not in _SPECIALISED:
        compiled = {name: cuda_device(f) for name, f in functions.items()}
        _SPECIALISED[key] = cuda_kernel(_bind(loop, compiled), **options)
    return _SPECIALISED[key]
