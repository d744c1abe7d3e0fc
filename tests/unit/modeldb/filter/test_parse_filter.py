"""A filter's text becomes a syntax tree, or an error that shows where and says what to write."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.modeldb.filter import FilterQuery, parse_filter, write_filter
from mistique_core.modeldb.filter.fields import FACTS, FieldType
from mistique_core.modeldb.filter.syntax import (
    And,
    Comparison,
    Field,
    HasTag,
    IsNull,
    Like,
    Not,
    Now,
    OneOf,
    Operator,
    Or,
    Order,
)

AUC = Field("metrics", "auc")
DEPTH = Field("params", "max_depth")


def test_the_filter_of_the_documentation() -> None:
    text = "metrics.auc > 0.9 and params.max_depth < 6 and not tags.draft order by metrics.auc desc, started limit 20"
    conditions = (
        Comparison(AUC, Operator.GREATER, 0.9),
        Comparison(DEPTH, Operator.LESS, 6),
        Not(HasTag(Field("tags", "draft"))),
    )
    order = (Order(AUC, True), Order(Field("", "started"), False))
    assert parse_filter(text) == FilterQuery(And(conditions), order, 20)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_filter_is_all_runs(text: str) -> None:
    assert parse_filter(text) == FilterQuery()


def test_or_binds_weaker_than_and_and_not_stronger() -> None:
    a, b, c = (Comparison(Field("metrics", name), Operator.EQUAL, 1) for name in "abc")
    assert parse_filter("metrics.a = 1 or not metrics.b = 1 and metrics.c = 1").where == Or((a, And((Not(b), c))))
    assert parse_filter("(metrics.a = 1 or metrics.b = 1) and metrics.c = 1").where == And((Or((a, b)), c))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('metrics."val loss" <= -1e-3', Comparison(Field("metrics", "val loss"), Operator.LESS_EQUAL, -0.001)),
        ("metrics.`a``b` == 2", Comparison(Field("metrics", "a`b"), Operator.EQUAL, 2)),
        ("metrics.precision@5>.5", Comparison(Field("metrics", "precision@5"), Operator.GREATER, 0.5)),
        ("params.model.max_depth <> 3", Comparison(Field("params", "model.max_depth"), Operator.NOT_EQUAL, 3)),
        ("params.bootstrap = TRUE", Comparison(Field("params", "bootstrap"), Operator.EQUAL, True)),
        ("type = 'Forest''s'", Comparison(Field("", "type"), Operator.EQUAL, "Forest's")),
        ('state = "success"', Comparison(Field("", "state"), Operator.EQUAL, "success")),
        ("state not in ('failed', 'running')", OneOf(Field("", "state"), ("failed", "running"), True)),
        ("dag_id LIKE 'zillow%'", Like(Field("", "dag_id"), "zillow%")),
        ("params.kernel not like 'r%'", Like(Field("params", "kernel"), "r%", True)),
        ("metric.auc is null", IsNull(AUC)),
        ("metrics.auc IS NOT NULL", IsNull(AUC, True)),
        ("started > now - 7d", Comparison(Field("", "started"), Operator.GREATER, Now(-7 * 86400.0))),
        ("ended_at < now+1.5h", Comparison(Field("", "ended"), Operator.LESS, Now(5400.0))),
        ("started >= '2026-11-01T12:00'", Comparison(Field("", "started"), Operator.GREATER_EQUAL, "2026-11-01T12:00")),
        ("metadata.owner.name = 'bob'", Comparison(Field("metadata", "owner.name"), Operator.EQUAL, "bob")),
    ],
)
def test_conditions(text: str, condition: object) -> None:
    assert parse_filter(text).where == condition


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("metrics.auc > 0.9 nad tags.draft", 19, "should end here"),
        ("metrcs.auc > 0.9", 1, "did you mean 'metrics'?"),
        ("stat = 'success'", 1, "did you mean 'state'"),
        ("state = success", 9, "quote text: 'success'"),
        ("state = 3", 9, "state is a text; compare it with a text"),
        ("metrics.auc = 'high'", 15, "metrics.auc is a number; compare it with a number"),
        ("metrics.auc = true", 15, "compare it with a number"),
        ("metrics.auc like 'a%'", 13, "is not a text"),
        ("metrics.auc", 1, "compared with nothing"),
        ("metrics.auc 0.9", 13, "an operator must stand here"),
        ("metrics. > 1", 9, "a name must follow 'metrics.'"),
        ("metrics.auc > 0.9 and", 22, "a field must stand here"),
        ("metrics.auc > 0.9 and and", 23, "a field must stand here"),
        ("(metrics.auc > 0.9", 19, "close the parenthesis"),
        ("metrics.auc in 1", 16, "in (1, 2, 3)"),
        ("metrics.auc in ()", 17, "a value must stand here"),
        ("metrics.auc not > 1", 17, "put not before metrics.auc"),
        ("metrics.auc is 3", 16, "is not null"),
        ("tags.draft = 1", 12, "tags.draft has no value"),
        ("state = 'open", 9, "never closed"),
        ("state = 'a' ; drop table run", 13, "';' means nothing here"),
        ("started > '2026-13-01'", 11, "started is a date; write '2026-11-01'"),
        ("started > now - 7", 17, "a duration must stand here"),
        ("started > now - 7ms", 17, "a duration must stand here"),
        ("params.x > now", 12, "compare it with a number, a text"),
        ("order metrics.auc", 7, "'by' must stand here"),
        ("order by tags.draft", 10, "a tag gives no order"),
        ("order by", 9, "a field must stand here"),
        ("limit 0", 7, "a whole number from 1"),
        ("limit 2.5", 7, "a whole number from 1"),
        ("state = 'a\0'", 11, "no character of a text"),
    ],
)
def test_errors_show_the_place_and_a_remedy(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_filter(text)
    first, excerpt, caret = str(caught.value).split("\n")
    assert first.startswith(f"filter, character {position}: ")
    assert says in first
    assert len(caret) == position + 2, excerpt


def test_the_caret_stands_below_the_right_line_and_long_lines_are_cut() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_filter("metrics.auc > 0.9\nand " + "metrics.auc > 0.9 and " * 20 + "stat = 'a'\norder by started")
    _, excerpt, caret = str(caught.value).split("\n")
    assert len(excerpt) <= 102
    assert excerpt[len(caret) - 1 :].startswith("stat = 'a'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(" * 51 + "metrics.auc > 1" + ")" * 51, "nested more than 50 deep"),
        ("not " * 2000 + "metrics.auc > 1", "nested more than 50 deep"),
        (" or ".join(["metrics.auc > 1"] * 201), "more than 200 conditions"),
        ("metrics.auc > 1 or " * 1000, "at most 10000"),
    ],
)
def test_filters_too_large_to_answer_are_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_filter(text)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.one_of(st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False))
moments = st.one_of(
    st.just("2026-11-01"),
    st.just("2026-11-01T12:00:30+02:00"),
    st.builds(Now, st.integers(-(10**6), 10**6).map(float)),
)
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.NUMBER: numbers,
    FieldType.TEXT: texts,
    FieldType.TIME: moments,
    FieldType.ANY: st.one_of(numbers, texts, st.booleans()),
}


@st.composite
def single_tests(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from([*VALUES, FieldType.FLAG]))
    if kind is FieldType.FLAG:
        return HasTag(Field("tags", draw(names)))
    if kind is FieldType.ANY:
        field = Field(draw(st.sampled_from(["params", "metadata"])), draw(names))
    elif kind is FieldType.NUMBER and draw(st.booleans()):
        field = Field("metrics", draw(names))
    else:
        field = Field("", draw(st.sampled_from([name for name, type_ in FACTS.items() if type_ is kind])))
    shapes = [
        st.builds(Comparison, st.just(field), st.sampled_from(Operator), VALUES[kind]),
        st.builds(OneOf, st.just(field), st.lists(VALUES[kind], min_size=1, max_size=3).map(tuple), st.booleans()),
        st.builds(IsNull, st.just(field), st.booleans()),
    ]
    if kind in (FieldType.TEXT, FieldType.ANY):
        shapes.append(st.builds(Like, st.just(field), texts, st.booleans()))
    return draw(st.one_of(shapes))


def several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, parts), st.builds(Or, parts))


conditions = st.recursive(single_tests(), several, max_leaves=8)
fields = st.one_of(st.builds(Field, st.just("metrics"), names), st.sampled_from([*FACTS]).map(lambda n: Field("", n)))
queries = st.builds(
    FilterQuery,
    st.none() | conditions,
    st.lists(st.builds(Order, fields, st.booleans()), max_size=3).map(tuple),
    st.none() | st.integers(1, 10**6),
)


@given(queries)
def test_a_tree_written_and_read_is_the_same_tree(query: FilterQuery) -> None:
    assert parse_filter(write_filter(query)) == query


@given(st.text(string.printable, max_size=60) | st.text(max_size=30))
def test_any_text_is_read_or_refused_with_an_explanation(text: str) -> None:
    try:
        query = parse_filter(text)
    except InvalidInputError as error:
        message = str(error)
    else:
        message = ""
        assert parse_filter(write_filter(query)) == query
    assert message == "" or "\n" in message
    message.encode()
