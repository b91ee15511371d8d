"""The table of experiments, and the one way to run any of them.

An experiment is a file of this package with ``TITLE``, ``REFERENCES``, ``PRESETS`` (name -> parameters, the first is
the default), ``simulate(params, run) -> Result``, ``expected(params)``, ``summary(result)`` and
``figure(result, name)``. Command line and Python come here, so that both give the same bits.
"""

import time
from importlib import import_module

from ..runtime import params as parameters

__all__ = ["EXPERIMENTS", "load", "resolve", "run"]

#: name -> (group of the command line, module, help line); plain data, so that listing commands imports nothing
EXPERIMENTS = {
    "coincidence": ("sim", "coincidence", "One neuron learns repeating spike patterns by STDP, beside the theory."),
    "digits": ("train", "digits", "A convolutional STDP network learns handwritten digits, read out by a linear SVM."),
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


def run(name: str, preset: str | None = None, *, seed=0, seeds=1, threads=1, progress="none", out=None, **settings):
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
    progress : str
        ``"none"``, ``"auto"``, ``"bar"``, ``"log"``.
    out : path, optional
        Also write the result file.
    **settings
        Single parameters, as values in SI or as text with a unit.

    Raises
    ------
    ValueError
        Unknown name, preset or parameter, or a value out of range.

    Examples
    --------
    >>> import firstspike
    >>> result = firstspike.run("coincidence", seed=3, n_periods=20, n_recorded=10, n_afferents=500)
    >>> result.kind
    'simulation'
    """
    from ..runtime.run import Run, provenance

    preset, params = resolve(name, preset, settings)
    module = load(name)
    context = Run(seed, seeds, threads, progress, f"{EXPERIMENTS[name][0]} {name}")
    started, cpu = time.time(), time.process_time()
    result = module.simulate(params, context)
    result.title, result.references = module.TITLE, module.REFERENCES
    fixed = {"experiment": name, "preset": preset, "seed": context.seed, "seeds": len(context.seeds)}
    result.parameters = fixed | parameters.as_dict(params)
    result.provenance = provenance(context, started, cpu)
    if out is not None:
        result.save(out)
    return result


def rerun(result, threads=1, progress="none"):
    """Run again what made `result`, with its stored parameters and seeds."""
    stored = dict(result.parameters)
    name, preset, seed, seeds = (stored.pop(k) for k in ("experiment", "preset", "seed", "seeds"))
    return run(name, preset, seed=seed, seeds=seeds, threads=threads, progress=progress, **stored)


def parameters_of(result):
    """The parameter dataclass instance that a result was made with."""
    module = load(result.parameters["experiment"])
    kind = type(next(iter(module.PRESETS.values())))
    fixed = ("experiment", "preset", "seed", "seeds")
    return parameters.from_dict(kind, {k: v for k, v in result.parameters.items() if k not in fixed})
