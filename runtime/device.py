"""The devices that code may run on: ``cpu`` (default, everywhere), ``cuda`` or ``cuda:K`` (a graphics processor).

Results of different devices agree within stated tolerances only, so another device than the CPU is always asked for,
never chosen. Nothing here imports numba unless CUDA is asked for.
"""

from contextlib import contextmanager

__all__ = ["NoDevice", "check_device", "cuda_devices", "on_device"]


class NoDevice(ValueError):
    """The asked-for device is not there."""

    exit_code = 6


def _parse(device):
    kind, colon, index = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isascii() and index.isdigit())):
        raise ValueError(f"device must be cpu, cuda or cuda:K, got {device!r}")
    return kind, int(index or 0)


def cuda_devices():
    """Names of the CUDA devices, in the order of their numbers; empty where there is none.

    Under numba's simulator (``NUMBA_ENABLE_CUDASIM=1``) there is one, called ``simulator``.
    """
    from numba import cuda

    if not cuda.is_available():
        return []
    names = [getattr(gpu, "name", "simulator") for gpu in cuda.gpus]
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def check_device(device):
    """Return `device`.

    Raises
    ------
    ValueError
        For a name that is no device.
    NoDevice
        If it is not there (a ValueError; commands end with exit code 6).
    """
    kind, index = _parse(device)
    if kind == "cuda":
        names = cuda_devices()
        if not names:
            raise NoDevice(
                f"device {device} is not there: no CUDA driver or no graphics processor was found "
                "(an NVIDIA driver and pip install 'firstspike[cuda]' are needed)"
            )
        if index >= len(names):
            raise NoDevice(f"device {device} is not there: the last of {len(names)} is cuda:{len(names) - 1}")
    return device


@contextmanager
def on_device(device):
    """Check that CUDA `device` is there, and make it the current one inside ``with``."""
    check_device(device)
    kind, index = _parse(device)
    if kind != "cuda":
        raise ValueError(f"device must be cuda or cuda:K, got {device!r}")
    from numba import cuda

    with cuda.gpus[index]:
        yield
