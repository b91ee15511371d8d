"""Work in blocks on several threads, and matrix products whose bits do not depend on how many there are.

Kernels release the interpreter's lock, so plain threads serve; a serial kernel compiles in a fraction of the time that
a parallel one takes. The split depends on the size of the problem only, and each block writes its own part of the
output: the bits are the same for any number of threads. A matrix product keeps that promise if it stands in a block
and BLAS uses one thread for it: :func:`one_blas_thread`.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numba

__all__ = ["in_blocks", "n_threads", "one_blas_thread"]


@contextmanager
def n_threads(n):
    """Context in which kernels use `n` threads, or as many as numba was started with."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def in_blocks(function, n, block):
    """Call ``function(start, stop)`` for consecutive blocks of 0..n, on ``numba.get_num_threads()`` threads."""
    starts = range(0, n, block)
    threads = min(numba.get_num_threads(), len(starts))
    if threads <= 1:
        for start in starts:
            function(start, min(start + block, n))
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(function, start, min(start + block, n)) for start in starts]:
            done.result()  # raises what the block raised


@cache
def _controller(_libraries):
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_blas_thread():
    """Context in which each BLAS call uses one thread (all BLAS libraries of the process, all Python threads).

    Finding the libraries takes milliseconds, so it is done once for the modules that bring one along.
    """
    import sys

    libraries = tuple(name for name in ("numpy", "scipy.linalg") if name in sys.modules)
    return _controller(libraries).limit(limits=1, user_api="blas")
