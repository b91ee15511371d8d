"""A spiking network learns when its spikes should arrive: learned delays beside fixed random ones and none.

What is measured on the test part: accuracy of the network as it learnt (soft: each synapse spread over neighbouring
steps), with rounded delays, and after a refit of the weights around the rounded delays; spikes; additions by synapses.
Nothing is chosen on the test part: the last pass counts.

Without delays there are twice the hidden neurons: with one hidden layer, as many parameters as learned delays need.
Fixed random delays get the same neurons as learned ones, so half the trained parameters.

References: Hammouamri, Khalfaoui-Hassani & Masquelier (2023) arXiv:2306.17670 (ICLR 2024).
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from ..plasticity.learners.delays_params import DelaysParams
from ..runtime.params import param

__all__ = [
    "FIGURES",
    "PRESETS",
    "Delays",
    "expected",
    "figure",
    "inputs",
    "memory",
    "preset_for",
    "simulate",
    "summary",
]

TITLE = "Learned delays: a spiking network that learns when its spikes arrive"
REFERENCES = "arXiv:2306.17670"
FIGURES = ("overview", "delays", "arrivals", "learning", "confusion")
KINDS = ("none", "fixed", "learned")
STAGES = ("soft", "rounded", "refit")
_SYNTHETIC = ("rst-a", "rst-b", "synthetic")
_SAMPLES = {"shd": (8156, 2264), "ssc": (75_466, 20_382), "gsc": (84_843, 11_005)}  # official training and test parts
NAMES = (*_SYNTHETIC, "fsdd", "speech_commands", "shd", "ssc", "gsc")


@dataclass
class Delays(DelaysParams):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    delays: str = param(  # type: ignore[assignment]
        "learned",
        "none = all inputs at once; fixed = random ones stay; all = each of the three",
        choices=(*KINDS, "all"),
        option=True,
    )
    data: str = param("rst-a", f"{', '.join(NAMES)}, or a spike file in the layout of SHD", option=True)
    n_train: int | None = param(None, "training samples (the first ones); none = all", low=2, option=True)
    n_test: int | None = param(None, "test samples (the first ones); none = all", low=1, option=True)
    held_out: tuple[str, ...] = param((), "speakers that make up the test part; empty = the usual test part")
    task_seed: int = param(1, "seed of a synthetic task and its samples", low=0)
    matched: bool = param(True, "without delays: twice the hidden neurons (as many parameters, if there is one layer)")

    MAY_BE_EMPTY = (*DelaysParams.MAY_BE_EMPTY, "held_out")

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        super().validate()
        if self.data not in NAMES and not Path(self.data).exists():
            raise ValueError(f"data must be one of {', '.join(NAMES)}, or a file that exists; got {self.data!r}")
        if self.held_out and self.data in _SYNTHETIC:
            raise ValueError(f"held_out must be empty for {self.data}, whose samples have no speakers")


_TIMING = {"hidden": (16,), "batch_size": 64, "dropout": 0.0, "n_train": 2000, "n_test": 1000}
_SPOKEN = {"batch_size": 64, "rate": 2e-3, "dropout": 0.0}
_WORDS = {"max_delay": 31, "tau": 15e-3, "dropout": 0.25, "batch_size": 128, "hidden": (512, 512)}

PRESETS = {
    "rst-a": Delays(**_TIMING, max_delay=33, rate=3e-3, epochs=12, refit_epochs=6),
    "rst-b": Delays(**_TIMING, data="rst-b", max_delay=17, rate=2e-3, epochs=10, refit_epochs=5),
    "fsdd": Delays(**_SPOKEN, data="fsdd", hidden=(64,), epochs=30, refit_epochs=10),
    "speech_commands": Delays(
        **(_SPOKEN | {"dropout": 0.25}), data="speech_commands", hidden=(128,), max_delay=31, tau=15e-3, epochs=40
    ),
    "shd": Delays(data="shd"),
    "ssc": Delays(**_WORDS, data="ssc", epochs=60),
    "gsc": Delays(**_WORDS, data="gsc", epochs=100),
}

#: published test accuracies (rounded delays; best pass on the test part for shd)
_PUBLISHED = {"shd": 0.9507, "ssc": 0.7977, "gsc": 0.9491}


def preset_for(settings: dict) -> str:
    """The preset of a data set; for files of the user's own ``fsdd``, which takes all samples there are."""
    data = settings.get("data", "rst-a")
    if data in PRESETS:
        return data
    return "rst-a" if data in _SYNTHETIC else "fsdd"


def kinds_of(params: Delays) -> tuple[str, ...]:
    """What is trained: one kind of delays, or all three."""
    return KINDS if params.delays == "all" else (params.delays,)


def network(params: Delays, kind: str, **changes):
    """An unfitted DelaySNN of this kind of delays, with `changes`, such as ``random_state``."""
    from ..plasticity.learners.delays import DelaySNN

    values = {f.name: getattr(params, f.name) for f in fields(DelaysParams) if f.name != "random_state"}
    values["delays"] = kind
    if kind == "none" and params.matched:
        values["hidden"] = tuple(2 * n for n in params.hidden)
    return DelaySNN(**(values | changes))


def inputs(params: Delays) -> dict:
    """Digest of a file of the user's own, to be kept in the result."""
    from .digits import inputs as files

    return files(params) if params.data not in NAMES else {}


def memory(params: Delays, n_seeds: int) -> int:
    """Bytes that a run needs, roughly: samples, potentials, spikes and gradients of one batch, and the kernels."""
    widths = (140, *params.hidden, 35)
    steps = 100 + len(widths) * params.max_delay // 2
    activity = params.batch_size * steps * sum(widths) * 24
    kernels = sum(a * b for a, b in zip(widths, widths[1:], strict=False)) * params.max_delay * params.copies * 16
    n_train, n_test = _SAMPLES.get(params.data, (2000, 1000))
    samples = ((params.n_train or n_train) + (params.n_test or n_test)) * (768 if params.data in _SYNTHETIC else 14_000)
    return int(samples + activity + kernels + n_seeds * sum(widths) ** 2 * 32)


def simulate(params: Delays, run):
    """Train and score over kinds of delays and the seeds of `run`; a Result."""
    from ..runtime.results import Result
    from .fits import Fits, add_seconds

    data, kinds = load_samples(params), kinds_of(params)
    jobs = [(kind, seed) for kind in kinds for seed in run.seeds]
    fits = Fits(run, [f"{kind} delays, seed {seed}" for kind, seed in jobs])
    nets = [_fit(params, data, fit, *job) for fit, job in zip(fits, jobs, strict=True)]
    result = Result("training", TITLE, REFERENCES)
    _add_scores(result, fits, kinds, run.seeds, data)
    n = len(run.seeds)
    for k, kind in enumerate(kinds):
        _add_networks(result, kind, nets[k * n : (k + 1) * n], data)
    add_seconds(result, fits)
    return result


def _fit(params, data, fit, kind, seed):
    """Fit and test one network."""
    net = fit(network(params, kind, random_state=seed), data.train_X, data.train_y)
    if "confusion" not in fit:
        from .measures.confusion import confusion

        said = {}
        for stage in STAGES:
            used = _stage_of(net, stage)
            if used not in said:
                said[used] = net.predict(data.test_X, used)
            fit[stage] = (said[used] == data.test_y).mean()
        fit["said"] = said[used]
        for name, value in _cost(net, data.test_X[:_PROBE]).items():
            fit[name] = value
        fit["confusion"] = confusion(data.test_y, said[used], len(data.names))
        fit.tick(1.0, f"test accuracy {float(fit['refit']):.1%}")
    return net


_PROBE = 200  # test samples whose spikes are counted


def _stage_of(net, stage):
    """Without learned delays, or without a refit, an earlier stage is the last one."""
    if net.delays != "learned":
        return "soft"
    return "rounded" if stage == "refit" and net.refit_ is None else stage


def _cost(net, X):
    """Hidden spikes a neuron and second, and additions by synapses, of one sample (the last network there is)."""
    activity = net.activity(X, _stage_of(net, "refit"))
    hidden = [a for name, a in activity.items() if name.endswith(".spike")]
    # each layer runs longer than the one before it
    rate = sum(int(a.sum()) for a in hidden) / (net.dt * max(1, sum(a.size for a in hidden)))
    sources = [X, *hidden]
    targets = [*(a.shape[2] for a in hidden), len(net.classes_)]
    events = [(a != 0).sum() / len(X) for a in sources]
    return {"rate": rate, "synops": sum(e * o * net.copies for e, o in zip(events, targets, strict=True))}


def load_samples(params: Delays):
    """Both parts of the data: `train_X`, `train_y`, `test_X`, `test_y`, `names` of the classes."""
    from types import SimpleNamespace

    train_X, train_y, names = load_part(params, params.data, "train", params.n_train)
    test_X, test_y, _ = load_part(params, params.data, "test", params.n_test)
    return SimpleNamespace(train_X=train_X, train_y=train_y, test_X=test_X, test_y=test_y, names=names)


def load_part(params: Delays, data: str, part: str, n=None):
    """Samples (N, T, C), labels (N,) and names of the classes of one part of a data set, as these parameters say."""
    if data in _SYNTHETIC:
        from ..datasets import timing

        task = timing.SETTINGS["b" if data == "rst-b" else "a"]
        X, y = timing.relative_timing(n or {"train": 2000, "test": 1000}[part], part, task, params.task_seed)
        return X, y, [str(k) for k in range(task.n_classes)]
    from ..datasets import load_spoken

    spoken = load_spoken(data, part, n=n, test_speakers=params.held_out)
    if abs(spoken.bin_s - params.dt) > 1e-9:
        raise ValueError(f"dt must be {spoken.bin_s} s, the step of {data}, got {params.dt}")
    return spoken.x, spoken.y, [str(k) for k in spoken.class_names or range(int(spoken.y.max()) + 1)]


def classifier(result, i: int = 0, kind: str | None = None):
    """The network of seed number `i` of a result, ready to be used; default the last kind of delays."""
    from .experiments import parameters_of

    params, kind = parameters_of(result), kind or str(result["kind"][-1])
    net, stages = network(params, kind), {}
    for stage in ("soft", "refit"):
        head = f"{kind}.{stage}."
        found = {k.removeprefix(head): result[k][i] for k in result.arrays if k.startswith(head)}
        if found:
            stages[stage] = {k: v for k, v in found.items() if not k.endswith(".delay")}
            stages[stage]["delays"] = [found[k] for k in sorted(found) if k.endswith(".delay")]
    return net.set_networks(result["class"], int(result["n_steps"]), **stages)


def _add_scores(result, fits, kinds, seeds, data):
    import numpy as np

    def of(name):
        values = fits.all(name)
        return values.reshape(len(kinds), len(seeds), *values.shape[1:])

    result.add("seed", np.array(seeds, np.int64), ("seed",), "1", "seed of the run")
    result.add("kind", np.array(kinds), ("kind",), "1", "kind of delays")
    dims = ("kind", "seed")
    texts = ("of the network as it learnt", "with rounded delays", "after the refit with rounded delays")
    for stage, text in zip(STAGES, texts, strict=True):
        result.add(f"accuracy_{stage}", of(stage), dims, "1", f"fraction of test samples classified correctly {text}")
    result.add("rate", of("rate"), dims, "Hz", "hidden spikes a neuron and second, first test samples")
    result.add("synops", of("synops"), dims, "1", "additions by synapses, mean of the first test samples")
    result.add("class_name", np.array(data.names), ("true_class",), "1", "name of each class")
    dims = (*dims, "true_class", "predicted_class")
    result.add("confusion", of("confusion"), dims, "1", "test samples, last network; last column: no answer")
    said, labels = of("said").astype(np.int16), np.asarray(data.test_y, np.int16)
    result.add("predictions", said[-1], ("seed", "test"), "1", "classes said by the last network of the last kind")
    result.add("labels", labels, ("test",), "1", "true class of the test samples")
    result.add("n_test", np.array(len(labels)), (), "1", "test samples")
    result.add("n_train", np.array(len(data.train_y)), (), "1", "training samples")
    result.add("class", np.unique(data.train_y).astype(np.int64), ("class",), "1", "classes that were learnt from")
    result.add("n_steps", np.array(data.train_X.shape[1]), (), "1", "steps of a sample")


def _add_networks(result, kind, nets, data):
    """Weights and delays of each layer before learning, after it and after the refit; learning curves."""
    import numpy as np

    history = np.array([net.history_ for net in nets])
    for column, (name, unit, text) in enumerate(
        (("loss", "1", "training loss"), ("right", "1", "share of training samples right"), ("width", "1", "width S"))
    ):
        result.add(f"{kind}.{name}", history[:, :, column], ("seed", f"{kind}.pass"), unit, f"{text}, during each pass")
    result.add(
        f"{kind}.passes_soft", np.array(nets[0]._passes(nets[0]._params())[0]), (), "1", "passes before the refit"
    )
    for stage in ("first", *STAGES):
        if stage != "first" and any(getattr(net, f"{stage}_") is None for net in nets):
            continue
        if kind != "learned" and stage in ("rounded", "refit"):
            continue
        for layer in range(len(nets[0].hidden) + 1):
            _add_layer(result, kind, stage, layer, nets)


def _add_layer(result, kind, stage, layer, nets):
    """Weights, delays and norm of one layer of one stage, all seeds."""
    import numpy as np

    def of(name):
        return np.array([getattr(net, f"{stage}_")[name] for net in nets])

    name = f"layer{layer + 1}"
    at = f"{kind}.{stage}.{name}"
    dims = ("seed", f"{kind}.out{layer + 1}", f"{kind}.in{layer + 1}", "copy")
    result.add(f"{at}.weight", of(f"{name}.weight"), dims, "1", f"synaptic weights of layer {layer + 1}")
    delays = np.array([net.synapse_delays(stage)[layer] for net in nets])
    result.add(f"{at}.delay", delays, dims, "s", f"delays of layer {layer + 1}")
    result.add(f"{at}.width", of(f"{name}.width"), ("seed",), "1", f"width S of the bumps of layer {layer + 1}")
    if layer < len(nets[0].hidden):
        for key in ("scale", "shift", "mean", "var"):
            result.add(f"{at}.norm.{key}", of(f"{name}.norm.{key}"), dims[:2], "1", f"batch norm of {name}: {key}")
    leak = f"{name}.spike.w" if layer < len(nets[0].hidden) else "leaky.w"
    if leak in getattr(nets[0], f"{stage}_"):
        result.add(f"{kind}.{stage}.{leak}", of(leak), ("seed",), "1", "leak: 1 / tau = sigmoid(w), tau in steps")


def expected(params: Delays) -> dict[str, float]:
    """Published accuracies of the published networks (empty for anything else)."""
    for name, accuracy in _PUBLISHED.items():
        if params == PRESETS[name]:
            return {"accuracy_rounded": accuracy}
    return {}


def summary(result) -> dict:
    """Measured numbers: means over seeds of the kind asked for (of learned delays, if all were), then of each kind."""
    import numpy as np

    from .measures.confusion import standard_error

    kinds = [str(k) for k in result["kind"]]
    main = len(kinds) - 1
    out = {f"accuracy_{s}": float(result[f"accuracy_{s}"][main].mean()) for s in STAGES}
    out["accuracy_per_seed"] = result["accuracy_soft"][main].tolist()
    if len(kinds) == 1:
        out |= {f"{s}_per_seed": result[f"accuracy_{s}"][main].tolist() for s in STAGES[1:]}
    n = int(result["n_test"])
    out["standard_error"] = float(standard_error(out["accuracy_soft"], n))
    out |= {"chance": 1 / len(result["class_name"]), "n_train": int(result["n_train"]), "n_test": n}
    n_seeds = result["seed"].size
    if len(kinds) > 1:
        for k, kind in enumerate(kinds):
            row = {s: float(result[f"accuracy_{s}"][k].mean()) for s in (STAGES if kind == "learned" else STAGES[:1])}
            if n_seeds > 1:
                row["std_over_seeds"] = float(np.std(result["accuracy_soft"][k], ddof=1))
            out[f"{kind}_delays"] = row
    elif n_seeds > 1:
        out["std_over_seeds"] = float(np.std(result["accuracy_soft"][main], ddof=1))
    if "train_seconds" in result.provenance:
        out["train_seconds"] = float(result.provenance["train_seconds"])
    out |= {"hidden_rate": float(result["rate"][main].mean()), "synops": float(result["synops"][main].mean())}
    return out


def figure(result, name=None):
    """Figure `name` of `FIGURES` (default: the overview), a matplotlib Figure."""
    from .figures import draw

    return draw("delays", FIGURES, result, name)
