"""``firstspike eval``: the trained networks of a result file, used on images.

An experiment whose results can be used says so by ``classifier(result, i)``: the network of seed number `i`, an object
with ``predict(images) -> (N,) int`` (-1 = no answer), and perhaps ``spikes(images)``, mean spikes an image by stage.
``load_part(params, data, part, n)`` loads samples that are not images.
"""

import json
from pathlib import Path

import click

__all__ = ["command", "evaluate"]

_SLICE = 500  # images at a time
_PROBE = 1000  # images whose spikes are counted


def evaluate(result, data=None, n_images=None, part="test", device="cpu") -> dict:
    """Score the networks of a result, one a seed.

    Parameters
    ----------
    result : Result
        Of an experiment that trains a classifier.
    data : str, optional
        Data set or folder; default that of the run.
    n_images : int, optional
        The first so many; default as many as in the run (all, if `data` is another set).
    part : str
        ``"test"`` or ``"train"``.
    device : str
        ``"cpu"``, or for networks with a `device` attribute ``"cuda"`` or ``"cuda:K"``.

    Returns
    -------
    dict
        `accuracy`, `accuracy_per_seed`, `standard_error`, `n_images`, `silent` (images without answer, mean over
        seeds), `images_per_second`, `spikes` (first seed), `confusion` (first seed) and `as_stored`: whether the
        predictions are those of the file (None where it has none for these images).

    Raises
    ------
    ValueError
        The result is of something else, or has no readout.
    NoDevice
        The device is not there, or this kind of network does not run on it.
    """
    import time

    import numpy as np

    from ..datasets import load as load_data
    from .experiments import EXPERIMENTS, load, parameters_of
    from .measures.confusion import confusion, standard_error

    name, p = result.parameters.get("experiment"), result.parameters
    module = load(name) if name in EXPERIMENTS else None
    if not hasattr(module, "classifier"):
        raise ValueError(f"a result of {name or result.kind} has no classifier to use")
    same = data in (None, p["data"])
    n_images = n_images or (p[f"n_{part}"] if same else None)
    name, load_part = p["data"] if data is None else data, getattr(module, "load_part", None)
    if load_part:
        images, labels, _ = load_part(parameters_of(result), name, part, n_images)
    else:
        images, labels = load_data(name, part, n_images)
    answers, seconds, spikes = [], 0.0, {}
    for i in range(len(result["seed"])):
        net = _on(module.classifier(result, i), device)
        net.predict(images[:1])  # compiled before the clock starts
        start = time.perf_counter()
        answers.append(np.concatenate([net.predict(images[k : k + _SLICE]) for k in range(0, len(images), _SLICE)]))
        seconds += time.perf_counter() - start
        if i == 0 and hasattr(net, "spikes"):
            spikes = net.spikes(images[:_PROBE])
    answers = np.array(answers)
    accuracy = (answers == labels).mean(axis=1)
    stored = None
    if same and part == "test" and "predictions" in result:
        n = min(len(labels), result["predictions"].shape[1])
        if (labels[:n] == result["labels"][:n]).all():  # not so if the run tested on a validation part
            stored = bool((answers[:, :n] == result["predictions"][:, :n]).all())
    n_classes = int(max(labels.max(), answers.max())) + 1
    return {
        "accuracy": float(accuracy.mean()),
        "accuracy_per_seed": accuracy.tolist(),
        "standard_error": float(standard_error(accuracy.mean(), len(labels))),
        "n_images": len(labels),
        "part": part,
        "data": p["data"] if data is None else data,
        "silent": float((answers < 0).sum() / len(answers)),
        "images_per_second": len(answers) * len(labels) / seconds,
        "spikes": spikes,
        "confusion": confusion(labels, answers[0], n_classes).tolist(),
        "as_stored": stored,
    }


def _on(net, device):
    """The network, set to compute its answers on the device."""
    from ..runtime.device import NoDevice, check_device

    if check_device(device) != "cpu":
        if not hasattr(net, "device"):
            raise NoDevice(f"a {type(net).__name__} answers on the cpu only, got device {device!r}")
        net.device = device
    return net


def _table(confusion):
    """Lines of a confusion table; the last column, no answer, only where it is used."""
    silent = any(row[-1] for row in confusion)
    heads = [str(i) for i in range(len(confusion[0]) - 1)] + (["none"] if silent else [])
    wide = max(4, *(len(str(n)) for row in confusion for n in row)) + 1
    yield "true".rjust(6) + "".join(head.rjust(wide) for head in heads) + "   predicted, first seed"
    for i, row in enumerate(confusion):
        yield str(i).rjust(6) + "".join(str(n).rjust(wide) for n in row[: len(heads)])


@click.command(
    "eval",
    help="Use the trained network of the result FILE on images.\n\nWithout options: on the test part of its run, where "
    "the answers must be those in the file.",
    short_help="Use the trained network of a result file on images.",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", metavar="NAME|FOLDER", help="Data set, or a folder or archive of images [that of the run].")
@click.option("--n-test", "n_images", type=click.IntRange(1), help="How many images, the first ones [as in the run].")
@click.option("--part", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Which part.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:K]", help="Where to compute.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(file, data, n_images, part, device, as_json):  # noqa: D103
    from .commands import print_summary
    from .results_commands import _finished

    found = evaluate(_finished(file), data, n_images, part, device)
    if as_json:
        click.echo(json.dumps(found))
        return
    numbers = {k: v for k, v in found.items() if k not in ("confusion", "as_stored", "part", "data")}
    click.echo(f"{found['data']}, {found['part']} part")
    print_summary(numbers, {})
    click.echo("\n" + "\n".join(_table(found["confusion"])))
    if found["as_stored"] is not None:
        click.echo("\nanswers as stored" if found["as_stored"] else "\nanswers are not those stored in the file")
