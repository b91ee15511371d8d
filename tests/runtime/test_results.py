import h5py
import numpy as np
import pytest

from firstspike.runtime.results import Result, ResultError, differences, open_result


def make(scale=1.0):
    r = Result("simulation", "A title", "A 2020", {"tau": 0.1, "n": [1, 2]}, {"command": "x"})
    r.add("seed", [3, 4], ("seed",), long_name="seed")
    r.add("weights", scale * np.arange(2 * 20000.0).reshape(2, -1), ("seed", "afferent"), "1", "weight")
    r.add("latency", np.array([np.nan, 0.5]), ("seed",), "s", "latency")
    r.add("accuracy", 0.5, (), "1", "accuracy")
    r.add("label", ["ä", "b"], ("seed",), "1", "names")
    r.add("ok", np.array([True, False]), ("seed",), "1", "flag")
    return r


def test_round_trip_keeps_everything_and_the_hash(tmp_path):
    r = make()
    path = r.save(tmp_path / "sub" / "a.h5")
    back = open_result(path)
    assert back.content_sha256 == r.content_sha256
    assert back.parameters == r.parameters and back.provenance == r.provenance
    for name, array in r.arrays.items():
        assert back.arrays[name].dims == array.dims and back.arrays[name].units == array.units
        assert back[name].dtype == array.data.dtype
        np.testing.assert_array_equal(back[name], array.data)
    assert not differences(r, back)
    assert [p.name for p in path.parent.iterdir()] == ["a.h5"]  # no temporary left


def test_h5py_alone_sees_dimensions_and_units(tmp_path):
    with h5py.File(make().save(tmp_path / "a.h5")) as f:
        assert f.attrs["kind"] == "simulation" and f.attrs["status"] == "complete"
        assert len(f.attrs["content_sha256"]) == 64
        w = f["weights"]
        assert [d[0].name for d in w.dims] == ["/seed", "/afferent"]
        assert w.compression == "gzip" and w.fletcher32
        assert f["latency"].attrs["units"] == "s"


def test_xarray_opens_it(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with xarray.open_dataset(make().save(tmp_path / "a.h5"), engine="h5netcdf") as ds:
        assert ds.weights.dims == ("seed", "afferent")
        assert list(ds.seed.values) == [3, 4]
        assert float(ds.accuracy) == 0.5 and not any("phony" in d for d in ds.sizes)


def test_hash_depends_on_content_only():
    a, b = make(), make()
    b.provenance["command"] = "y"
    assert a.content_sha256 == b.content_sha256
    for change in (
        lambda r: r.parameters.update(tau=0.2),
        lambda r: r["weights"].__setitem__((1, 7), -1),
        lambda r: setattr(r.arrays["latency"], "units", "ms"),
        lambda r: setattr(r, "kind", "training"),
    ):
        c = make()
        change(c)
        assert c.content_sha256 != a.content_sha256


def test_differences_say_where_and_how_far():
    a, b = make(), make()
    b["weights"][0, 3] += 0.5
    b.parameters["tau"] = 0.2
    del b.arrays["accuracy"]
    text = "\n".join(differences(a, b))
    assert "parameter tau: 0.1 | 0.2" in text
    assert "weights: 1 of 40000 values differ, by at most 0.5" in text
    assert "accuracy: only in the first" in text


@pytest.mark.parametrize(
    ("name", "data", "dims", "message"),
    [
        ("x", [1, 2], (), "different dimension names"),
        ("x", [1, 2, 3], ("seed",), "has length 3, elsewhere 2"),
        ("x", np.zeros((2, 2)), ("a", "a"), "different dimension names"),
        ("x", 1j, (), "dtype complex"),
        ("afferent", 1.0, (), "is a dimension"),
        ("a/b", 1.0, (), "cannot be the name"),
    ],
)
def test_add_refuses(name, data, dims, message):
    with pytest.raises(ValueError, match=message):
        make().add(name, data, dims)


def test_existing_file_is_kept_unless_told(tmp_path):
    path = make().save(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        make(2.0).save(path, overwrite=False)
    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = make().save(tmp_path / "a.h5")
    before = path.read_bytes()
    monkeypatch.setattr(Result, "_write", lambda self, p, compress: (p.write(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        make(2.0).save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_errors_name_file_and_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="nope"):
        open_result(tmp_path / "nope.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(ResultError, match="text.h5 is not a readable"):
        open_result(text)
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["x"] = 1
    with pytest.raises(ResultError, match="not one of firstspike"):
        open_result(tmp_path / "other.h5")
    path = make().save(tmp_path / "a.h5")
    with h5py.File(path, "a") as f:
        f["latency"][1] = 0.25
    with pytest.raises(ResultError, match="damaged"):
        open_result(path)
    with h5py.File(path, "a") as f:
        f.attrs["format_version"] = 99
    with pytest.raises(ResultError, match="upgrade"):
        open_result(path)


def test_a_dataset_that_claims_more_than_is_stored_takes_no_memory(tmp_path):
    path = make().save(tmp_path / "a.h5")
    with h5py.File(path, "a") as f:
        f.create_dataset("huge", (10**13,), "f4", chunks=(1000,))
    with pytest.raises(ResultError, match="huge claims 10000000000000 values"):
        open_result(path)
    path = make().save(tmp_path / "b.h5")
    with h5py.File(path, "a") as f:
        f.create_dataset("other", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    with pytest.raises(ResultError, match="other is not stored in this file"):
        open_result(path)


def test_a_file_without_its_parts_is_a_result_error(tmp_path):
    for damage in (
        lambda f: f.__delitem__("provenance"),
        lambda f: f["weights"].attrs.__delitem__("units"),
        lambda f: f["parameters"].attrs.__setitem__("json", "[1"),
        lambda f: f["seed"].attrs.__setitem__("units", 3.5),
        lambda f: f.create_group("group"),
    ):
        path = make().save(tmp_path / "a.h5")
        with h5py.File(path, "a") as f:
            damage(f)
        with pytest.raises(ResultError):
            open_result(path)
