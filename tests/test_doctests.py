"""Examples in docstrings are run, each module once under its real name."""

import doctest
import importlib
import pkgutil

import pytest

import firstspike

# by hand: walk_packages would also list `tests` and whatever lies beside the package's folders at the root
ROOMS = ("plasticity", "theory", "sims", "datasets", "runtime")


def modules():
    for name in ROOMS:
        package = importlib.import_module(f"firstspike.{name}")
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            yield info.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


def test_public_names():
    assert callable(firstspike.run) and callable(firstspike.open)
    for name in firstspike.__all__:
        assert getattr(firstspike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = firstspike.nothing
