"""What the pages of ModelDB make of addresses and of what is typed, without a browser."""

from __future__ import annotations

import pytest
from mistique_ui.interactive.modeldb.metadata_document import check_edit, read_document
from mistique_ui.interactive.modeldb.table_view import TableView, merged, names_of, view_of
from mistique_ui.interactive.page import Arguments, written

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.filter import write_filter


@pytest.mark.parametrize(
    "view",
    [
        TableView(),
        TableView(columns=()),
        TableView(
            "metrics.auc > 0.5", "word", True, "params.C", ('metrics."a, b"', "params.C"), (("metrics.auc", True),)
        ),
    ],
)
def test_a_view_is_what_its_address_says(view: TableView) -> None:
    assert view_of(view.arguments()) == view


def test_search_and_filter_are_inverted_together_and_the_project_stays() -> None:
    view = TableView("state = 'failed' order by started limit 5", "ab", inverted=True, sort=(("metrics.auc", True),))
    text = write_filter(view.query("homes"))
    assert text.startswith("project = 'homes' and not (state = 'failed' and (model like '%ab%' or type like '%ab%'")
    assert text.endswith("order by metrics.auc desc limit 5")


def test_a_condition_is_added_once() -> None:
    once = view_of({"filter": "state = 'failed'"}).restricted("type = 'x'")
    assert once == "state = 'failed' and type = 'x'"
    assert TableView(once).restricted("type = 'x'") == once
    assert TableView("life = 'x' or life = 'y'").restricted("type = 'x'") == (
        "(life = 'x' or life = 'y') and type = 'x'"
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sort": "metrics.auc"}, "is no order"),
        ({"columns": "nothing.x"}, "nothing"),
        ({"columns": ", ".join(f"metrics.m{n}" for n in range(41))}, "too many"),
        ({"filter": "x" * 6_000}, "characters"),
    ],
)
def test_an_address_that_cannot_be_read_says_why(said: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        view_of(said)


def test_names_with_commas_are_quoted() -> None:
    assert names_of('metrics."a, b" , params.C') == ['metrics."a, b"', "params.C"]


def test_other_parts_of_an_address_stay() -> None:
    assert merged("?a=1&b=2", {"b": "", "c": "x y"}) == "?a=1&c=x+y"
    assert merged(None, {}) == ""


@pytest.mark.parametrize("numbers", [[1], [1, 2], [1, 2, 3, 7], [5, 3, 4, 10, 11, 20]])
def test_ranges_are_read_as_they_are_written(numbers: list[int]) -> None:
    assert Arguments({}, {"runs": written(numbers)}).numbers("runs") == sorted(numbers)


@pytest.mark.parametrize("text", ["1-", "-3", "5-2", "1,,2", "a", "1-99999999999", "1-2-3"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Arguments({}, {"runs": text}).numbers("runs")


def test_a_range_is_counted_before_it_is_made() -> None:
    with pytest.raises(InvalidInputError, match="too many"):
        Arguments({}, {"runs": "1-2147483647"}).numbers("runs")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"trial": 1}, {"trial": 2}, "'trial' is locked"),
        ({"trial": 1}, {}, "locked"),
        ({"a": {"b": 1}}, {"a": {"b": "1"}}, r"'a\.b' was a number and would become a text"),
        ({"a": True}, {"a": 1}, "was a truth value"),
        ({"a": [1]}, {"a": {}}, "was a list"),
    ],
)
def test_edits_keep_locked_keys_and_types(before: dict[str, object], after: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_edit(before, after, may_change_types=False)


def test_types_change_where_that_is_allowed() -> None:
    check_edit({"a": 1, "b": 1}, {"a": "x", "c": []}, may_change_types=True)
    check_edit({"a": 1}, {"a": 2.5}, may_change_types=False)
    check_edit({"a": None}, {"a": 1}, may_change_types=False)
    with pytest.raises(InvalidInputError, match="locked"):
        check_edit({"search": 1}, {"search": "1"}, may_change_types=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_document(text)
