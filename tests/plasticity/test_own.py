"""Rules in the user's own files: found, told apart, refused with a reason, of the same bits as built-in ones."""

from dataclasses import dataclass

import pytest

from firstspike.plasticity.rules import order, trace
from firstspike.plasticity.rules.own import find_rule, make_rule

HEBB = """
from dataclasses import dataclass
from firstspike.plasticity.rules.trace import Additive   # a built-in in the file does not count

@dataclass
class Hebb:
    a_plus: float = 0.01
    loss: float = 0.003
    tau_plus: float = 20e-3

    @staticmethod
    def on_post(w, pre_trace, p):
        return w + p.a_plus * pre_trace - p.loss * w
"""


def test_found_by_name_file_and_class(tmp_path):
    file = tmp_path / "hebb.py"
    file.write_text(HEBB)
    assert find_rule("pair", trace.RULES, trace.ACTIONS) is trace.Pair
    assert find_rule("stdp", order.RULES, order.ACTIONS) is order.OrderSTDP
    for name in (str(file), f"{file}:Hebb"):
        assert find_rule(name, trace.RULES, trace.ACTIONS).__name__ == "Hebb"


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        (None, "", "does not exist"),
        ("x = 1", "", "there is none"),
        ("1 / 0", "", "does not run: ZeroDivisionError"),
        (HEBB, ":Other", "has no rule 'Other'; it has Hebb"),
        (HEBB + HEBB.replace("Hebb", "Second"), "", "there is several: Hebb, Second"),
    ],
)
def test_refusals_say_why(text, suffix, message, tmp_path):
    file = tmp_path / "rule.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=message):
        find_rule(f"{file}{suffix}", trace.RULES, trace.ACTIONS)


def test_unknown_name():
    with pytest.raises(ValueError, match="one of additive, soft_bound, pair, nearest_pair, reduced_pair, or FILE.py"):
        find_rule("hebb", trace.RULES, trace.ACTIONS)


def test_settings_go_where_there_are_fields():
    @dataclass
    class Rule:
        a_plus: float = 1.0
        loss: float = 2.0

    assert make_rule(Rule, {"a_plus": 3.0, "w_out": 9.0}, "loss=0.5") == Rule(3.0, 0.5)
    with pytest.raises(ValueError, match="no parameter 'los'; Rule has a_plus, loss"):
        make_rule(Rule, {}, "los=1")
    with pytest.raises(ValueError, match="loss must be a number, got 'x'"):
        make_rule(Rule, {}, "loss=x")
