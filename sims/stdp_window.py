"""What a learning rule does to one synapse in the classic pairing protocols: window, frequency, triplets, weight.

Input and output spikes are imposed; lag = output minus input time. Protocols, each from the start weight w0:

    window      n_pairs pairs at `frequency`, one for each lag in -span..span
    frequency   n_pairs pairs at lag +pair_lag and -pair_lag, at frequencies from 0.1 Hz to half of 1 / pair_lag
    triplets    n_pairs times input, output, input (lags +a, -b) and output, input, output (lags -a, +b)
    weight      the window's two sides at pair_lag, over start weights

The weight change is shown for each of the start weights. Any trace rule, your own too.

References: G. Q. Bi & M. M. Poo (1998), J. Neurosci. 18:10464; P. J. Sjostrom, G. G. Turrigiano & S. B. Nelson (2001),
Neuron 32:1149; J. P. Pfister & W. Gerstner (2006), J. Neurosci. 26:9673 (protocols; rules there differ).
"""

from dataclasses import dataclass, replace

from ..plasticity.rules.own import check_name, rule_file
from ..plasticity.rules.trace import RULES
from ..runtime.params import param

__all__ = ["PRESETS", "STDPWindow", "expected", "figure", "simulate", "summary"]

TITLE = "STDP window and pairing protocols of a learning rule"
REFERENCES = "doi:10.1523/JNEUROSCI.18-24-10464.1998; doi:10.1016/S0896-6273(01)00542-6"
FIGURES = ("s1",)


@dataclass
class STDPWindow:
    """Parameters; `start` is an axis."""

    rule: str = param("pair", "learning rule: pair, additive, soft_bound, or your own as FILE.py[:Class]", option=True)
    rule_parameters: str = param("", "parameters of the rule, as name=number,name=number")
    start: tuple[float, ...] = param((0.5,), "weight(s) before", low=0, high=1)
    span: float = param(0.1, "longest lag", "s", above=0)
    n_lags: int = param(101, "lags", low=3)
    n_pairs: int = param(1, "pairs, or triplets, in a row", low=1)
    frequency: float = param(1.0, "of the pairs in the window and of triplets", "Hz", above=0)
    pair_lag: float = param(10e-3, "lag of the pairs in the other protocols", "s", above=0)

    def validate(self):
        """Raise ValueError for a rule that is not there."""
        check_name(self.rule, RULES, self.rule_parameters)


PRESETS = {"pair": STDPWindow(), "sixty": replace(STDPWindow(), n_pairs=60)}


def inputs(params) -> dict:
    """SHA-256 of the user's rule file."""
    from .own_spikes import sha256_of

    file = rule_file(params.rule, RULES)
    return {} if file is None else {"rule": sha256_of(file)}


def _rule(params):
    from ..plasticity.rules.own import find_rule, make_rule
    from ..plasticity.rules.trace import ACTIONS

    return make_rule(find_rule(params.rule, RULES, ACTIONS), {}, params.rule_parameters)


def simulate(params, run):
    """All protocols; nothing is random. Returns a Result."""
    import numpy as np

    from ..plasticity.rules.protocol import paired
    from ..runtime.results import Result

    p, rule = params, _rule(params)

    def change(w, frequency, inputs_at, outputs_at):
        cycle = np.arange(p.n_pairs) / frequency
        before, after = ((cycle[:, None] + np.array(at)).ravel().tolist() for at in (inputs_at, outputs_at))
        return paired(rule, w, before, after) - w

    lags = np.linspace(-p.span, p.span, p.n_lags)
    frequencies = np.geomspace(0.1, 0.5 / p.pair_lag, 31)  # so that pairs do not touch
    sides = (p.pair_lag, -p.pair_lag)
    gaps = np.array([5e-3, 10e-3, 15e-3, 20e-3])
    weights = np.linspace(0, 1, 41)
    r = Result(kind="simulation")
    r.add("start", np.array(p.start), ("start",), "1", "weight before")
    r.add("lag", lags, ("lag",), "s", "output minus input time")
    r.add("frequency", frequencies, ("frequency",), "Hz", "frequency of pairs")
    r.add("side", np.array(sides), ("side",), "s", "lag of the pairs")
    r.add("gap", gaps, ("gap",), "s", "between the spikes of a triplet")
    r.add("weight", weights, ("weight",), "1", "weight before")
    window = [[change(w, p.frequency, [0.0], [lag]) for lag in lags] for w in p.start]
    r.add("window", window, ("start", "lag"), "1", "change by n_pairs pairs")
    by_frequency = [[[change(w, f, [0.0], [s]) for f in frequencies] for s in sides] for w in p.start]
    r.add("by_frequency", by_frequency, ("start", "side", "frequency"), "1", "change by n_pairs pairs")
    ipi = [[change(w, p.frequency, [0.0, 2 * g], [g]) for g in gaps] for w in p.start]
    opo = [[change(w, p.frequency, [g], [0.0, 2 * g]) for g in gaps] for w in p.start]
    r.add("input_output_input", ipi, ("start", "gap"), "1", "change by triplets")
    r.add("output_input_output", opo, ("start", "gap"), "1", "change by triplets")
    by_weight = [[change(w, p.frequency, [0.0], [s]) for w in weights] for s in sides]
    r.add("by_weight", by_weight, ("side", "weight"), "1", "change by n_pairs pairs at pair_lag")
    run.tick(dict, 1.0)
    return r


def expected(params) -> dict[str, float]:
    """Closed form for one pair of the pair rule, away from the bounds."""
    from math import exp

    if params.rule != "pair" or params.n_pairs > 1:
        return {}
    rule, lag = _rule(params), params.pair_lag
    up, down = rule.a_plus * exp(-lag / rule.tau_plus), -rule.a_minus * exp(-lag / rule.tau_minus)
    return {"change_after": up, "change_before": down}


def summary(result) -> dict:
    """Change at +pair_lag and -pair_lag, largest gain and loss in the window, its area (s); first start weight."""
    import numpy as np

    row, window = result["by_frequency"][0], result["window"][0]
    nearest = int(np.argmin(np.abs(np.log(result["frequency"] / result.parameters["frequency"]))))
    return {
        "change_after": float(row[0, nearest]),
        "change_before": float(row[1, nearest]),
        "largest_gain": float(window.max()),
        "largest_loss": float(window.min()),
        "area_s": float(np.trapezoid(window, result["lag"])),
    }


def figure(result, name=None):
    """Window, frequency, triplets and dependence on the weight: four panels."""
    from matplotlib.figure import Figure

    if name not in (None, *FIGURES):
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}")
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
    figure = Figure(figsize=(9.6, 6.0), layout="constrained")
    (window, frequency), (triplets, weight) = figure.subplots(2, 2)
    for i, (w, colour) in enumerate(zip(result["start"], colours, strict=False)):
        label = f"w = {w:g}"
        window.plot(1e3 * result["lag"], result["window"][i], color=colour, label=label)
        for side, style in enumerate(("-", "--")):
            lag = 1e3 * result["side"][side]
            text = f"{label}, lag {lag:+g} ms"
            frequency.plot(result["frequency"], result["by_frequency"][i, side], style, color=colour, label=text)
        triplets.plot(
            1e3 * result["gap"], result["input_output_input"][i], "o-", color=colour, label=f"in out in, {label}"
        )
        triplets.plot(
            1e3 * result["gap"], result["output_input_output"][i], "s--", color=colour, label=f"out in out, {label}"
        )
    for side, (colour, style) in enumerate(((colours[0], "-"), (colours[1], "--"))):
        text = f"lag {1e3 * result['side'][side]:+g} ms"
        weight.plot(result["weight"], result["by_weight"][side], style, color=colour, label=text)
    window.set(xlabel="output minus input time (ms)", ylabel="change of the weight")
    frequency.set(xlabel="frequency of pairs (Hz)", ylabel="change of the weight", xscale="log")
    triplets.set(xlabel="between spikes of a triplet (ms)", ylabel="change of the weight")
    weight.set(xlabel="weight before", ylabel="change of the weight")
    for ax in (window, frequency, triplets, weight):
        ax.axhline(0, color="0.7", lw=0.8, zorder=0)
        ax.legend(frameon=False, fontsize="x-small")
    n = result.parameters["n_pairs"]
    figure.suptitle(f"rule {result.parameters['rule']}, {n} pair{'s' if n > 1 else ''}")
    return figure
