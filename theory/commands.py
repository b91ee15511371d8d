"""The commands ``firstspike theory snr|optimum|noise|firing|map|design|roc``: parameters in, a table or JSON out.

Every number is SI in JSON and carries its unit in the table. Only click and the parameter classes are imported until a
command runs.
"""

import json
from pathlib import Path

import click

from ..runtime import params as parameters
from .params import Design, Detector, Map, Noise, Patterns, Threshold

__all__ = ["COMMANDS", "COMPUTED"]

_MILLI = {"s": 1e3}


def _settings(pairs):
    out = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise click.UsageError(f"--set needs KEY=VALUE, got {pair!r}")
        out[key.strip()] = value.strip()
    return out


def _epilog(name, default, example):
    rows = parameters.describe(default)
    wide = max(len(row[0]) for row in rows)
    lines = ["\b", "Parameters (--set):"]
    lines += [f"  {key:<{wide}}  {text} [{value}]" for key, value, text, _ in rows]
    return "\n".join([*lines, "", "\b", "Example:", f"  firstspike theory {name} {example}"])


def _write(figure, path):
    try:
        figure.savefig(path)
    except ValueError as error:  # an ending that matplotlib does not know
        raise click.UsageError(f"--figure: {error}") from None
    click.echo(f"figure: {path}", err=True)


def _table(rows):
    """Aligned lines from (name, value, unit, explanation); times in ms."""
    cells = []
    for name, value, unit, text in rows:
        scale = _MILLI.get(unit, 1.0)
        shown = str(value) if isinstance(value, (bool, int, str)) else f"{value * scale:.6g}"
        cells.append((name, shown, "ms" if unit in _MILLI else ("" if unit == "1" else unit), text))
    wide = [max(len(cell[i]) for cell in cells) for i in range(3)]
    return "\n".join(f"{n:<{wide[0]}}  {v:>{wide[1]}} {u:<{wide[2]}}  {t}".rstrip() for n, v, u, t in cells)


def _command(name, text, draw, example):
    """A command of the group; `draw(params)` gives the figure."""
    default, compute = COMPUTED[name]

    def callback(settings, figure, as_json, dry_run):
        chosen = parameters.update(default, _settings(settings))
        if dry_run:
            shown = parameters.as_dict(chosen)
            lines = "\n".join(f"{row[0]}={row[1]}" for row in parameters.describe(chosen))
            click.echo(json.dumps(shown) if as_json else lines)
            return
        rows = compute(chosen)
        if as_json:
            click.echo(json.dumps({row[0]: row[1] for row in rows}))
        else:
            click.echo(_table(rows))
        if figure:
            _write(draw(chosen), figure)

    options = [
        click.Option(
            ["--set", "settings"], multiple=True, metavar="KEY=VALUE", help="One parameter; 10ms, 5Hz allowed."
        ),
        click.Option(
            ["--figure"], type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png", help="Draw it."
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document, in SI units."),
        click.Option(["--dry-run"], is_flag=True, help="Print the parameters and stop."),
    ]
    return click.Command(
        name,
        callback=callback,
        params=options,
        help=text,
        short_help=text.split("\n")[0],
        epilog=_epilog(name, default, example),
    )


# --- snr ---------------------------------------------------------------------------------------------------------


def _snr(p):
    from .signal_to_noise import snr

    got = snr(p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.jitter)
    explained = {
        "n_selected": ("1", "afferents with a spike in the window of a pattern: they get a synapse"),
        "v_noise_mean": ("1", "mean potential under random input, in weights"),
        "v_noise_std": ("1", "its standard deviation"),
        "v_max_normalised": ("1", "peak of the filtered window, 0 to 1"),
        "v_max": ("1", "mean peak of the potential in a pattern"),
        "t_peak": ("s", "time of the peak after the start of the window"),
        "snr": ("1", "(v_max - v_noise_mean) / v_noise_std"),
    }
    return [(key, float(getattr(got, key)), unit, text) for key, (unit, text) in explained.items()]


def _draw_snr(p):
    from .figures import figure_t1

    return figure_t1(p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.jitter)


# --- optimum -----------------------------------------------------------------------------------------------------


def _optimum(p):
    from .optima import optimum

    best = optimum(p.n_afferents, p.rate, p.n_patterns, p.jitter, p.pattern_duration)
    limit = bool(best.is_limit)
    text = "limit for window -> 0: without jitter there is no best window" if limit else "signal-to-noise ratio there"
    return [
        ("window", float(best.window), "s", "best part of each pattern"),
        ("tau_m", float(best.tau_m), "s", "best membrane time constant"),
        ("snr", float(best.snr), "1", text),
        ("is_limit", limit, "1", "whether snr is a supremum that no window reaches"),
    ]


def _draw_optimum(p):
    from .figures import figure_t3, figure_t4

    if p.n_patterns == 1:
        return figure_t3(p.n_afferents, 1, p.pattern_duration)
    return figure_t4(p.n_afferents, p.rate, p.jitter, p.pattern_duration, max(100, p.n_patterns))


# --- noise, firing -----------------------------------------------------------------------------------------------


def _shot(p):
    """(a, threshold, number of selected afferents) of the parameters."""
    from .signal_to_noise import selected

    m = float(selected(p.n_afferents, p.rate, p.window, p.n_patterns))
    if p.a is not None:
        m = p.a / (p.tau_m * p.rate)
    a = p.tau_m * p.rate * m
    return a, a + 4 * (a / 2) ** 0.5 if p.threshold is None else p.threshold, m


def _noise(p):
    from .noise import noise_distribution, noise_gaussian, noise_saddlepoint

    a, threshold, _ = _shot(p)
    exact, near, gauss = (law(threshold, a) for law in (noise_distribution, noise_saddlepoint, noise_gaussian))
    return [
        ("a", a, "1", "tau_m * rate * n_selected = mean potential, in weights"),
        ("v_noise_std", (a / 2) ** 0.5, "1", "standard deviation, sqrt(a / 2)"),
        ("skewness", (8 / 9 / a) ** 0.5, "1", "0 for a Gaussian"),
        ("excess_kurtosis", 1 / a, "1", "0 for a Gaussian"),
        ("threshold", threshold, "1", "where the following are taken"),
        ("density", float(exact.density), "1", "exact"),
        ("cdf", float(exact.cdf), "1", "share of time at or below the threshold, exact"),
        ("tail", float(exact.tail), "1", "share of time above, exact"),
        ("tail_saddlepoint", float(near.tail), "1", "saddlepoint approximation"),
        ("tail_gaussian", float(gauss.tail), "1", "Gaussian approximation"),
    ]


def _firing(p):
    from .firing import false_alarm_rate, firing_rate, siegert_rate

    a, threshold, m = _shot(p)
    crossings = float(false_alarm_rate(threshold, m, p.rate, p.tau_m))
    rate = float(firing_rate(threshold, m, p.rate, p.tau_m))
    return [
        ("a", a, "1", "tau_m * rate * n_selected = mean potential, in weights"),
        ("threshold", threshold, "1", "in weights"),
        ("false_alarm_rate", crossings, "Hz", "upward crossings without reset, exact"),
        ("firing_rate", rate, "Hz", "spikes of a neuron that is reset to 0, exact"),
        ("siegert_rate", float(siegert_rate(threshold, m, p.rate, p.tau_m)), "Hz", "diffusion approximation of it"),
        ("cluster_size", crossings / rate if rate > 0 else 1.0, "1", "crossings per spike"),
    ]


def _draw_noise(p):
    from .figures import figure_t5

    return figure_t5(p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.a)


# --- map ---------------------------------------------------------------------------------------------------------


def _map(p):
    import numpy as np

    from .optima import optimum
    from .snr_grid import snr_map

    windows, taus = np.geomspace(*p.window_range, p.n_points), np.geomspace(*p.tau_m_range, p.n_points)
    ratio = snr_map(p.n_afferents, p.rate, windows, taus, p.n_patterns, p.jitter)
    i, j = np.unravel_index(np.argmax(ratio), ratio.shape)
    best = optimum(p.n_afferents, p.rate, p.n_patterns, p.jitter, p.window_range[1])
    return [
        ("n_points", int(ratio.size), "1", "points of the map"),
        ("window", float(windows[j]), "s", "best window on the map"),
        ("tau_m", float(taus[i]), "s", "best time constant on the map"),
        ("snr", float(ratio[i, j]), "1", "largest signal-to-noise ratio on the map"),
        ("optimum_window", float(best.window), "s", "best window of at most the longest of the map"),
        ("optimum_tau_m", float(best.tau_m), "s", "and its time constant"),
        ("optimum_snr", float(best.snr), "1", "and their ratio"),
    ]


def _draw_map(p):
    from .figures import figure_t2

    ranges = p.window_range, p.tau_m_range
    return figure_t2(p.n_afferents, (p.rate,), (p.jitter,), p.n_patterns, ranges, min(p.n_points, 400))


# --- design, roc ------------------------------------------------------------------------------------------------------


def _designed(p):
    return dict(margin=p.margin, d0=p.start_distance, a_plus=p.a_plus, tau_plus=p.tau_plus)


def _design(p):
    from .pattern_design import design

    d = design(p.n_afferents, p.rate, p.n_patterns, p.jitter, p.pattern_duration, **_designed(p))
    explained = {
        "window": ("s", "best part of each pattern"),
        "tau_m": ("s", "best membrane time constant"),
        "snr": ("1", "signal-to-noise ratio there"),
        "n_selected": ("1", "afferents of the ideal detector: the weights near 1 after learning"),
        "n_w_pattern": ("1", "spikes of one pattern that reach them"),
        "v_max": ("1", "mean peak of the potential in a pattern, in weights"),
        "threshold": ("1", "v_max / margin"),
        "hit": ("1", "presentations whose peak reaches it, for a random pattern"),
        "false_alarm_rate": ("Hz", "crossings of it in noise, exact"),
        "initial_weight": ("1", "common first weight"),
        "w_out_critical": ("1", "A f tau_plus: below, noise strengthens every weight"),
        "w_out_keep": ("1", "above, the window's first afferents lose weight"),
        "w_out_design": ("1", "A exp(-window / tau_plus): one pattern, no other input in the trace"),
        "w_out": ("1", "advised for soft bounds: just above critical"),
    }
    return [(key, float(getattr(d, key)), unit, text) for key, (unit, text) in explained.items()]


def _draw_design(p):
    from .figures import figure_t7

    return figure_t7(p.n_afferents, p.rate, p.jitter, p.pattern_duration, max(60, p.n_patterns), **_designed(p))


def _roc(p):
    from .hits_and_alarms import roc, threshold_for
    from .signal import sensitivity, signal_variance
    from .signal_to_noise import snr

    model = p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.jitter
    known, spread = snr(*model), signal_variance(*model)
    threshold = float(known.v_max) / 1.1 if p.threshold is None else p.threshold
    rare = threshold_for(1 / 3600, *model)
    at = roc([threshold, rare], *model)
    d_a = sensitivity(known.v_max, known.v_noise_mean, known.v_noise_std, spread.trials)
    return [
        ("threshold", threshold, "1", "in weights"),
        ("hit", float(at.hit[0]), "1", "presentations of a pattern whose mean peak is v_max"),
        ("hit_random", float(at.hit_random[0]), "1", "the same over random patterns"),
        ("crossings", float(at.crossings[0]), "Hz", "of the threshold in noise without reset, exact"),
        ("firing", float(at.firing[0]), "Hz", "in noise with reset, exact; 0: crossings below 1e-15 Hz"),
        ("threshold_hour", rare, "1", "threshold that noise crosses once an hour"),
        ("hit_hour", float(at.hit_random[1]), "1", "hits of random patterns there"),
        ("snr", float(known.snr), "1", "(v_max - mean) / std: d' with the noise's variance"),
        ("d_a", float(d_a), "1", "d' with the mean of both variances"),
    ]


def _draw_roc(p):
    from .figures import figure_t6

    model = p.n_afferents, p.rate, p.window, p.tau_m, p.n_patterns, p.jitter
    return figure_t6(*model, threshold=_roc(p)[0][1], n_presentations=p.n_presentations, seed=p.seed)


#: command -> (default parameters, function of parameters that gives (name, value, unit, explanation) rows)
COMPUTED = {
    "snr": (Detector(), _snr),
    "optimum": (Patterns(), _optimum),
    "noise": (Noise(), _noise),
    "firing": (Noise(), _firing),
    "map": (Map(), _map),
    "design": (Design(), _design),
    "roc": (Threshold(), _roc),
}
COMMANDS: dict[str, click.Command] = {
    "snr": _command(
        "snr",
        "Signal-to-noise ratio of a coincidence detector.\n\nThe detector has a synapse with every afferent that fires "
        "in the window of a pattern. --figure draws its potential.",
        _draw_snr,
        "--set n_patterns=5 --set window=11ms --set tau_m=8.9ms",
    ),
    "optimum": _command(
        "optimum",
        "Best window and time constant.\n\n--figure draws them over rate and jitter for one pattern, over the number "
        "of patterns for several.",
        _draw_optimum,
        "--set n_patterns=5 --set jitter=3.2ms",
    ),
    "noise": _command(
        "noise",
        "Distribution of the potential under random input.\n\nDensity and tail at a threshold, exact and approximate; "
        "--figure draws the tail.",
        _draw_noise,
        "--set a=40 --set threshold=60",
    ),
    "firing": _command(
        "firing",
        "False alarms and firing rate under random input.\n\nExact rates at a threshold beside the diffusion "
        "approximation; --figure draws them.",
        _draw_noise,
        "--set a=40 --set threshold=60",
    ),
    "map": _command(
        "map",
        "Signal-to-noise ratio over window and time constant.\n\nPrints the best point of the map and the optimum; "
        "--figure draws the map.",
        _draw_map,
        "--set rate=10Hz --set jitter=1ms --figure map.png",
    ),
    "design": _command(
        "design",
        "Threshold, first weight and w_out for any number of patterns.\n\nClosed forms at the best window and time "
        "constant; --figure draws them over the number of patterns.",
        _draw_design,
        "--set n_patterns=10",
    ),
    "roc": _command(
        "roc",
        "Hits against false alarms over the threshold.\n\nFalse alarms are exact; --figure draws theory beside a "
        "simulation.",
        _draw_roc,
        "--set n_patterns=40 --set window=3.7ms --set tau_m=5.1ms --figure roc.png",
    ),
}
