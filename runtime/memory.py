"""Large arrays that come and go at every step of training: memory that the process keeps instead of asking anew.

glibc gives an array over 32 MB back to the system when it is freed and maps fresh, zeroed pages for the next one; the
first touch of each page then costs about as much as the arithmetic of a spiking layer.
"""

import ctypes
from functools import cache

__all__ = ["keep_freed_memory"]

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h


@cache
def keep_freed_memory() -> bool:
    """Let this process reuse the memory of large arrays that were freed; whether the system can do that.

    Other C libraries than glibc are left as they are. No result depends on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP, 1 << 30) and mallopt(_TRIM, 2**31 - 1))
    except (OSError, AttributeError, TypeError):
        return False
