"""The command line: turns experiments, theory and data sets into commands. No science, no NumPy.

Exit codes: 0 done, 1 failure, 2 wrong usage, 3 unreadable or invalid input, 4 output exists, 5 comparison failed,
6 device not available, 130 interrupted. Results go to stdout, everything else to stderr.
"""

if __name__ == "__main__" and not __package__:  # `python cli.py` in a checkout, without an install
    import importlib.util
    import pathlib
    import sys

    _root = pathlib.Path(__file__).resolve().parent
    sys.path[:] = [
        p for p in sys.path if pathlib.Path(p or ".").resolve() != _root
    ]  # else our `datasets` shadows theirs
    _spec = importlib.util.spec_from_file_location(
        "firstspike", _root / "__init__.py", submodule_search_locations=[str(_root)]
    )
    assert _spec is not None and _spec.loader is not None
    sys.modules["firstspike"] = _module = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_module)
    __package__ = "firstspike"

import os
import sys
from importlib import import_module

import click

from . import __version__

#: group -> (help, help lines of its commands; those of sim and train stand in sims/experiments.py)
_GROUPS = {
    "sim": ("Simulations without labels.", {}),
    "train": ("Whatever is fitted to labelled data.", {}),
    "theory": (
        "Closed forms and quadratures: parameters without a simulation.",
        {
            "snr": "Signal-to-noise ratio of a coincidence detector.",
            "optimum": "Best window and time constant.",
            "noise": "Distribution of the potential under random input.",
            "firing": "False alarms and firing rate under random input.",
            "map": "Signal-to-noise ratio over window and time constant.",
            "design": "Threshold, first weight and w_out for any number of patterns.",
            "roc": "Hits against false alarms over the threshold, theory beside simulation.",
        },
    ),
    "sweep": (
        "One command over many parameter points: on cores, job arrays or a Dask cluster.",
        {
            "plan": "What a sweep asks for, and what is there already.",
            "run": "Compute what is missing.",
            "status": "How far it is; failed runs with their errors.",
            "collect": "All results in one file with named axes.",
        },
    ),
    "data": (
        "Data sets: what there is, where it lies, whether it is whole.",
        {
            "list": "All data sets.",
            "info": "Size, licence, source, files of one.",
            "fetch": "Download and check.",
            "import": "Take files you already have.",
            "verify": "Check the files against their checksums.",
            "path": "Where the files are looked for.",
            "spikes": "Turn a folder of WAV files into an HDF5 file of spikes.",
        },
    ),
    "results": (
        "Result files: show, plot, compare, run again.",
        {
            "show": "What a file holds.",
            "plot": "Draw its figures.",
            "diff": "Where two files differ.",
            "rerun": "Run it again and compare the content hash.",
        },
    ),
}
_TOOLS = {
    "eval": (
        "sims.evaluate",
        "command",
        "Use the trained network of a result file on images: accuracy, confusion, speed.",
    ),
    "bench": ("sims.bench", "command", "Small fixed workloads against their goals."),
    "doctor": ("sims.doctor", "command", "Versions, threads, caches, data folder; a tiny run on one and all threads."),
}


def _command(group, name):
    if group in ("sim", "train"):
        from .sims.commands import experiment_command

        return experiment_command(name)
    module = {
        "theory": "theory.commands",
        "data": "datasets.commands",
        "results": "sims.results_commands",
        "sweep": "sims.sweep_commands",
    }[group]
    return import_module(f".{module}", __package__).COMMANDS[name]


class LazyGroup(click.Group):
    """Lists its commands from plain data; imports one when it is called."""

    def __init__(self, *args, table, load, **kwargs):
        super().__init__(*args, **kwargs)
        self.table, self.load = table, load

    def list_commands(self, ctx):  # noqa: D102
        return list(self.table)

    def get_command(self, ctx, name):  # noqa: D102
        return self.load(name) if name in self.table else None

    def format_commands(self, ctx, formatter):  # noqa: D102
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))


def _load_root(name):
    if name == "completions":
        return completions
    if name in _TOOLS:
        module, attribute, _ = _TOOLS[name]
        return getattr(import_module(f".{module}", __package__), attribute)
    text, table = _GROUPS[name]
    if name in ("sim", "train"):
        from .sims.experiments import EXPERIMENTS

        table = {k: line for k, (group, _, line) in EXPERIMENTS.items() if group == name}
    return LazyGroup(name, help=text, table=table, load=lambda sub: _command(name, sub))


_TABLE = {k: v[0] for k, v in _GROUPS.items()} | {k: v[2] for k, v in _TOOLS.items()}
_TABLE["completions"] = "Shell set-up for completing commands and options."
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(
    cls=LazyGroup,
    table=_TABLE,
    load=_load_root,
    context_settings=_SETTINGS,
    help="Biologically plausible learning in spiking networks: run, check and extend it.\n\n"
    "Start with `firstspike sim coincidence`.",
)
@click.version_option(__version__, prog_name="firstspike")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def cli(verbose):  # noqa: D103
    if verbose:
        os.environ["FIRSTSPIKE_DEBUG"] = "1"


@click.command(short_help="Shell set-up for completing commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(shell):
    """Print the lines that make SHELL complete commands and options.

    For instance: firstspike completions bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    assert maker is not None
    click.echo(maker(cli, {}, "firstspike", "_FIRSTSPIKE_COMPLETE").source())


def _exit_code(error):
    if hasattr(error, "exit_code"):
        return error.exit_code
    if isinstance(error, PermissionError):
        return 1
    if isinstance(error, FileExistsError):
        return 4
    if isinstance(error, FileNotFoundError):
        return 3
    return 2 if isinstance(error, ValueError) else 1


def main(args=None, prog_name="firstspike"):
    """Run the command line; every error is one line on stderr and an exit code."""
    try:
        code = cli.main(args, prog_name=prog_name, standalone_mode=False)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        code = getattr(error.__cause__ or error, "exit_code", 0)  # click turns Ctrl-C into Abort
        if not code:
            click.echo("interrupted", err=True)
            code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:  # the reader of our output has left (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if os.environ.get("FIRSTSPIKE_DEBUG"):
            raise
        click.echo(f"Error: {error}" if str(error) else f"Error: {type(error).__name__}", err=True)
        code = _exit_code(error)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main(prog_name="firstspike")
