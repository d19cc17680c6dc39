"""Parameters and search spaces."""

from dataclasses import replace

from bench.core.method import MethodSpec, Needs, Parameter

SPEC = MethodSpec(
    name="m",
    version=1,
    summary="",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("C", 1.0, "", low=0.1, high=10.0),
        Parameter("kind", "a", "", choices=("a", "b")),
        Parameter("on", False, ""),
        Parameter("k", 3, "", low=1),
    ),
    search_space=({}, {"C": 2.0}, {"C": 2.0, "kind": "b"}),
)


def test_mistakes_are_found_together():
    given = {"C": 99.0, "kind": "c", "on": 1, "k": 0, "kk": 1}
    found = dict(SPEC.mistakes(given))
    assert found == {
        "C": "99.0 is above 10",
        "kind": "'c' is not one of 'a', 'b'",
        "on": "1 is not a bool",
        "k": "0 is below 1",
        "kk": "unknown parameter; did you mean 'k'?",
    }
    assert SPEC.mistakes({"C": 1, "k": 5, "on": True}) == []
    assert SPEC.mistakes({"k": True}) == [("k", "True is not a int")]


def test_points_that_differ_in_nothing_that_is_looked_at_are_one():
    kind, strength = Parameter("kind", "a", "", choices=("a", "b")), Parameter("C", 1.0, "")
    of_b = Parameter("k", 3, "", where={"kind": ("b",)})
    points = ({}, {"k": 4}, {"C": 2.0}, {"k": 4, "C": 2.0}, {"kind": "b"}, {"kind": "b", "k": 4})
    spec = replace(SPEC, parameters=(kind, strength, of_b), search_space=points)
    assert [(p["kind"], p["C"], p["k"]) for p in spec.points({}, 10)] == [
        ("a", 1.0, 3),
        ("a", 2.0, 3),
        ("b", 1.0, 3),
        ("b", 1.0, 4),
    ]
    assert [p["k"] for p in spec.points({"kind": "b"}, 2)] == [3, 4]
    assert len(spec.points({"kind": "a"}, 10)) == 2


def test_points_start_with_the_defaults():
    assert SPEC.points({}, 10)[0] == SPEC.defaults
    assert len(SPEC.points({}, 10)) == 3
    assert len(SPEC.points({}, 2)) == 2


def test_a_pinned_parameter_is_not_searched():
    points = SPEC.points({"C": 5.0}, 10)
    assert [point["C"] for point in points] == [5.0, 5.0]
    assert [point["kind"] for point in points] == ["a", "b"]
