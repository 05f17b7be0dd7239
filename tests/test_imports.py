"""No module of the package imports, directly or through others, a module that imports it."""

import grimp
import pytest


def find_circles(package: str) -> list[set[str]]:
    """The largest sets of modules that import each other in a circle, without the package's name.

    Imports inside functions count, those under `TYPE_CHECKING` do not.
    """
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    below = {module: graph.find_downstream_modules(module) for module in graph.modules}
    circles = {
        frozenset({module, *(other for other in found if module in below[other])}) for module, found in below.items()
    }
    return [{name.removeprefix(f"{package}.") for name in circle} for circle in circles if len(circle) > 1]


def test_no_modules_import_each_other_in_a_circle():
    assert find_circles("recsys_kit") == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("import kit_of_two.b", "import kit_of_two.a", [{"a", "b"}]),
        ("def f():\n    import kit_of_two.b", "import kit_of_two.a", [{"a", "b"}]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import kit_of_two.b", "import kit_of_two.a", []),
        ("import kit_of_two.b", "", []),
    ],
)
def test_a_circle_is_found(tmp_path, monkeypatch, a, b, expected):
    folder = tmp_path / "kit_of_two"
    folder.mkdir()
    for name, source in {"__init__": "", "a": a, "b": b}.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert find_circles("kit_of_two") == expected
