"""The private interfaces of other libraries still do what is asked of them."""

from common.compat import expand_sweep


def test_a_sweep_is_every_combination_in_order():
    assert expand_sweep(["a=1,2", "b=x", "c=range(0,2)"]) == [
        ("a=1", "b=x", "c=0"),
        ("a=1", "b=x", "c=1"),
        ("a=2", "b=x", "c=0"),
        ("a=2", "b=x", "c=1"),
    ]
