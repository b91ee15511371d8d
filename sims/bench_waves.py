"""Speed of latency-coded networks: inference, and learning of each layer, image after image.

Images are random pen strokes of 28 x 28 pixels, coded into 15 steps; weights are spread as after convergence, most near
0 and some near 1. All is measured from the time maps on, through the public functions.

    w2a, w2b    three layers, the last one decides and learns by reward: 6 maps in (about 900 spikes), 5x5x30 theta 15
                pool 2, 3x3x250 theta 10 pool 3, 5x5x200 without threshold
    w2c         two layers: 2 maps in (about 300 spikes), 5x5x32 theta 10 pool 2, 2x2x150 theta 1 pool 2

Learning of a layer includes the forward pass of the layers below, nothing kept from one image to the next; `cached`
figures leave that pass out. ``reference``: multiply-adds of a row of weights from the second-level cache.
"""

__all__ = ["bounded", "decide", "digit_like", "digits_network", "network", "teach", "trained_like", "w2a", "w2b", "w2c"]

N_STEPS = 15
GOALS_A = {"inference": 1200, "stretch": 2500}
GOALS_B = {"stdp1": 4000, "stdp2": 1600, "stdp3": 900}
STRETCH_B = {"stdp1": 9000, "stdp2_cached": 8000, "stdp3_cached": 6000}
GOALS_C = {"inference": 4000, "stdp1": 8000, "stdp2": 4000}
SHARES = (0.35, 0.06)  # of the weights near 1, two layers
SHARES_DIGITS = (0.25, 0.06, 0.05)  # three
PER_CLASS = 20  # maps of the deciding layer


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
    """The network of two layers with its weights set, images, and their time maps."""
    from ..plasticity.learners.sdnn import SDNN

    net = SDNN()
    return _filled(net, [(32, 2, 5, 5), (150, 32, 2, 2)], SHARES, n_images, seed)


def digits_network(n_images, seed=0):
    """The first two of three layers with their weights set, the weights of the third, images, their time maps."""
    from ..plasticity.learners.sdnn import SDNN

    scales = (3 / 9, 7 / 9, 13 / 9)
    net = SDNN(
        filter_sizes=(3, 7, 13),
        filter_scales=scales,
        filter_padding=6,
        maps=(30, 250),
        kernels=(5, 3),
        paddings=(2, 1),
        thetas=(15.0, 10.0),
        pool_sizes=(2, 3),
        pool_strides=(2, 3),
        pool_paddings=(0, 0),
        winners=(5, 8),
        radii=(3, 1),
        inhibit_inputs=(False, False),
    )
    net, images, times = _filled(net, [(30, 6, 5, 5), (250, 30, 3, 3)], SHARES_DIGITS, n_images, seed)
    return net, trained_like((200, 250, 5, 5), SHARES_DIGITS[2], seed, "bench/decide"), images, times


def _filled(net, shapes, shares, n_images, seed):
    pairs = zip(shapes, shares, strict=False)
    net.set_weights([trained_like(shape, share, seed, f"bench/{shape}") for shape, share in pairs])
    images = digit_like(n_images, seed)
    return net, images, net.encode(images)


def decide(times, weights):
    """Classes (N,) of the deciding layer of three."""
    from ..plasticity.waves.reinforce import answer

    return answer(times, weights, _classes(weights), theta=None, n_steps=N_STEPS, padding=2)[0]


def _classes(weights):
    return [f // PER_CLASS for f in range(len(weights))]


def learn_layer(net, layer, inputs):
    """One pass of unsupervised learning of `layer` = 0, 1 over its input time maps."""
    from ..plasticity.rules.order import OrderSTDP
    from ..plasticity.waves.conv import learn

    return learn(
        inputs,
        net.weights_[layer],
        OrderSTDP(doubling=0),
        theta=net.thetas[layer],
        n_steps=N_STEPS,
        n_winners=net.winners[layer],
        radius=net.radii[layer],
        padding=net.paddings[layer],
    )


def bounded(weights):
    """`weights` moved from 0..1 into the bounds 0.2..0.8 of the rule of reward."""
    return 0.2 + 0.6 * weights


def teach(times, weights, scores=None):
    """One pass of learning by reward of the deciding layer; `scores`: potentials of the images if they are kept."""
    from ..plasticity.rules.reward import RewardSTDP
    from ..plasticity.waves.reinforce import reinforce

    labels = [n % 10 for n in range(len(times))]
    options = {"theta": None, "n_steps": N_STEPS, "padding": 2, "scores": scores}
    return reinforce(times, labels, weights, _classes(weights), RewardSTDP(), **options)


def _speeds(cases, n_images, repeat, threads):
    """Images a second of each case, and the reference."""
    from .bench import measure

    speeds = {name: n_images / measure(case, repeat, threads)["median_s"] for name, case in cases.items()}
    return speeds | {"reference": _multiply_adds(repeat)}


def _multiply_adds(repeat):
    """Multiply-adds a nanosecond of `y += a x`, rows of 256 float32 of a table of 256 KiB, one after the other."""
    import numpy as np

    from ..runtime.jit import kernel
    from .bench import measure

    @kernel
    def axpy(y, a, x):
        for row in range(x.shape[0]):
            v = x[row]
            for i in range(v.size):
                y[i] += a * v[i]

    x, y = np.ones((256, 256), np.float32), np.zeros(256, np.float32)
    return x.size * 200e-9 / measure(lambda: [axpy(y, np.float32(1.0), x) for _ in range(200)], repeat)["median_s"]


def _row(name, value, goal, threads, **more):
    head = {"workload": name, "value": value, "unit": "images/s", "goal": goal, "threads": threads}
    return head | {"higher_is_better": True} | more


def w2a(threads=1, repeat=5, n_images=400):
    """Images a second from time maps to classes in three layers; also each layer by itself, and coding of images."""
    net, weights, images, times = digits_network(n_images)
    first = net.forward(times, 0)
    second = net.forward(first, 1)
    cases = {
        "inference": lambda: decide(net.forward(net.forward(times, 0), 1), weights),
        "layer1": lambda: net.forward(times, 0),
        "layer2": lambda: net.forward(first, 1),
        "layer3": lambda: decide(second, weights),
        "coding": lambda: net.encode(images),
    }
    speeds = _speeds(cases, n_images, repeat, threads)
    value = speeds.pop("inference")
    spikes = {f"spikes{i}": float((t < N_STEPS).sum() / n_images) for i, t in enumerate((times, first, second))}
    return _row("w2a", value, GOALS_A["inference"], threads, goals=GOALS_A, n_images=n_images, **speeds, **spikes)


def w2b(threads=1, repeat=5, n_images=400):
    """Images a second of learning in three layers, with the layers below computed anew and kept.

    The value is that of layer 3 computed anew. ``stdp3_scored``: the potentials under the first weights are kept, too.
    """
    from ..plasticity.waves.decision import score

    net, weights, _, times = digits_network(n_images)
    weights = bounded(weights)
    first = net.forward(times, 0)
    second = net.forward(first, 1)
    scores = score(second, weights, N_STEPS, 2)
    cases = {
        "stdp1": lambda: learn_layer(net, 0, times),
        "stdp2": lambda: learn_layer(net, 1, net.forward(times, 0)),
        "stdp3": lambda: teach(net.forward(net.forward(times, 0), 1), weights),
        "stdp2_cached": lambda: learn_layer(net, 1, first),
        "stdp3_cached": lambda: teach(second, weights),
        "stdp3_scored": lambda: teach(second, weights, scores),
    }
    speeds = _speeds(cases, n_images, repeat, threads)
    more = {"goals": GOALS_B, "stretch": STRETCH_B, "n_images": n_images}
    return _row("w2b", speeds["stdp3"], GOALS_B["stdp3"], threads, **more, **speeds)


def w2c(threads=1, repeat=5, n_images=400):
    """Images a second of two layers: inference (the value), learning of layers 1 and 2, and coding of images."""
    net, images, times = network(n_images)
    cases = {
        "inference": lambda: net.forward(net.forward(times, 0), 1),
        "stdp1": lambda: learn_layer(net, 0, times),
        "stdp2": lambda: learn_layer(net, 1, net.forward(times, 0)),
        "coding": lambda: net.encode(images),
    }
    speeds = _speeds(cases, n_images, repeat, threads)
    more = {"goals": GOALS_C, "n_images": n_images, "input_spikes": float((times < N_STEPS).sum() / n_images)}
    return _row("w2c", speeds.pop("inference"), GOALS_C["inference"], threads, **more, **speeds)
