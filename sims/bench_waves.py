"""Speed of the latency-coded network with two layers: inference, and learning of each layer, image after image.

Images are random pen strokes of 28 x 28 pixels, coded into 15 steps (2 maps, about 300 spikes); weights are spread as
after convergence, most near 0 and some near 1. All is measured from the time maps on, through the public functions,
nothing kept from one image to the next: learning of layer 2 includes the forward pass of layer 1.
"""

__all__ = ["digit_like", "network", "trained_like", "w2c"]

N_STEPS = 15
GOALS = {"inference": 4000, "stdp1": 8000, "stdp2": 4000}
SHARES = (0.35, 0.06)  # of the weights near 1


def digit_like(n, seed=0, size=28):
    """uint8 images (n, size, size): two joined arcs drawn with a soft pen, about a fifth of the pixels lit."""
    import numpy as np

    from ..runtime import rng

    corners = 5 + (size - 11) * rng.uniforms(seed, "bench/strokes", (n, 4, 1, 2))
    s = np.linspace(0, 1, 30)[:, None]
    grid = np.stack(np.mgrid[:size, :size], -1).reshape(-1, 1, 2)
    out = np.zeros((n, size * size))
    for image, c in zip(out, corners, strict=True):
        arcs = [(1 - s) ** 2 * c[i] + 2 * s * (1 - s) * c[i + 1] + s**2 * c[i + 2] for i in (0, 1)]
        distance2 = ((grid - np.concatenate(arcs)) ** 2).sum(-1).min(-1)
        image[:] = np.exp(-((distance2 / 4) ** 2))
    return (255 * np.where(out < 0.08, 0, out)).astype(np.uint8).reshape(n, size, size)


def trained_like(shape, share, seed, name):
    """Weights (F, C, KH, KW) float32: `share` of them in 0.95..1, the others in 0..0.05."""
    import numpy as np

    from ..runtime import rng

    chosen = rng.uniforms(seed, f"{name}/which", shape) < share
    return (0.05 * rng.uniforms(seed, f"{name}/value", shape) + np.where(chosen, 0.95, 0)).astype(np.float32)


def network(n_images, seed=0):
    """The network with its weights set, images, and their time maps."""
    from ..plasticity.learners.sdnn import SDNN

    net = SDNN()
    shapes = (32, 2, 5, 5), (150, 32, 2, 2)
    pairs = zip(shapes, SHARES, strict=True)
    net.set_weights([trained_like(shape, share, seed, f"bench/{shape}") for shape, share in pairs])
    images = digit_like(n_images, seed)
    return net, images, net.encode(images)


def w2c(threads=1, repeat=5, n_images=400):
    """Images a second: inference (the value), learning of layers 1 and 2, and coding of images."""
    import numba

    from ..plasticity.rules.order import OrderSTDP
    from ..plasticity.waves.conv import learn
    from .bench import measure

    net, images, times = network(n_images)
    rule = OrderSTDP(doubling=0)

    def forward():
        return net.forward(net.forward(times, 0), 1)

    def train(layer):
        inputs = times if layer == 0 else net.forward(times, 0)
        learn(
            inputs,
            net.weights_[layer],
            rule,
            theta=net.thetas[layer],
            n_steps=N_STEPS,
            n_winners=net.winners[layer],
            radius=net.radii[layer],
            padding=net.paddings[layer],
        )

    cases = {
        "inference": forward,
        "stdp1": lambda: train(0),
        "stdp2": lambda: train(1),
        "coding": lambda: net.encode(images),
    }
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        speeds = {name: n_images / measure(case, repeat, threads)["median_s"] for name, case in cases.items()}
    finally:
        numba.set_num_threads(before)
    return {
        "workload": "w2c",
        "value": speeds["inference"],
        "unit": "images/s",
        "goal": GOALS["inference"],
        "threads": threads,
        "higher_is_better": True,
        "stdp1": speeds["stdp1"],
        "stdp2": speeds["stdp2"],
        "coding": speeds["coding"],
        "goals": GOALS,
        "n_images": n_images,
        "input_spikes": float((times < N_STEPS).sum() / n_images),
    }
