"""Commands of ``firstspike data``: what data sets there are, where they lie, whether they are whole."""

import json

import click

from .catalog import CATALOG, get

__all__ = ["COMMANDS"]

_NAME = click.argument("name", metavar="NAME")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class _Invalid(click.ClickException):
    exit_code = 3


class _Differs(click.ClickException):
    exit_code = 5


def _entry(name):
    try:
        return get(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _megabytes(n_bytes):
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes else "bundled"


def _presence(name):
    """Cheap state of a data set: whether files of the right sizes are there (`verify` looks inside)."""
    from . import store

    data = get(name)
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
    """All data sets: size, images, whether the files are here."""
    rows = [
        {
            "name": d.name,
            "title": d.title,
            "n_train": d.n_train,
            "n_test": d.n_test,
            "image": list(d.image),
            "bytes": d.n_bytes,
            "licence": d.licence,
            "state": _presence(d.name),
        }
        for d in CATALOG.values()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for r in rows:
        size = f"{r['image'][0]}x{r['image'][1]}"
        click.echo(
            f"{r['name']:<14} {r['state']:<10} {_megabytes(r['bytes']):>8}  {r['n_train']:>6} + {r['n_test']:<6} "
            f"{size:<6} {r['title']}"
        )


@click.command("info")
@_NAME
@_JSON
def _info(name, as_json):
    """Licence, citation, sources, files and checksums of one data set."""
    data = _entry(name)
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


@click.command("fetch")
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
def _fetch(name, yes, as_json):
    """Download a data set, unless it is here already, and check it."""
    from . import store

    data = _entry(name)
    if not data.files:
        click.echo(f"{name} comes with scikit-learn: nothing to fetch", err=True)
    lacking = [r for r in store.status(name) if r["state"] != "ok"]
    if lacking:
        size = _megabytes(sum(r["n_bytes"] for r in lacking))
        click.echo(f"{data.title}: {len(lacking)} files, {size}, licence {data.licence}", err=True)
        click.echo(f"into {store.root() / name}", err=True)
        if not yes:
            click.confirm("Download?", default=True, abort=True, err=True)
    store.fetch(name, report=lambda line: click.echo(line, err=True))
    _print_status(store.status(name), as_json)


@click.command("import")
@_NAME
@click.argument("path", type=click.Path(exists=True))
@_JSON
def _import(name, path, as_json):
    """Take the files of a data set from PATH (a file or a folder), if their checksums are right."""
    from . import store

    _entry(name)
    rows = store.import_files(name, path)
    _print_status(rows, as_json)
    lacking = [r["file"] for r in rows if r["state"] != "ok"]
    if lacking:
        click.echo(f"still missing: {', '.join(lacking)}", err=True)


@click.command("verify")
@_NAME
@_JSON
def _verify(name, as_json):
    """Compare size and SHA-256 of each file with the catalogue. Exit code 3: a file is missing, 5: one is wrong."""
    from . import store

    _entry(name)
    rows = store.status(name)
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


def _print_status(rows, as_json):
    if as_json:
        click.echo(json.dumps({"ok": all(r["state"] == "ok" for r in rows), "files": rows}))
        return
    for r in rows:
        tail = "" if r["state"] == "ok" else f"  ({r['reason']})"
        click.echo(f"{r['state']:<8} {r['path'] or r['file']}{tail}")


COMMANDS = {c.name: c for c in (_list, _info, _fetch, _import, _verify, _path)}
