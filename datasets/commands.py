"""Commands of ``firstspike data``: what data sets there are, where they lie, whether they are whole."""

import json
import sys

import click

from .catalog import CATALOG, SPOKEN, get_any

__all__ = ["COMMANDS"]

_NAME = click.argument("name", metavar="NAME")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class _Invalid(click.ClickException):
    exit_code = 3


class _Differs(click.ClickException):
    exit_code = 5


def _entry(name):
    try:
        return get_any(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _megabytes(n_bytes):
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes else "bundled"


def _presence(name):
    """Cheap state of a data set: whether files of the right sizes are there (`verify` looks inside)."""
    from . import spoken_store, store

    if name in SPOKEN:
        return spoken_store.presence(name)
    data = CATALOG[name]
    if not data.files:
        return "bundled"
    right = sum(
        path is not None and path.stat().st_size in (data.files[part].n_bytes, data.files[part].plain_bytes)
        for part, path in store.find(name).items()
    )
    return "here" if right == len(data.files) else "incomplete" if right else "not here"


@click.command("list")
@_JSON
def _list(as_json):
    """All data sets: size, samples, whether the files are here."""
    rows = [
        {
            "name": d.name,
            "title": d.title,
            "n_train": d.n_train,
            "n_test": d.n_test,
            "image": list(d.image) if d.name in CATALOG else None,
            "bytes": d.n_bytes,
            "licence": d.licence,
            "state": _presence(d.name),
        }
        for d in (CATALOG | SPOKEN).values()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for r in rows:
        size = f"{r['image'][0]}x{r['image'][1]}" if r["image"] else "spoken"
        click.echo(
            f"{r['name']:<15} {r['state']:<11} {_megabytes(r['bytes']):>9}  {r['n_train']:>6} + {r['n_test']:<6} "
            f"{size:<6} {r['title']}"
        )


@click.command("info")
@_NAME
@_JSON
def _info(name, as_json):
    """Licence, citation, sources, files and checksums of one data set."""
    data = _entry(name)
    if name in SPOKEN:
        _spoken_info(data, as_json)
        return
    document = {
        "name": data.name,
        "title": data.title,
        "n_train": data.n_train,
        "n_test": data.n_test,
        "image": list(data.image),
        "classes": list(data.classes),
        "licence": data.licence,
        "citation": data.citation,
        "note": data.note,
        "mirrors": list(data.mirrors),
        "files": [
            {"file": f.name, "bytes": f.n_bytes, "md5": f.md5, "sha256": f.sha256} for f in (data.files or {}).values()
        ],
        "state": _presence(name),
    }
    if as_json:
        click.echo(json.dumps(document))
        return
    click.echo(f"{data.name}: {data.title}")
    click.echo(
        f"images    {data.n_train} for training, {data.n_test} for testing, {data.image[0]} x {data.image[1]}, grey"
    )
    for key in ("licence", "citation", "note", "state"):
        if document[key]:
            click.echo(f"{key:<9} {document[key]}")
    for mirror in data.mirrors:
        click.echo(f"source    {mirror}")
    for f in document["files"]:
        click.echo(
            f"file      {f['file']}  {f['bytes']} bytes\n          md5 {f['md5']}\n          sha256 {f['sha256']}"
        )


def _spoken_info(data, as_json):
    files = [{"file": f.name, "bytes": f.n_bytes, "md5": f.md5, "sha256": f.sha256} for f in data.files.values()]
    urls = [url for f in data.files.values() for url in f.urls]
    keys = ("name", "title", "n_train", "n_valid", "n_test", "n_classes", "licence", "citation", "note")
    document = {key: getattr(data, key) for key in keys}
    document |= {"mirrors": urls, "files": files, "state": _presence(data.name)}
    if as_json:
        click.echo(json.dumps(document))
        return
    click.echo(f"{data.name}: {data.title}")
    valid = f"{data.n_valid} for validation, " if data.n_valid else ""
    click.echo(
        f"words     {data.n_train} for training, {valid}{data.n_test} for testing, {data.n_classes} different ones"
    )
    for key in ("licence", "citation", "note", "state"):
        click.echo(f"{key:<9} {document[key]}")
    for url in urls:
        click.echo(f"source    {url}")
    for f in files:
        click.echo(f"file      {f['file']}  about {f['bytes']} bytes")
        for kind in ("md5", "sha256"):
            if f[kind]:
                click.echo(f"          {kind} {f[kind]}")


@click.command("fetch")
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
def _fetch(name, yes, as_json):
    """Download a data set, unless it is here already, and check it."""
    from . import spoken_store, store

    data = _entry(name)
    if not data.files:
        click.echo(f"{name} comes with scikit-learn: nothing to fetch", err=True)
    lacking = [r for r in _status(name) if r["state"] in ("missing", "wrong") or "can be read" in r["reason"]]
    if lacking:
        size = _megabytes(sum(r["n_bytes"] for r in lacking))
        click.echo(f"{data.title}: {len(lacking)} files, {size}, licence {data.licence}", err=True)
        click.echo(f"into {store.root() / name}", err=True)
        if not yes:
            click.confirm("Download?", default=True, abort=True, err=True)
    fetch = spoken_store.fetch_spoken if name in SPOKEN else store.fetch
    fetch(name, report=lambda line: click.echo(line, err=True))
    _print_status(_status(name), as_json)


def _status(name):
    from . import spoken_store, store

    return spoken_store.spoken_status(name) if name in SPOKEN else store.status(name)


@click.command("import")
@_NAME
@click.argument("path", type=click.Path(exists=True))
@_JSON
def _import(name, path, as_json):
    """Take the files of a data set from PATH (a file or a folder), if their checksums are right."""
    from . import store

    _entry(name)
    if name in SPOKEN:
        raise click.UsageError(f"put the archives of {name} into {store.root() / name} ('firstspike data info {name}')")
    rows = store.import_files(name, path)
    _print_status(rows, as_json)
    lacking = [r["file"] for r in rows if r["state"] != "ok"]
    if lacking:
        click.echo(f"still missing: {', '.join(lacking)}", err=True)


@click.command("verify")
@_NAME
@_JSON
def _verify(name, as_json):
    """Compare size and checksum of each file with the catalogue. Exit code 3: a file is missing, 5: one is wrong."""
    _entry(name)
    rows = _status(name)
    _print_status(rows, as_json)
    wrong = [f"{r['path']}: {r['reason']}" for r in rows if r["state"] == "wrong"]
    missing = [r["file"] for r in rows if r["state"] == "missing"]
    if wrong:
        raise _Differs("; ".join(wrong))
    if missing:
        raise _Invalid(f"{name}: {', '.join(missing)} not found; run 'firstspike data fetch {name}'")


@click.command("path")
@click.argument("name", required=False)
@_JSON
def _path(name, as_json):
    """Folder of the data sets (FIRSTSPIKE_DATA, or in the user's cache folder), or of one of them."""
    from . import store

    folder = store.root() / _entry(name).name if name else store.root()
    click.echo(json.dumps({"path": str(folder), "exists": folder.is_dir()}) if as_json else str(folder))


@click.command("spikes")
@click.argument("folder", type=click.Path(exists=True))
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--rate", default=8000, show_default=True, help="Sampling rate in Hz; recordings are resampled to it.")
@click.option("--bands", default=40, show_default=True, help="Mel bands.")
@click.option("--f-min", default=50.0, show_default=True, help="Lowest frequency in Hz.")
@click.option("--f-max", type=float, help="Highest frequency in Hz.  [default: half the sampling rate]")
@click.option("--levels", default="0.45,0.7", show_default=True, help="Levels (0..1) whose crossing is a spike.")
@click.option("--classes", help="12, 35, or the names of some classes, with commas.")
@click.option("--part", default="all", type=click.Choice(["train", "valid", "test", "all"]), show_default=True)
@click.option("--skip-silent", is_flag=True, help="Leave recordings without spikes out, instead of failing.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@_JSON
def _spikes(folder, out, as_json, classes, levels, **options):
    """Turn a FOLDER (or archive) of WAV files into an HDF5 file of spikes in the layout of SHD.

    One class for each sub-folder, or names as those of the spoken digits (7_george_12.wav) and Speech Commands. Each
    unit is a mel band and a level; it fires when the band's loudness crosses the level upwards.
    """
    from .to_spikes import convert, numbers

    classes = int(classes) if classes in ("12", "35") else classes.split(",") if classes else None
    mel = numbers(options.pop("rate"), options.pop("bands"), options.pop("f_min"), options.pop("f_max"), levels)
    with click.progressbar(length=1, label="recordings", file=sys.stderr) as bar:

        def report(done, total):
            bar.length = total
            bar.update(done - bar.pos)

        facts = convert(folder, out, mel, classes, report=report, **options)
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo("{samples} recordings, {classes} classes, {speakers} speakers, {n_units} units".format(**facts))
    click.echo("{spikes} spikes, {spikes_per_sample:.1f} a recording; longest {seconds:.2f} s".format(**facts))
    if facts["skipped"]:
        click.echo("{skipped} recordings without spikes left out".format(**facts))
    click.echo(facts["path"])


def _print_status(rows, as_json):
    if as_json:
        click.echo(json.dumps({"ok": all(r["state"] == "ok" for r in rows), "files": rows}))
        return
    for r in rows:
        tail = "" if r["state"] == "ok" else f"  ({r['reason']})"
        click.echo(f"{r['state']:<8} {r['path'] or r['file']}{tail}")


COMMANDS = {c.name: c for c in (_list, _info, _fetch, _import, _verify, _path, _spikes)}
