import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstspike.runtime import params as P


@dataclasses.dataclass
class Demo:
    n: int = P.param(5, "a count", low=1)
    tau_m: float = P.param(0.01, "time constant", unit="s", above=0)
    share: float = P.param(0.5, "a share", low=0, below=1)
    rates: tuple[float, ...] = P.param((1.0, 2.0), "rates", unit="Hz", above=0)
    rule: str = P.param("additive", "rule", choices=("additive", "soft"))
    on: bool = P.param(True, "switch")
    limit: int | None = P.param(None, "optional", low=0)

    def validate(self):
        if self.n == 13:
            raise ValueError("n must not be 13")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("10ms", "s", 0.01), ("18 ms", "s", 18e-3), ("3.2e0us", "s", 3.2e-6), ("2min", "s", 120.0), ("5kHz", "Hz", 5e3),
     ("95%", "1", 0.95), ("-1.5", "1", -1.5), (".5", "s", 0.5), ("1e-3", "s", 1e-3), ("20mV", "mV", 20.0)],
)  # fmt: skip
def test_quantity(text, unit, value):
    assert P.quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"), [("10Hz", "s"), ("ms", "s"), ("1e", "s"), ("", "1"), ("5ms", "1"), ("0x1", "1")]
)
def test_quantity_refuses(text, unit):
    with pytest.raises(ValueError, match="is expected|not a number"):
        P.quantity(text, unit)


def test_update_converts_text_and_keeps_the_original():
    base = Demo()
    new = P.update(base, {"n": "7", "tau-m": "18ms", "rates": "1Hz, 5", "on": "no", "limit": "3", "rule": "soft"})
    assert (new.n, new.tau_m, new.rates, new.on, new.limit, new.rule) == (7, 0.018, (1.0, 5.0), False, 3, "soft")
    assert base == Demo()
    assert P.update(new, {"limit": "none"}).limit is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tau", "1", "did you mean 'tau_m'"),
        ("tau_m", "0", r"tau_m must be > 0 s, got 0"),
        ("tau_m", "nan", "tau_m: 'nan' is not a number"),
        ("tau_m", math.inf, "tau_m must be > 0 s, got inf"),
        ("n", "2.5", "n: 2.5 is not a whole number"),
        ("n", 13, "n must not be 13"),
        ("share", 1.0, "share must be >= 0 and < 1, got 1"),
        ("rates", "1,-1", "rates must be > 0 Hz"),
        ("rates", "", "rates must have at least one value"),
        ("rule", "hebb", "rule must be one of additive, soft; got 'hebb'"),
        ("on", "maybe", "neither yes nor no"),
    ],
)
def test_update_names_what_is_wrong(key, value, message):
    with pytest.raises(ValueError, match=message):
        P.update(Demo(), {key: value})


@given(st.floats(1e-9, 1e3), st.integers(1, 12), st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=4))
def test_dict_round_trip(tau, n, rates):
    p = P.update(Demo(), {"tau_m": tau, "n": n, "rates": rates})
    assert P.from_dict(Demo, P.as_dict(p)) == p


@given(st.floats(1e-6, 1e3))
def test_shown_value_reads_back(tau):
    assert P.quantity(P.text(tau, "s"), "s") == pytest.approx(tau, rel=1e-5)


def test_describe_lists_every_field():
    rows = P.describe(Demo())
    assert [r[0] for r in rows] == [f.name for f in dataclasses.fields(Demo)]
    assert rows[1][1] == "10ms" and "additive|soft" in rows[4][2]


def test_unknown_bound_is_a_programming_error():
    with pytest.raises(TypeError, match="unknown bound"):
        P.param(1, "x", minimum=0)
