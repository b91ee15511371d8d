"""Figures of the theory, T1 to T7, made from its own functions; every one returns a matplotlib Figure.

t1: potential of an ideal detector over noise and one pattern; t2: SNR over window and time constant; t3: the optimum
over rate and jitter; t4: the optimum over the number of patterns; t5: tails and false alarms, exact and approximate;
t6: hits and false alarms over the threshold, theory and simulation; t7: threshold, first weight and w_out over the
number of patterns.
Colours are those of Okabe & Ito and of the map "cividis": told apart with any colour vision.
"""

import numpy as np

from ..runtime.rng import uniforms
from .firing import false_alarm_rate, firing_rate, siegert_rate
from .hits_and_alarms import roc, simulated_roc
from .noise import noise_distribution, noise_gaussian, noise_saddlepoint
from .optima import optimum
from .pattern_design import design
from .signal import signal_variance
from .signal_to_noise import selected, snr
from .snr_grid import snr_map

__all__ = ["figure_t1", "figure_t2", "figure_t3", "figure_t4", "figure_t5", "figure_t6", "figure_t7", "snr_panel"]

BLUE, ORANGE, GREEN, VERMILION, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "0.5"
_MAP = "cividis"


def _figure(width, height):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=110)


def _clean(axes):
    axes.spines[["top", "right"]].set_visible(False)


def _plain_ticks(axis):
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())


# --- T1 ----------------------------------------------------------------------------------------------------------


def _ideal_input(n_afferents, rate, window, n_patterns, duration, start, seed):
    """Times and afferents of the input; those selected for the window of this and of the other patterns."""
    n = round(n_afferents * rate * duration)  # nearly always within 1 % of a Poisson number
    times = np.sort(duration * uniforms(seed, "theory-times", n))
    owner = (n_afferents * uniforms(seed, "theory-afferents", n)).astype(np.int64)
    is_selected = np.zeros(n_afferents, dtype=bool)
    is_selected[owner[(times >= start) & (times < start + window)]] = True
    others = -np.expm1(-(n_patterns - 1) * rate * window)
    is_selected |= uniforms(seed, "theory-others", n_afferents) < others
    return times, owner, is_selected


def figure_t1(n_afferents=10_000, rate=3.2, window=23e-3, tau_m=18e-3, n_patterns=1, jitter=3.2e-3, seed=0):
    """V(t) of one ideal detector: random input, in it one presentation of a pattern; mean, std and mean peak as lines.

    One frozen pattern is drawn: its own peak scatters around the mean over patterns.
    """
    expected = snr(n_afferents, rate, window, tau_m, n_patterns, jitter)
    duration = max(0.4, 6 * (window + tau_m))
    start, warm_up = 0.5 * duration, 8 * tau_m
    arguments = n_afferents, rate, window, n_patterns, duration + warm_up, start + warm_up, seed
    times, owner, is_selected = _ideal_input(*arguments)
    times = times - warm_up + jitter * (2 * uniforms(seed, "theory-lags", times.size) - 1)
    used = np.sort(times[is_selected[owner]])
    t = np.linspace(0, duration, 4000)
    # V(t) = sum of exp(-(t - t_k) / tau) over the spikes before t, in one running sum of exp(t_k / tau)
    sums = np.concatenate([[0.0], np.cumsum(np.exp((used + warm_up) / tau_m - 40))])
    v = sums[np.searchsorted(used, t, side="right")] * np.exp(40 - (t + warm_up) / tau_m)
    figure = _figure(7.2, 3.6)
    ax = figure.subplots()
    ax.axvspan(1e3 * start, 1e3 * (start + window), color=ORANGE, alpha=0.3, lw=0, label="window of the pattern")
    mean, std = expected.v_noise_mean, expected.v_noise_std
    ax.axhspan(mean - std, mean + std, color=GREY, alpha=0.35, lw=0, label=r"noise: mean $\pm$ std")
    ax.axhline(mean, color="k", lw=0.8, ls=":")
    ax.axhline(expected.v_max, color=VERMILION, lw=1.2, ls="--", label=r"$V_{max}$: mean peak, theory")
    ax.plot(1e3 * t, v, color=BLUE, lw=0.9, label="$V(t)$, one draw")
    ax.set(
        xlim=(0, 1e3 * duration),
        ylim=(0, 1.3 * max(expected.v_max, v.max())),
        xlabel="time (ms)",
        ylabel="potential (weights)",
        title=f"Ideal detector: SNR {expected.snr:.1f}, {expected.n_selected:.0f} of {n_afferents} afferents selected",
    )
    ax.legend(loc="upper left", ncols=2, frameon=False, fontsize=8)
    _clean(ax)
    return figure


# --- T2 ----------------------------------------------------------------------------------------------------------


def snr_panel(ax, windows, taus, ratio, a, limit, best):
    """One map of the ratio (n_tau, n_window), its optimum as a cross; grey where a = tau f M < 10."""
    from matplotlib.patheffects import withStroke

    mesh = ax.pcolormesh(1e3 * windows, 1e3 * taus, ratio, cmap=_MAP, vmin=0, vmax=limit, rasterized=True)
    ax.contour(1e3 * windows, 1e3 * taus, ratio, levels=np.arange(10, 100, 10), colors="w", linewidths=0.5, alpha=0.7)
    if (a < 10).any():
        ax.contourf(1e3 * windows, 1e3 * taus, a, levels=[0, 10], colors=["0.8"], alpha=0.8)
        ax.contour(1e3 * windows, 1e3 * taus, a, levels=[10], colors="k", linewidths=1)
    x, y = float(best.window), float(best.tau_m)
    if windows[0] <= x <= windows[-1] and taus[0] <= y <= taus[-1]:
        left = x > np.sqrt(windows[0] * windows[-1])
        ax.plot(1e3 * x, 1e3 * y, "+", color=VERMILION, ms=11, mew=2.2)
        halo = [withStroke(linewidth=2, foreground="w", alpha=0.7)]
        place = dict(
            path_effects=halo,
            xytext=(-9 if left else 9, -3),
            textcoords="offset points",
            ha="right" if left else "left",
        )
        ax.annotate(f"{1e3 * x:.3g}, {1e3 * y:.3g} ms", (1e3 * x, 1e3 * y), fontsize=8, **place)
    ax.set(xscale="log", yscale="log")
    _plain_ticks(ax.xaxis)
    _plain_ticks(ax.yaxis)
    return mesh


def figure_t2(n_afferents=10_000, rates=(1.0, 10.0), jitters=(1e-3, 10e-3), n_patterns=1, ranges=None, n_points=200):
    """SNR over window and time constant; one panel for each rate and jitter, optimum (cross), contour a = 10.

    Parameters
    ----------
    n_afferents, n_patterns : int
        N, P.
    rates, jitters : sequence
        Rows (Hz) and columns (s) of panels.
    ranges : pair of pairs, optional
        First and last window and time constant, s; 1 to 100 ms.
    n_points : int
        On each axis.
    """
    (w0, w1), (t0, t1) = ranges or ((1e-3, 0.1), (1e-3, 0.1))
    windows, taus = np.geomspace(w0, w1, n_points), np.geomspace(t0, t1, n_points)
    maps = {(f, j): snr_map(n_afferents, f, windows, taus, n_patterns, j) for f in rates for j in jitters}
    limit = max(m.max() for m in maps.values())
    figure = _figure(2.0 + 3.0 * len(jitters), 0.9 + 2.7 * len(rates))
    axes = figure.subplots(len(rates), len(jitters), squeeze=False, sharex=True, sharey=True)
    for (f, j), ax in zip(maps, axes.flat, strict=True):
        best = optimum(n_afferents, f, n_patterns, j, w1)
        a = taus[:, None] * f * selected(n_afferents, f, windows, n_patterns)
        mesh = snr_panel(ax, windows, taus, maps[f, j], a, limit, best)
        ax.set_title(f"$f$ = {f:g} Hz, $T$ = {1e3 * j:g} ms    best {best.snr:.1f}", fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel(r"window $\Delta t$ (ms)")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"time constant $\tau$ (ms)")
    figure.colorbar(mesh, ax=axes, label="signal-to-noise ratio", shrink=0.85)
    patterns = "one pattern" if n_patterns == 1 else f"{n_patterns} patterns"
    note = "grey: fewer than 10 input spikes per time constant"
    figure.suptitle(f"SNR of {patterns}, N = {n_afferents}\n{note}", fontsize=10)
    return figure


# --- T3, T4 ------------------------------------------------------------------------------------------------------


def figure_t3(n_afferents=10_000, n_patterns=1, pattern_duration=0.1, n_points=41):
    """Best window, time constant and their SNR over rate (0.1 to 10 Hz) and jitter (1 to 10 ms)."""
    rate, jitter = np.geomspace(0.1, 10, n_points), np.geomspace(1e-3, 10e-3, n_points)
    best = optimum(n_afferents, rate, n_patterns, jitter[:, None], pattern_duration)
    figure = _figure(10.5, 3.4)
    names = r"best window $\Delta t^*$ (ms)", r"best time constant $\tau^*$ (ms)", "SNR at the optimum"
    levels = ([5, 10, 20, 40, 60, 80], [5, 10, 20, 40, 60], [65, 70, 75, 80, 85, 88])
    for ax, name, lines, z in zip(
        figure.subplots(1, 3, sharey=True), names, levels, (1e3 * best.window, 1e3 * best.tau_m, best.snr), strict=True
    ):
        mesh = ax.pcolormesh(rate, 1e3 * jitter, z, cmap=_MAP, rasterized=True, shading="gouraud")
        contour = ax.contour(rate, 1e3 * jitter, z, levels=lines, colors="w", linewidths=0.8)
        ax.clabel(contour, fontsize=7, fmt="%g")
        ax.set(xscale="log", yscale="log", xlabel="rate $f$ (Hz)", title=name)
        _plain_ticks(ax.xaxis)
        _plain_ticks(ax.yaxis)
        figure.colorbar(mesh, ax=ax)
        if name is names[0]:
            ax.set_ylabel("jitter $T$ (ms)")
            bound = ax.contour(rate, 1e3 * jitter, z, levels=[990 * pattern_duration], colors=VERMILION)
            ax.clabel(bound, fontsize=7, fmt="whole pattern")
    return figure


def figure_t4(n_afferents=10_000, rate=3.2, jitter=3.2e-3, pattern_duration=0.1, most=100):
    """Best window, time constant, SNR and share of selected afferents over the number of patterns, 1 to `most`."""
    patterns = np.arange(1, most + 1)
    marks = np.array([p for p in (1, 2, 5, 10, 20, 40) if p <= most])
    best = optimum(n_afferents, rate, patterns, jitter, pattern_duration)
    share = selected(n_afferents, rate, best.window, patterns) / n_afferents if jitter > 0 else np.zeros(most)
    figure = _figure(9.0, 3.3)
    left, middle, right = figure.subplots(1, 3)
    left.plot(patterns, 1e3 * best.window, color=BLUE, label=r"window $\Delta t^*$")
    left.plot(patterns, 1e3 * best.tau_m, color=ORANGE, ls="--", label=r"time constant $\tau^*$")
    left.plot(marks, 1e3 * best.window[marks - 1], "o", color=BLUE, ms=4)
    left.plot(marks, 1e3 * best.tau_m[marks - 1], "s", color=ORANGE, ms=4)
    left.set(ylabel="ms", title="Best window and time constant")
    left.legend(frameon=False)
    middle.plot(patterns, best.snr, color=GREEN)
    middle.plot(marks, best.snr[marks - 1], "o", color=GREEN, ms=4)
    for p in marks:
        middle.annotate(f"{best.snr[p - 1]:.1f}", (p, best.snr[p - 1]), (4, 3), textcoords="offset points", fontsize=7)
    middle.set(ylabel="signal-to-noise ratio", title="SNR at the optimum", ylim=(0, None))
    right.plot(patterns, 100 * share, color=VERMILION)
    right.plot(marks, 100 * share[marks - 1], "o", color=VERMILION, ms=4)
    right.set(ylabel="selected afferents $M/N$ (%)", title="Afferents with a synapse", ylim=(0, None))
    for ax in (left, middle, right):
        ax.set(xscale="log", xlabel="number of patterns $P$")
        _plain_ticks(ax.xaxis)
        _clean(ax)
    return figure


# --- T5 ----------------------------------------------------------------------------------------------------------


def figure_t5(n_afferents=10_000, rate=3.2, window=23e-3, tau_m=18e-3, n_patterns=1, a=None, n_points=33):
    """Tail of V and rates of crossing and firing, from the mean to 8 std above it: exact and approximate.

    `a` = tau f M may be given in place of the detector it is computed from (at most 200).
    """
    if a is None:
        a = float(tau_m * rate * selected(n_afferents, rate, window, n_patterns))
    m = a / (tau_m * rate)
    std = np.sqrt(a / 2)
    sigmas = np.linspace(0, 8, n_points)
    threshold = a + sigmas * std
    figure = _figure(9.0, 3.9)
    left, right = figure.subplots(1, 2)
    fine = np.linspace(0, 8, 161)
    for law, colour, style, name in (
        (noise_distribution, BLUE, "-", "exact"),
        (noise_saddlepoint, ORANGE, "--", "saddlepoint"),
        (noise_gaussian, VERMILION, ":", "Gaussian"),
    ):
        left.semilogy(fine, law(a + fine * std, a).tail, color=colour, ls=style, lw=1.8, label=name)
    left.set(ylabel=r"$\Pr(V > \theta)$", title="Share of the time above the threshold", ylim=(1e-16, 1))
    crossing = false_alarm_rate(a + fine * std, m, rate, tau_m)
    gaussian = (a + fine * std) * noise_gaussian(a + fine * std, a).density / tau_m
    right.semilogy(fine, crossing, color=BLUE, lw=1.8, label="crossings, exact")
    right.semilogy(fine, gaussian, color=VERMILION, ls=":", lw=1.8, label="crossings, Gaussian density")
    on_grid = np.round(50 * threshold) / 50  # three times faster than between the points of its grid
    exact = firing_rate(on_grid, m, rate, tau_m)
    right.semilogy((on_grid - a) / std, exact, color=GREEN, lw=1.8, label="firing with reset, exact")
    right.semilogy(sigmas, siegert_rate(threshold, m, rate, tau_m), color=PURPLE, ls="-.", label="firing, Siegert")
    right.set(ylabel="rate (Hz)", title="False alarms", ylim=(1e-13, 10 * crossing.max()))
    right.axhline(1 / 86400, color=GREY, lw=0.8)
    right.text(0.05, 1.5 / 86400, "one a day", fontsize=8, color=GREY)
    for ax in (left, right):
        ax.set_xlabel(r"threshold: standard deviations above the mean")
        ax.legend(frameon=False, fontsize=8)
        _clean(ax)
    figure.suptitle(f"Random input, $a = \\tau f M$ = {a:.4g} (mean {a:.4g}, std {std:.3g})", fontsize=10)
    return figure


# --- T6, T7 ------------------------------------------------------------------------------------------------------


def figure_t6(
    n_afferents=10_000, rate=3.2, window=3.7e-3, tau_m=5.1e-3, n_patterns=40, jitter=3.2e-3, threshold=None,
    n_presentations=500, seed=0,
):  # fmt: skip
    """Hits and false alarms over the threshold, and one against the other: lines of theory, points of a simulation.

    `threshold` (in weights), if given, is marked.
    """
    model = n_afferents, rate, window, tau_m, n_patterns, jitter
    known, spread = snr(*model), signal_variance(*model)
    std = float(np.sqrt(spread.trials + spread.patterns))
    low = known.v_noise_mean + 1.5 * known.v_noise_std
    theta = np.unique(np.round(50 * np.linspace(low, max(known.v_max + 3 * std, low + 6 * known.v_noise_std), 31)) / 50)
    theory = roc(theta, *model)
    points = np.linspace(low, known.v_max + 3 * std, 13)
    found = simulated_roc(points, *model, n_presentations=n_presentations, n_spikes=1_000_000, seed=seed)
    figure = _figure(11.5, 3.7)
    left, middle, right = figure.subplots(1, 3)
    left.plot(theta, theory.hit, color=BLUE, label="pattern with the mean peak, theory")
    left.plot(theta, theory.hit_random, color=ORANGE, ls="--", label="random pattern, theory")
    left.plot(points, found.hit_at_peak, "o", color=ORANGE, ms=4, label="random pattern, simulated")
    left.plot(points, found.hit, "^", color=GREEN, ms=4, mfc="none", label="the same, largest V, simulated")
    left.set(ylabel="share of presentations", title="Hits", ylim=(-0.02, 1.02))
    middle.semilogy(theta, theory.crossings, color=BLUE, label="crossings, exact")
    middle.semilogy(theta, theory.firing, color=GREEN, ls="--", label="firing with reset, exact")
    for rates, mark, colour in ((found.crossings, "o", BLUE), (found.firing, "s", GREEN)):
        seen = rates > 0
        middle.semilogy(points[seen], rates[seen], mark, color=colour, ms=4, label="simulated", mfc="none")
    middle.axhline(1 / 3600, color=GREY, lw=0.8)
    middle.text(theta[-1], 1.5 / 3600, "one an hour", fontsize=8, color=GREY, ha="right")
    middle.set(ylabel="rate in noise (Hz)", title="False alarms", ylim=(1e-9, None))
    some = theory.firing > 1e-9
    right.semilogx(theory.firing[some], theory.hit[some], color=BLUE, label="pattern with the mean peak")
    right.semilogx(theory.firing[some], theory.hit_random[some], color=ORANGE, ls="--", label="random pattern")
    right.set(xlabel="false alarms (Hz)", ylabel="hits", title="Hits against false alarms", ylim=(0, 1.02))
    for ax in (left, middle):
        ax.set_xlabel("threshold (weights)")
        if threshold is not None:
            ax.axvline(threshold, color=VERMILION, lw=1)
    for ax in (left, middle, right):
        ax.legend(frameon=False, fontsize=7)
        _clean(ax)
    figure.suptitle(
        f"SNR {known.snr:.1f}: {known.n_selected:.0f} of {n_afferents} afferents, $P$ = {n_patterns}", fontsize=10
    )
    return figure


def figure_t7(n_afferents=10_000, rate=3.2, jitter=3.2e-3, pattern_duration=0.1, most=60, **settings):
    """Threshold and potentials, first weight, and the room for w_out over the number of patterns, 1 to `most`.

    `settings` go to :func:`design`.
    """
    patterns = np.arange(1, most + 1)
    d = design(n_afferents, rate, patterns, jitter, pattern_duration, **settings)
    figure = _figure(10.5, 3.5)
    left, middle, right = figure.subplots(1, 3)
    noise = d.v_noise_mean - 4 * d.v_noise_std, d.v_noise_mean + 4 * d.v_noise_std
    left.fill_between(patterns, *noise, color=GREY, alpha=0.4, lw=0, label=r"noise: mean $\pm$ 4 std")
    left.plot(patterns, d.v_max, color=BLUE, label="$V_{max}$")
    left.plot(patterns, d.threshold, color=VERMILION, ls="--", label=r"threshold $\theta$")
    left.set(ylabel="potential (weights)", title="Threshold", ylim=(0, None))
    middle.plot(patterns, d.initial_weight, color=BLUE, label="first weight $w_0$")
    middle.plot(patterns, d.n_selected / n_afferents, color=ORANGE, ls="--", label="final share of weights $M/N$")
    middle.plot(patterns, d.hit, color=GREEN, ls=":", label="hit, random pattern")
    middle.set(title="Weights and hits", ylim=(0, 1.02))
    unit = d.w_out_critical
    right.fill_between(patterns, 1, d.w_out_keep / unit, color=GREEN, alpha=0.2, lw=0, label="first afferents kept")
    right.plot(patterns, d.w_out_keep / unit, color=GREEN)
    right.axhline(1, color=VERMILION, label=r"critical: $A_+ f \tau_+$")
    right.plot(patterns, d.w_out / unit, color="k", ls="--", label="advised")
    right.set(ylabel=r"$w_{out}$ / $A_+ f \tau_+$", title="Room for $w_{out}$", yscale="log")
    _plain_ticks(right.yaxis)
    for ax in (left, middle, right):
        ax.set(xscale="log", xlabel="number of patterns $P$")
        _plain_ticks(ax.xaxis)
        ax.legend(frameon=False, fontsize=8)
        _clean(ax)
    return figure
