"""What a filter finds is what the same question of plain Python values finds, on both databases."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mistique_core.catalogue import Catalogue
from mistique_core.catalogue.modeldb_tables import tag
from mistique_core.catalogue.tables import model_version
from mistique_core.errors import InvalidInputError
from mistique_core.model.event import StageEvent, StageKind, TransformerEntity
from mistique_core.model.fit_facts import FitFacts, ProblemType
from mistique_core.modeldb.filter import FilterQuery
from mistique_core.modeldb.filter.syntax import (
    And,
    Comparison,
    Condition,
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
from mistique_core.modeldb.search import search_runs
from tests.unit.modeldb.recording import empty_catalogue, record

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


@dataclass
class Known:
    """One run, as plain values: field -> all the values that it has."""

    values: dict[str, list[Any]]
    tags: set[str] = field(default_factory=set)
    id: int = 0


def day(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


RUNS = [
    # metrics of each stage, hyperparameters of each stage, facts, run's tags, version's tags
    ([{"auc": 0.95, "loss": 1.0}], [{"max_depth": 3, "kernel": "rbf"}], {"type": "SVC", "started": "2026-11-01T10:00"}),
    ([{"auc": 0.95}, {"auc": 0.5}], [{"max_depth": 8}], {"type": "Forest", "started": "2026-11-02", "state": "failed"}),
    ([{"auc": 0.7, "val loss": 2}], [{"max_depth": 3.5, "warm": True}], {"started": "2026-11-02T23:59:59"}),
    ([{"loss": -1.5}], [{"warm": False, "kernel": "Linear"}], {"started": "2026-11-03", "metadata": {"a": {"b": 2}}}),
    ([{"loss": 0.0}], [{"kernel": None, "max_depth": [1]}], {"started": None, "metadata": {"a": {"b": "two"}}}),
    ([], [{"warm": 1, "name": "x" * 300}], {"started": "2026-11-19", "author": "ann", "metadata": {"a": True}}),
    ([{"auc": 0.2}], [], {"started": "2026-11-10", "author": "bob", "project": "B", "state": "running"}),
    ([{"auc": math.inf}], [{"max_depth": 0}], {"started": "2026-11-11", "description": "100%_odd\\é"}),
]
TAGS = [({"draft"}, set()), (set(), {"best"}), ({"draft"}, {"best"}), *[(set(), set())] * 5]


def fill(catalogue: Catalogue) -> list[Known]:
    known = []
    for number, (metrics, hyperparameters, facts) in enumerate(RUNS):
        facts = {"project": "A", "state": "success", "author": None, "metadata": None, **facts}
        project, type_name = facts.pop("project"), facts.pop("type", None)
        started = facts.pop("started")
        started_at = None if started is None else day(started)
        events = []
        for values in metrics:
            events.append(StageEvent(StageKind.METRIC, "measure", "evaluate", "evaluate", metrics=values))
        for values in hyperparameters:
            fitted = {} if type_name is None else {"": TransformerEntity(FitFacts(type_name, ProblemType.REGRESSION))}
            events.append(
                StageEvent(StageKind.FIT, "fit", "fit", "fit", hyperparameters=values, fitted=fitted, metrics_of=None)
            )
        hidden = StageEvent(
            StageKind.FIT, "part", "fit", "fit", metrics={"auc": 0.99}, hyperparameters={"warm": True}, parent=None
        )
        whole = StageEvent(StageKind.GRID_SEARCH, "search", "search", "search")
        hidden.parent = whole
        if number == 0:
            events += [whole, hidden]
        run = record(catalogue, project, "m", events, ended_at=(started_at or 0) + number, **facts)
        of_run, of_version = TAGS[number]
        with catalogue.write() as connection:
            connection.execute(
                sa.text("update experiment_run set started_at = :at where id = :id"), {"at": started_at, "id": run}
            )
            version = connection.scalar(sa.select(model_version.c.id).where(model_version.c.run_id == run))
            rows = [{"entity": "run", "entity_id": run, "name": name} for name in of_run]
            rows += [{"entity": "version", "entity_id": version, "name": name} for name in of_version]
            for row in rows:
                connection.execute(sa.insert(tag).values(row))
        values: dict[str, list[Any]] = {}
        for group, stages in (("metrics", metrics), ("params", hyperparameters)):
            for stage in stages:
                for name, value in stage.items():
                    values.setdefault(f"{group}.{name}", []).append(value)
        values["project"], values["state"] = [project], [facts["state"]]
        for name in ("author", "description"):
            values[name] = [] if facts.get(name) is None else [facts[name]]
        values["type"] = [] if type_name is None or not hyperparameters else [type_name]
        values["kind"] = [event.kind.value for event in events]
        values["started"] = [] if started_at is None else [started_at]
        values["seconds"] = [] if started_at is None else [float(number)]
        document = facts["metadata"] or {}
        inner = document.get("a")
        values["metadata.a"] = [] if inner is None else [inner]
        values["metadata.a.b"] = [inner["b"]] if isinstance(inner, dict) else []
        known.append(Known(values, of_run | of_version, run))
    return known


# ------------------------------------------------------------------ the same question of plain values


def holds(run: Known, condition: Condition) -> bool:
    match condition:
        case And(parts):
            return all(holds(run, part) for part in parts)
        case Or(parts):
            return any(holds(run, part) for part in parts)
        case Not(part):
            return not holds(run, part)
        case HasTag(tagged):
            return tagged.name in run.tags
        case IsNull(about, is_negated):
            return bool(values_of(run, about)) == is_negated
        case Like(about, pattern, is_negated):
            texts = [text for value in values_of(run, about) if (text := as_text(about, value)) is not None]
            return any(like(text, pattern) != is_negated for text in texts)
        case OneOf(about, values, False):
            return any(compares(about, found, Operator.EQUAL, one) for found in values_of(run, about) for one in values)
        case OneOf(about, values):
            return any(
                not any(compares(about, found, Operator.EQUAL, one) for one in values)
                for found in values_of(run, about)
            )
        case Comparison(about, operator, value):
            return any(compares(about, found, operator, value) for found in values_of(run, about))


def values_of(run: Known, about: Field) -> list[Any]:
    return run.values.get(f"{about.group}.{about.name}" if about.group else about.name, [])


def as_text(about: Field, value: Any) -> str | None:
    """Hyperparameters are also found as texts, of 200 characters; in metadata a text is only found as one."""
    if isinstance(value, str):
        return value[:200]
    if about.group != "params" or not isinstance(value, int | float):
        return None
    return str(value).lower() if isinstance(value, bool) else repr(value)


def compares(about: Field, found: Any, operator: Operator, value: Any) -> bool:
    if about.name == "started":
        low, high = interval(value)
        if operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            within = found == low if low == high else low <= found < high
            return within == (operator is Operator.EQUAL)
        if low == high:
            return plain(operator, found, low)
        return {"<": found < low, "<=": found < high, ">": found >= high, ">=": found >= low}[operator]
    if isinstance(value, str):
        text = as_text(about, found)
        return text is not None and plain(operator, text.encode(), value[:200].encode())
    if isinstance(value, bool) != isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return plain(operator, float(found), float(value))


def plain(operator: Operator, left: Any, right: Any) -> bool:
    return bool(
        {"=": left == right, "!=": left != right, "<": left < right, "<=": left <= right, ">": left > right}.get(
            operator, left >= right
        )
    )


def interval(value: str | Now) -> tuple[float, float]:
    if isinstance(value, Now):
        return NOW + value.seconds, NOW + value.seconds
    return day(value), day(value) + {10: 86400, 16: 60, 19: 1}[len(value)]


def like(text: str, pattern: str) -> bool:
    escaped = "".join({"%": "*", "_": "?"}.get(c, f"[{c}]" if c in "*?[" else c) for c in pattern.lower())
    return fnmatch.fnmatchcase(text.lower(), escaped)


# ------------------------------------------------------------------ questions

TEXTS = st.sampled_from(["success", "failed", "SVC", "Forest", "A", "rbf", "linear", "ann", "3", "two", "é", "x" * 300])
PATTERNS = st.sampled_from(["%", "s%", "%A%", "_BF", "%est", "100%", "%\\%", "100%\\_odd%", "%_odd%", "", "3%", "true"])
NUMBERS = st.sampled_from([0, 0.95, 0.5, 3, 3.5, -1.5, 2, 1, 8, 1e300, 0.7])
DAYS = st.sampled_from(
    ["2026-11-01", "2026-11-02", "2026-11-01T10:00", "2026-11-02T23:59:59", Now(0.0), Now(-10 * 86400.0)]
)
OPERATORS = st.sampled_from(Operator)
METRICS = st.sampled_from(["auc", "loss", "val loss", "unknown"]).map(lambda name: Field("metrics", name))
PARAMS = st.sampled_from(["max_depth", "kernel", "warm", "name", "none"]).map(lambda name: Field("params", name))
METADATA = st.sampled_from(["a", "a.b", "c"]).map(lambda name: Field("metadata", name))
FACTS = st.sampled_from(["project", "state", "author", "description", "type", "kind"]).map(lambda name: Field("", name))
STARTED, SECONDS = st.just(Field("", "started")), st.just(Field("", "seconds"))


def about(fields: st.SearchStrategy[Field], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Comparison, fields, OPERATORS, values),
        st.builds(OneOf, fields, several, st.booleans()),
        st.builds(IsNull, fields, st.booleans()),
    )


CONDITIONS = st.recursive(
    st.one_of(
        about(METRICS | SECONDS, NUMBERS),
        about(PARAMS, NUMBERS | TEXTS | st.booleans()),
        about(METADATA, NUMBERS | TEXTS | st.booleans()),
        about(FACTS, TEXTS),
        about(STARTED, DAYS),
        st.builds(Like, PARAMS | FACTS | METADATA, PATTERNS, st.booleans()),
        st.sampled_from(["draft", "best", "no"]).map(lambda name: HasTag(Field("tags", name))),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
KEYS = st.builds(Order, st.one_of(METRICS, STARTED, SECONDS, st.just(Field("", "state"))), st.booleans())
CHECKED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, list[Known]]]:
    catalogue = empty_catalogue(tmp_path_factory.mktemp("search") / "catalogue.db")
    yield catalogue, fill(catalogue)
    catalogue.close()


def check_condition(catalogue: Catalogue, runs: list[Known], condition: Condition) -> None:
    with catalogue.read() as connection:
        page = search_runs(connection, FilterQuery(condition), now=NOW)
    assert {run.id for run in page.runs} == {run.id for run in runs if holds(run, condition)}
    assert page.total == len(page.runs)


@CHECKED
@given(CONDITIONS)
def test_conditions_find_what_plain_values_say(sqlite: tuple[Catalogue, list[Known]], condition: Condition) -> None:
    check_condition(*sqlite, condition)


def test_conditions_on_postgresql(postgres_url: str) -> None:
    with closing(empty_catalogue(postgres_url)) as catalogue:
        runs = fill(catalogue)

        @CHECKED
        @given(CONDITIONS)
        @example(OneOf(Field("", "seconds"), (0, 0.95), True))
        def check(condition: Condition) -> None:
            check_condition(catalogue, runs, condition)

        check()


def expected_order(runs: list[Known], order: tuple[Order, ...]) -> list[int]:
    ids = [run.id for run in runs]
    by_id = {run.id: run for run in runs}
    ids.sort(reverse=order[-1].is_descending)
    for key in reversed(order):
        found = {i: values_of(by_id[i], key.field) for i in ids}
        best = {i: (max if key.is_descending else min)(values) for i, values in found.items() if values}
        ids = _by(ids, best, key.is_descending)
    return ids


def _by(ids: list[int], best: dict[int, Any], is_descending: bool) -> list[int]:
    """Sort stably: `reverse` of Python's sort keeps the order of equals."""
    return sorted((i for i in ids if i in best), key=best.__getitem__, reverse=is_descending) + [
        i for i in ids if i not in best
    ]


@CHECKED
@given(st.lists(KEYS, min_size=1, max_size=3, unique_by=lambda key: key.field).map(tuple), st.integers(1, 5))
def test_orders_and_pages(sqlite: tuple[Catalogue, list[Known]], order: tuple[Order, ...], limit: int) -> None:
    catalogue, runs = sqlite
    found: list[int] = []
    with catalogue.read() as connection:
        for offset in range(0, len(runs) + limit, limit):
            page = search_runs(connection, FilterQuery(order=order), limit=limit, offset=offset)
            assert page.total == len(runs)
            found += [run.id for run in page.runs]
    assert found == expected_order(runs, order)


def test_newest_first_without_an_order_and_a_limit_over_all_pages(sqlite: tuple[Catalogue, list[Known]]) -> None:
    catalogue, runs = sqlite
    newest = sorted(runs, key=lambda run: (run.values["started"] or [math.inf])[0], reverse=True)
    with catalogue.read() as connection:
        assert [run.id for run in search_runs(connection).runs] == [run.id for run in newest]
        second = search_runs(connection, "limit 5", limit=3, offset=3)
    assert [run.id for run in second.runs] == [run.id for run in newest[3:5]]
    assert second.total == 5


def test_a_page_has_the_values_that_were_asked_for(sqlite: tuple[Catalogue, list[Known]]) -> None:
    catalogue, runs = sqlite
    with catalogue.read() as connection:
        page = search_runs(connection, "metrics.auc > 0.9 and params.max_depth > 0 order by params.max_depth")
        other = search_runs(connection, "metrics.auc > 0.9 order by id", columns=["metrics.loss", 'metrics."val loss"'])
    first, second = page.runs
    assert (first.id, first.metrics, first.hyperparameters) == (runs[0].id, {"auc": 0.95}, {"max_depth": 3})
    assert second.metrics == {"measure.auc": 0.95, "measure_2.auc": 0.5}
    assert (first.label, first.project, first.experiment) == ("A.m@1", "A", "Default")
    assert (first.tags, second.tags, first.state) == (("draft",), ("best",), "success")
    assert [run.metrics for run in other.runs] == [{"loss": 1.0}, {}, {}]
    assert [run.hyperparameters for run in other.runs] == [{}, {}, {}]


def test_a_metric_that_no_run_has_is_hinted_at(sqlite: tuple[Catalogue, list[Known]]) -> None:
    catalogue, _ = sqlite
    with catalogue.read() as connection:
        page = search_runs(connection, "metrics.acu > 0.9 order by metrics.acu desc")
    assert (page.total, page.runs) == (0, ())
    assert page.hints == ("no run has metrics.acu; did you mean 'auc'?",)


def test_only_readable_runs_are_found_and_counted(tmp_path: Path) -> None:
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    mine = record(catalogue, "p", "m", [], source="airflow", dag_id="mine")
    record(catalogue, "p", "m", [], source="airflow", dag_id="theirs")
    script = record(catalogue, "p", "m", [])
    with catalogue.read() as connection:
        page = search_runs(connection, "order by id", readable_dags={"mine"})
        assert search_runs(connection, "dag_id = 'theirs'", readable_dags={"mine"}).total == 0
        assert search_runs(connection, readable_dags=set()).total == 1
        assert search_runs(connection).total == 3
    assert ([run.id for run in page.runs], page.total) == ([mine, script], 2)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1001, 0), (10, -1)])
def test_pages_that_are_none(tmp_path: Path, limit: int, offset: int) -> None:
    catalogue = empty_catalogue(tmp_path / "catalogue.db")
    with catalogue.read() as connection, pytest.raises(InvalidInputError, match="1 to 1000"):
        search_runs(connection, limit=limit, offset=offset)
