"""``firstspike doctor``: what this installation stands on, and whether a tiny run gives the known bits."""

import json
import platform
import shutil

import click

__all__ = ["command"]

#: of the run that must have the same bits on one and on all threads
_TINY = dict(seed=1, n_afferents=200, rate=20.0, n_periods=20, n_recorded=10)


def _versions():
    from importlib.metadata import PackageNotFoundError, version

    out = {"python": platform.python_version()}
    for name in ("numba", "numpy", "scipy", "h5py", "matplotlib", "click", "scikit-learn", "pooch", "numba-cuda"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out


def _tiny_run():
    from .experiments import run

    one = run("coincidence", "quick", threads=1, seeds=2, **_TINY)
    two = run("coincidence", "quick", threads=0, seeds=2, **_TINY)
    return one.content_sha256, one.content_sha256 == two.content_sha256


@click.command(help="Versions, threads, caches, data folder; then a tiny simulation on one and on all threads.")
@click.option("--clear-cache", is_flag=True, help="Delete machine code of other versions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(clear_cache, as_json):  # noqa: D103
    from .. import __version__
    from ..datasets.store import root
    from ..runtime import jit
    from ..runtime.device import cuda_devices
    from ..runtime.provenance import cpu_model, usable_cores

    folder = jit.cache_folder()
    report = {"firstspike": __version__, **_versions(), "cpu": cpu_model(), "cores": usable_cores()}
    report["cuda_devices"] = ", ".join(cuda_devices()) or "none"
    report |= {"kernel_cache": str(folder.parent), "data_folder": str(root())}
    report["free_disk_gb"] = round(shutil.disk_usage(folder.anchor or ".").free / 1e9, 1)
    if clear_cache:
        report["cache_freed_mb"] = round(jit.clear_cache() / 1e6, 1)
    report["tiny_run_sha256"], report["threads_agree"] = _tiny_run()
    if as_json:
        click.echo(json.dumps(report))
    else:
        for key, value in report.items():
            click.echo(f"{key:18} {value}")
    if not report["threads_agree"]:
        raise click.ClickException("one thread and all threads gave different bits")
