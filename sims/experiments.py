"""The table of experiments, and the one way to run any of them.

An experiment is a file of this package with ``TITLE``, ``REFERENCES``, ``PRESETS`` (name -> parameters, the first is
the default), ``simulate(params, run) -> Result``, ``expected(params)``, ``summary(result)`` and
``figure(result, name)``; one that heeds ``run.device`` says ``DEVICES = ("cpu", "cuda")``. Command line and Python come
here, so that both give the same bits.
"""

import glob
import logging
import time
from importlib import import_module
from pathlib import Path

from ..runtime import params as parameters

__all__ = ["EXPERIMENTS", "load", "resolve", "run"]

#: name -> (group of the command line, module, help line); plain data, so that listing commands imports nothing
EXPERIMENTS = {
    "coincidence": ("sim", "coincidence", "One neuron learns repeating spike patterns by STDP, beside the theory."),
    "pattern-capacity": ("sim", "pattern_capacity", "How many patterns one neuron learns, beside the theory."),
    "founding": ("sim", "founding", "STDP finds the start of a pattern that returns in lively input (2008)."),
    "competition": ("sim", "competition", "Neurons that inhibit each other share a pattern among them (2009)."),
    "poisson-stdp": ("sim", "poisson_stdp", "Pair STDP under random input: weights compete, the output rate balances."),
    "stdp-window": ("sim", "stdp_window", "What a learning rule does in the classic pairing protocols."),
    "digits": ("train", "digits", "A convolutional STDP network learns handwritten digits, read out by a linear SVM."),
    "digits-rstdp": ("train", "digits_rstdp", "A deep one-spike network learns to name digits by reward alone."),
    "objects": ("train", "objects", "The smallest such network: one layer names small pictures of objects."),
    "delays": ("train", "delays", "A spiking network learns its delays, beside fixed random delays and none."),
    "s4nn": ("train", "s4nn", "A one-spike network learns by gradients of its firing times; the first spike answers."),
    "bs4nn": ("train", "bs4nn", "The same with binary weights, beside an ordinary binary network."),
    "stidi": ("train", "stidi", "A network learns by how much each of its single spikes should be displaced."),
    "sdnn": ("train", "sdnn", "The published deep STDP network on all of MNIST, read out by a linear SVM."),
}


def load(name: str):
    """Module of the experiment `name`; ValueError if there is none."""
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    return import_module(f".{EXPERIMENTS[name][1]}", __package__)


def resolve(name: str, preset: str | None = None, settings: dict | None = None):
    """(preset name, checked parameters) of an experiment, from a preset and settings on top of it.

    An experiment whose preset depends on a setting says so in ``preset_for(settings)``.
    """
    module, settings = load(name), dict(settings or {})
    if preset is None:
        choose = getattr(module, "preset_for", lambda _: next(iter(module.PRESETS)))
        preset = choose(settings)
    if preset not in module.PRESETS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(module.PRESETS)}")
    return preset, parameters.update(module.PRESETS[preset], settings)


def run(
    name: str,
    preset: str | None = None,
    *,
    seed=0,
    seeds=1,
    threads=1,
    device="cpu",
    progress="none",
    out=None,
    force=False,
    resume=False,
    checkpoint_every=60.0,
    **settings,
):
    """Run an experiment and return its Result.

    Parameters
    ----------
    name : str
        ``"coincidence"``, ``"digits"``, ...
    preset : str, optional
        A named parameter set; default the experiment's first.
    seed, seeds : int
        First seed and how many: an axis of the result.
    threads : int
        0 = all usable cores; the result does not depend on it.
    device : str
        ``"cpu"``, or for some experiments ``"cuda"`` or ``"cuda:K"``: equal within tolerances, not bit by bit.
    progress : str
        ``"none"``, ``"auto"``, ``"bar"``, ``"log"``.
    out : path, optional
        Also write the result file; while the run lasts, its checkpoint stands beside it.
    force : bool
        Overwrite a result, and forget an unfinished run, of that name.
    resume : bool
        Go on from the checkpoint beside `out`, if there is one; a finished result is returned as it is.
    checkpoint_every : float
        Seconds between two checkpoints; 0 = only when interrupted.
    **settings
        Single parameters, as values in SI or as text with a unit.

    Raises
    ------
    ValueError
        Unknown name, preset or parameter, or a value out of range.
    FileExistsError
        A result or an unfinished run stands under the name `out`.
    runtime.checkpoint.Locked
        Another process is writing it.

    Examples
    --------
    >>> import firstspike
    >>> result = firstspike.run("coincidence", seed=3, n_periods=20, n_recorded=10, n_afferents=500)
    >>> result.kind
    'simulation'
    """
    from ..runtime.run import Run

    preset, params = resolve(name, preset, settings)
    _check_device(name, device)
    context = Run(seed, seeds, threads, device, progress, f"{EXPERIMENTS[name][0]} {name}")
    fixed = {"experiment": name, "preset": preset, "seed": context.seed, "seeds": len(context.seeds)}
    used: dict = getattr(load(name), "inputs", lambda params: {})(params)
    stored = fixed | parameters.as_dict(params) | ({"inputs": used} if used else {})
    if out is None:
        return _simulate(name, params, context, stored)
    from ..runtime.checkpoint import Lock, checkpoint_path

    out = Path(out)
    with Lock(out):
        if out.exists() and not force:
            return _finished(out, stored, resume)
        from ..runtime.jit import source_digest

        # a run is not continued by other sources, or on a device of another kind: bits would mix
        kept = stored | {"source_digest": source_digest(), "device": device.partition(":")[0]}
        _prepare(out, context, kept, force, resume)
        context.keep(checkpoint_path(out), kept, checkpoint_every)
        with context.signals():
            result = _simulate(name, params, context, stored)
        result.save(out)
        checkpoint_path(out).unlink(missing_ok=True)
    return result


def _check_device(name, device):
    """NoDevice if the experiment has no code for this kind of device."""
    from ..runtime.device import NoDevice

    kinds = getattr(load(name), "DEVICES", ("cpu",))
    if device.partition(":")[0] == "cuda" and "cuda" not in kinds:
        able = [other for other in EXPERIMENTS if "cuda" in getattr(load(other), "DEVICES", ())]
        raise NoDevice(f"{name} runs on the cpu only, got device {device!r}; on cuda run: {', '.join(able) or 'none'}")


def _simulate(name, params, context, stored):
    from ..runtime.provenance import provenance
    from ..runtime.threads import n_threads

    module = load(name)
    started, cpu = time.time(), time.process_time()
    with n_threads(context.threads):
        result = module.simulate(params, context)
    result.title, result.references, result.parameters = module.TITLE, module.REFERENCES, stored
    result.provenance |= provenance(context, started, cpu)
    return result


def _finished(out, stored, resume):
    """The result that is there already, if it is the one wanted."""
    from ..runtime.results import Result, ResultError, differences, open_result

    if not resume:
        raise FileExistsError(f"{out} exists; --force overwrites it")
    found = open_result(out)
    different = differences(found, Result(found.kind, found.title, parameters=stored))
    different = [line for line in different if line.startswith("parameter ")]
    if different:
        raise ResultError(f"{out} is of another run (its value | this run's): {'; '.join(different)}")
    from ..runtime.jit import source_digest

    digest = found.provenance.get("source_digest")
    if digest != source_digest():
        logging.getLogger("firstspike").warning("%s is of other sources (%s): kept as it is", out, digest)
    _tidy(out, stored | {"source_digest": digest, "device": str(found.provenance.get("device")).partition(":")[0]})
    return found


def _tidy(out, stored=None):
    """Remove what killed processes have left beside `out` (its lock is ours); its checkpoint if it is of `stored`."""
    from ..runtime.checkpoint import checkpoint_path, load_checkpoint
    from ..runtime.results import ResultError

    checkpoint = checkpoint_path(out)
    for name in (out.name, checkpoint.name):
        for stale in out.parent.glob(f".{glob.escape(name)}.*.tmp"):
            stale.unlink(missing_ok=True)
    if stored is not None and checkpoint.exists():
        try:
            load_checkpoint(checkpoint, stored)
        except ResultError:  # of another run, begun with --force
            return
        checkpoint.unlink()


def _prepare(out, context, stored, force, resume):
    """Take up or forget what an earlier run has left beside `out`."""
    from ..runtime.checkpoint import checkpoint_path, load_checkpoint

    checkpoint = checkpoint_path(out)
    _tidy(out)
    if not checkpoint.exists():
        return
    if resume:
        context.restored = load_checkpoint(checkpoint, stored)
    elif force:
        checkpoint.unlink()
    else:
        raise FileExistsError(f"{checkpoint} is an unfinished run; --resume goes on, --force starts anew")


def rerun(result, threads=1, progress="none"):
    """Run again what made `result`, with its stored parameters and seeds, on the device that made it."""
    stored = dict(result.parameters)
    name, preset, seed, seeds = (stored.pop(k) for k in ("experiment", "preset", "seed", "seeds"))
    stored.pop("inputs", None)
    device = result.provenance.get("device", "cpu")
    return run(name, preset, seed=seed, seeds=seeds, threads=threads, device=device, progress=progress, **stored)


def parameters_of(result):
    """The parameter dataclass instance that a result was made with."""
    module = load(result.parameters["experiment"])
    kind = type(next(iter(module.PRESETS.values())))
    fixed = ("experiment", "preset", "seed", "seeds", "inputs")
    # the user's files need not be where they were, so rules across fields are not checked again
    return parameters.from_dict(kind, {k: v for k, v in result.parameters.items() if k not in fixed}, validate=False)
