"""Work over many images on several threads.

Kernels release the interpreter's lock, so plain threads serve; a serial kernel compiles in a fraction of the time that
a parallel one takes. The split depends on the number of images only, and each block writes its own part of the output:
the bits are the same for any number of threads.
"""

from concurrent.futures import ThreadPoolExecutor

import numba

__all__ = ["in_blocks"]


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
