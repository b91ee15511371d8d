"""Speed of layers with delays: 64 samples of 100 steps, delays up to 25 steps, 140 -> 256 -> 256 -> 20.

    w4a    forward pass of each layer, Gaussian bumps of the first epoch (S = 12), 5 % spikes
    w4b    forward and backward passes of the three layers; the first one needs no gradient of its input
    w4c    whole delays, 256 -> 256, 5 % spikes, by the layer and by the buffer of exported layers

Each layer gets spikes of its own and, backwards, real numbers. The making of kernels is part of it. Milliseconds.
``gemm``: billions of multiply-adds a second of a product of 1024 x 1024 float32; ``axpy``: multiply-adds a nanosecond
of rows of 6400 that are added as a spike adds them.
"""

__all__ = ["GOALS", "LAYERS", "MAX_DELAY", "layer_input", "layer_params", "w4a", "w4b", "w4c"]

LAYERS = ((140, 256), (256, 256), (256, 20))
MAX_DELAY = 25
BATCH, STEPS = 64, 100
GOALS = {"140-256": 40.0, "256-256": 70.0, "256-20": 6.0}
GOAL_BOTH, GOAL_WHOLE = 550.0, 30.0


def layer_params(n_in, n_out, width=None, seed=0):
    """Parameters to start with, or those with S = `width`."""
    import numpy as np

    from ..plasticity.layers.dcls import delay_params

    p = delay_params(seed, f"bench/{n_in}-{n_out}", n_in, n_out, MAX_DELAY)
    return p if width is None else {**p, "width": np.asarray(width, np.float32)}


def layer_input(n_in, density=0.05, seed=0, batch=BATCH):
    """Spikes (STEPS, batch, n_in), uint8."""
    import numpy as np

    from ..runtime import rng

    return (rng.uniforms(seed, f"bench/spikes/{n_in}", (STEPS, batch, n_in)) < density).astype(np.uint8)


def _cases(density, algorithm, width):
    """[(name, forward, backward of what forward gives)] of the layers, in training."""
    import numpy as np

    from ..plasticity.layers.delays import delay_backward, delay_forward
    from ..plasticity.layers.pairs import Mode
    from ..runtime import rng

    cases = []
    for i, (n_in, n_out) in enumerate(LAYERS):
        p, x = layer_params(n_in, n_out, width), layer_input(n_in, density)
        options = {"max_delay": MAX_DELAY, "algorithm": algorithm, "input_gradient": i > 0}
        shape = (STEPS + (MAX_DELAY - 1) // 2, BATCH, n_out)
        dy = rng.normals(0, "bench/gradient", shape).astype(np.float32)

        def forward(p=p, x=x, options=options):
            return delay_forward(p, x, Mode(train=True), **options)

        def backward(saved, p=p, dy=dy):
            return delay_backward(p, saved, dy)

        cases.append((f"{n_in}-{n_out}", forward, backward))
    return cases


def w4a(threads=1, repeat=5, density=0.05, algorithm="auto", width=None):
    """Forward passes of the three layers: the value is their sum, the goals are those of each."""
    cases = _cases(density, algorithm, width)
    ways = {f"way {name}": forward()[1].chosen[0] for name, forward, _ in cases}
    times = _milliseconds({name: forward for name, forward, _ in cases}, repeat, threads)
    goal = sum(GOALS.values())
    layers = {name: times[name] for name, _, _ in cases}
    return _row("w4a", sum(layers.values()), goal, threads, goals=GOALS, density=density, **times, **ways)


def w4b(threads=1, repeat=5, density=0.05, algorithm="auto", width=None):
    """Forward and backward passes of the three layers together."""
    cases = _cases(density, algorithm, width)

    def both():
        for _, forward, backward in cases:
            backward(forward()[1])

    ways = {f"ways {name}": ", ".join(forward()[1].chosen) for name, forward, _ in cases}
    saved = {name: forward()[1] for name, forward, _ in cases}
    named = {f"forward {name}": forward for name, forward, _ in cases}
    named |= {f"backward {name}": lambda b=backward, s=saved[name]: b(s) for name, _, backward in cases}
    times = _milliseconds({"both": both} | named, repeat, threads)
    return _row("w4b", times.pop("both"), GOAL_BOTH, threads, density=density, **times, **ways)


def w4c(threads=1, repeat=5, density=0.05):
    """One layer of whole delays: by :func:`.ring.run` (the value) and by the layer's one-tap way."""
    from ..plasticity.layers import ring
    from ..plasticity.layers.dcls import rounded
    from ..plasticity.layers.delays import delay_forward

    p, x = rounded(layer_params(256, 256), MAX_DELAY), layer_input(256, density)
    exported = [ring.export_layer(p, MAX_DELAY, lam=0.005)]
    options = {"max_delay": MAX_DELAY, "version": "triangle"}
    times = {"ring": lambda: ring.run(exported, x), "layer": lambda: delay_forward(p, x, **options)}
    times = _milliseconds(times, repeat, threads)
    synops = int(ring.run(exported, x).synops.sum())
    return _row("w4c", times.pop("ring"), GOAL_WHOLE, threads, density=density, synops=synops, **times)


def _milliseconds(cases, repeat, threads):
    """Median milliseconds of each case, and the references."""
    import numpy as np

    from ..runtime.threads import one_blas_thread
    from .bench import measure

    times = {name: 1e3 * measure(case, repeat, threads)["median_s"] for name, case in cases.items()}
    a = np.ones((1024, 1024), np.float32)
    with one_blas_thread():
        times["gemm"] = 1.024**3 / measure(lambda: a @ a, repeat)["median_s"]
    return times | {"axpy": _axpy(repeat)}


def _axpy(repeat):
    import numpy as np

    from ..plasticity.layers.delays_cpu import scatter
    from .bench import measure

    x, kernels = np.ones((STEPS, 1, 8), np.uint8), np.ones((8, MAX_DELAY, 256), np.float32)
    out = np.empty((STEPS, 1, 256), np.float32)
    return x.size * kernels[0].size / 1e9 / measure(lambda: scatter(x, kernels, 0, 1, out), repeat)["median_s"]


def _row(name, value, goal, threads, **more):
    head = {"workload": name, "value": value, "unit": "ms", "goal": goal, "threads": threads}
    return head | {"higher_is_better": False} | more
