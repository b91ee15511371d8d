"""Theory of one coincidence detector: what a single neuron can know from spikes that come first.

Functions take and return arrays in SI units, and are loaded on first use:

=====================  ======================================================================================
signal_to_noise        snr, snr_min_spikes, snr_dimensionless, selected, response, matched_filter_bound
snr_grid               snr_map (compiled)
optima                 optimum, optimal_tau, snr_limit
noise                  noise_distribution (exact), noise_saddlepoint, noise_gaussian, noise_moments, noise_cumulant
firing                 false_alarm_rate, firing_rate (both exact), siegert_rate
signal                 signal_variance, hit_probability, sensitivity
kernels                double_exponential_peak, _noise, _box; refractory_variance_factor
stdp_drift             mean_drift, w_out_design, w_out_critical, initial_weight
stdp_balance           pair_balance, pair_drift, pair_diffusion, stationary, output_rate, extra_spikes
pattern_design         design, w_out_keep: threshold, first weight and w_out for P patterns
hits_and_alarms        roc (exact false alarms), simulated_roc, threshold_for
recorded               detectability, mean_potential: of a recorded pattern
figures                figure_t1 ... figure_t7
=====================  ======================================================================================
"""

_NAMES = {
    "signal_to_noise": (
        "matched_filter_bound",
        "response",
        "selected",
        "snr",
        "snr_dimensionless",
        "snr_min_spikes",
    ),
    "snr_grid": ("snr_map",),
    "optima": ("BEST_RATIO", "LIMIT_FACTOR", "optimal_tau", "optimum", "snr_limit"),
    "noise": ("noise_cumulant", "noise_distribution", "noise_gaussian", "noise_moments", "noise_saddlepoint"),
    "firing": ("false_alarm_rate", "firing_rate", "siegert_rate"),
    "signal": ("hit_probability", "sensitivity", "signal_variance"),
    "kernels": (
        "double_exponential_box",
        "double_exponential_noise",
        "double_exponential_peak",
        "refractory_variance_factor",
    ),
    "stdp_balance": ("extra_spikes", "output_rate", "pair_balance", "pair_diffusion", "pair_drift", "stationary"),
    "stdp_drift": ("initial_weight", "mean_drift", "w_out_critical", "w_out_design"),
    "pattern_design": ("design", "w_out_keep"),
    "hits_and_alarms": ("roc", "simulated_roc", "threshold_for"),
    "recorded": ("detectability", "mean_potential"),
    "figures": tuple(f"figure_t{i}" for i in range(1, 8)),
}
_LAZY = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_LAZY)


def __getattr__(name):
    from importlib import import_module

    # The files bear other names than the functions: an imported file becomes an attribute of the package, and
    # `theory.snr` must stay the function.
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    if name in _NAMES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, *_NAMES])
