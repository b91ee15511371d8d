"""Speed of fully connected one-spike networks: 784-400-10 neurons, 256 steps, thresholds 100, images of pen strokes.

    w5a    an image evaluated, from grey levels to the class; `sorted`: from spikes that are sorted already
    w5b    an image learnt from, with weight decay; `wrong`: share of images answered wrongly

Weights are drawn so that the network is about as busy as after learning: four of ten hidden neurons fire, and the
decision falls before the middle. Labels are the network's own answers, one in ten another one, as late in training;
steps are small, so that it stays like this.
``reference``: multiply-adds a nanosecond of rows of weights from the second-level cache.
"""

__all__ = ["network", "w5a", "w5b"]

N_STEPS = 256
SIZES = (784, 400, 10)


def network(n_images, seed=0):
    """Images, S4NN with its weights put in, labels."""
    import numpy as np

    from ..plasticity.learners.s4nn import S4NN
    from ..runtime import rng
    from .bench_waves import digit_like

    images = digit_like(n_images, seed)
    first = 0.75 + 2.5 * rng.normals(seed, "bench/layer1", (400, 784))
    last = 3.0 + 11.0 * rng.normals(seed, "bench/layer2", (10, 400))
    net = S4NN(rates=(0.002, 0.002)).set_weights([first, last], range(10))
    labels = net.decide(images).answer
    other = (labels + 1 + 9 * rng.uniforms(seed, "bench/other", len(labels))).astype(np.int64) % 10
    return images, net, np.where(rng.uniforms(seed, "bench/wrong", len(labels)) < 0.1, other, labels)


def w5a(threads=1, repeat=5, n_images=1000):
    """Microseconds an image evaluated."""
    from .bench import measure
    from .bench_waves import _multiply_adds

    images, net, _ = network(n_images)
    spikes = net.encode(images)
    cases = {"value": lambda: net.decide(images), "sorted": lambda: net.decide(spikes)}
    us = {name: 1e6 * measure(case, repeat, threads)["median_s"] / n_images for name, case in cases.items()}
    found = net.decide(spikes)
    more = {"decision_step": float(found.step.mean()), "reference": _multiply_adds(repeat), "n_images": n_images}
    more |= {"input_spikes": float(found.spikes[:, 0].mean()), "hidden_spikes": float(found.spikes[:, 1].mean())}
    head = {"workload": "w5a", "unit": "us/image", "goal": 16.0, "threads": threads, "higher_is_better": False}
    return head | us | more


def w5b(threads=1, repeat=5, n_images=1000):
    """Microseconds an image learnt from, one after the other; learning uses one thread."""
    import numpy as np

    from ..plasticity.waves.dense import Aim, Rates, Shown, learn
    from .bench import measure
    from .bench_waves import _multiply_adds

    images, net, labels = network(n_images)
    spikes, still = net.encode(images), Shown(0, 0, 0, 0, np.zeros(1), np.uint64(0), np.uint64(0))
    rates = Rates(np.array(net.rates), np.array(net.decays), np.array(net.thetas), True)

    def case(eta=rates):
        flat = net.flat_.copy()  # a hundredth of the work
        return learn(np.arange(n_images), spikes, labels, flat, SIZES, Aim(N_STEPS, net.gap, net.gap), still, eta)

    us = 1e6 * measure(case, repeat, threads)["median_s"] / n_images
    tally, awake = case()
    right = 1 - tally[0] / n_images
    more = {"epoch_s": 60_000 * us / 1e6, "wrong": float(right), "hidden_rate": float(awake.sum() / n_images / 400)}
    head = {"workload": "w5b", "unit": "us/image", "goal": 30.0, "threads": 1, "higher_is_better": False}
    return head | {"value": us, "reference": _multiply_adds(repeat), "n_images": n_images} | more
