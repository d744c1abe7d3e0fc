"""Every test belongs to one unit, and what is named exists."""

from pathlib import Path

from tests.work_units import FIRST, ONE_UNIT, turn_of, unit_of

ROOT = Path(__file__).parents[2]


def test_named_folders_hold_tests() -> None:
    for folder in {*FIRST, *(folder for folders in ONE_UNIT for folder in folders)}:
        assert list((ROOT / folder).glob("test_*.py")), folder


def test_a_file_is_a_unit_unless_its_folder_is() -> None:
    assert unit_of("tests/store/test_gc.py::test_x[tests/plugin/a::b]") == "tests/store/test_gc.py"
    assert unit_of("tests/integration/test_a.py::test_x") == unit_of("tests/integration/test_b.py::test_y")
    assert unit_of("tests/operators/test_a.py::test_x") == unit_of("tests/plugin/deep/test_b.py::test_y")
    assert unit_of("tests/integration/test_a.py::test_x") != unit_of("tests/plugin/test_a.py::test_x")


def test_the_longest_come_first() -> None:
    others = [
        "tests/unit/a/test_b.py::test_c",
        "tests/integrations/test_b.py::test_c",
        "tests/networks/test_b.py::test_c",
    ]
    assert sorted(others, key=turn_of)[0] == others[2]
    assert turn_of(others[0]) == turn_of(others[1])
