"""Random numbers: one counter-based generator for every device and thread count.

A draw is a pure function of (seed, named stream, entity, step); nothing is stored, nothing has an order:

    z  = mix(k0 + counter * GAMMA)          mix = finaliser of SplitMix64 (Steele, Lea & Flood 2014)
    u  = mix(z xor k1)

Two independent 64-bit keys, so that two streams never walk a common orbit. :func:`stream` makes the keys of
(seed, name) on the host; :func:`split` narrows them to an entity (a seed index, a period, a pattern) inside a
kernel and can be nested; the counter is the draw index. Scalars `mix`, `bits`, `split`, `to_unit`, `uniform` and
`bounded` are called from other kernels; `uniforms`, `normals` and `permutation` fill arrays on the host.
"""

import hashlib

import numpy as np

from .jit import kernel

__all__ = ["bits", "bounded", "mix", "normals", "permutation", "split", "stream", "to_unit", "uniform", "uniforms"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_E0 = np.uint64(0xD1342543DE82EF95)
_E1 = np.uint64(0x2545F4914F6CDD1D)
_S30, _S27, _S31, _S11, _S32 = (np.uint64(s) for s in (30, 27, 31, 11, 32))
_ONE = np.uint64(1)
_UNIT = 1.0 / (1 << 53)


def stream(seed: int, name: str) -> tuple[np.uint64, np.uint64]:
    """Keys of the stream `name` of a run; different names or seeds give unrelated streams.

    Examples
    --------
    >>> stream(0, "pattern") != stream(0, "jitter")
    True
    """
    digest = hashlib.blake2b(f"{int(seed)}/{name}".encode(), digest_size=16).digest()
    return np.uint64(int.from_bytes(digest[:8], "little")), np.uint64(int.from_bytes(digest[8:], "little"))


@kernel
def mix(z):
    """Finaliser of SplitMix64: a bijection of 64-bit integers."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@kernel
def bits(k0, k1, counter):
    """64 random bits at `counter` (an integer >= 0) of the stream (k0, k1)."""
    return mix(mix(k0 + np.uint64(counter) * _GAMMA) ^ k1)


@kernel
def split(k0, k1, entity):
    """Keys of the sub-stream `entity` (an integer >= 0)."""
    e = np.uint64(entity) + _ONE
    return mix(k0 ^ (e * _E0)), mix(k1 + e * _E1)


@kernel
def to_unit(b):
    """Uniform float64 in [0, 1) from 64 bits (top 53 are used)."""
    return np.float64(b >> _S11) * _UNIT


@kernel
def uniform(k0, k1, counter):
    """Uniform float64 in [0, 1) at `counter`."""
    return to_unit(bits(k0, k1, counter))


@kernel
def bounded(b, n):
    """Integer in [0, n), n < 2**31, from the high 32 bits of `b` (multiply-high)."""
    return np.int64(((b >> _S32) * np.uint64(n)) >> _S32)


@kernel
def _fill_uniform(k0, k1, start, out):
    for i in range(out.size):
        out[i] = uniform(k0, k1, start + i)


@kernel
def _fill_normal(k0, k1, start, out):
    # Box-Muller on one counter pair a value: a fixed number of draws, hence random access.
    for i in range(out.size):
        u = 1.0 - uniform(k0, k1, 2 * (start + i))  # (0, 1]
        v = uniform(k0, k1, 2 * (start + i) + 1)
        out[i] = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


def uniforms(seed: int, name: str, size, start: int = 0):
    """Array of float64 in [0, 1): draws start, start+1, ... of the stream, in C order."""
    out = np.empty(size)
    _fill_uniform(*stream(seed, name), start, out.reshape(-1))
    return out


def normals(seed: int, name: str, size, start: int = 0):
    """Array of standard normal float64: draws start, start+1, ... of the stream, in C order."""
    out = np.empty(size)
    _fill_normal(*stream(seed, name), start, out.reshape(-1))
    return out


def permutation(seed: int, name: str, n: int):
    """Random order of 0..n-1 (int64): the argsort of n draws, ties by index."""
    return np.argsort(uniforms(seed, name, n), kind="stable")
