"""Make SQL conditions on ``experiment_run`` from a filter. Every value of the filter is a bound parameter.

A run may have several values of a name, one a stage: a condition holds if it holds for one of them, and the order takes
the largest of them if it descends and the smallest if it ascends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from mistique_core.catalogue.modeldb_tables import fit_facts, hyperparameter, metric, tag, transformer
from mistique_core.catalogue.tables import experiment, experiment_run, model, model_version, project, stage
from mistique_core.modeldb.filter.fields import FieldType, field_type
from mistique_core.modeldb.filter.json_value import JsonValue
from mistique_core.modeldb.filter.main_type import main_type
from mistique_core.modeldb.filter.moment import parse_moment
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
    Value,
)

Test = Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]

_TEXT_LENGTH = 200
_RUN = experiment_run.c.id
_VERSIONS = model_version.join(model).join(project)
_COMPARE: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: lambda left, right: left == right,
    Operator.NOT_EQUAL: lambda left, right: left != right,
    Operator.LESS: lambda left, right: left < right,
    Operator.LESS_EQUAL: lambda left, right: left <= right,
    Operator.GREATER: lambda left, right: left > right,
    Operator.GREATER_EQUAL: lambda left, right: left >= right,
}


class RunFilter:
    """Compiles conditions and orders of one question.

    Parameters
    ----------
    names
        Name of a metric or hyperparameter -> its number; those that no run has are left out.
    now
        Unix seconds that ``now`` stands for.
    dialect
        ``sqlite`` or ``postgresql``.
    """

    def __init__(self, names: Mapping[str, int], now: float, dialect: str) -> None:
        self._names = names
        self._now = now
        self._dialect = dialect

    # ---------------------------------------------------------------- conditions

    def condition(self, condition: Condition) -> sa.ColumnElement[bool]:
        """Return whether a run fulfils a condition: true or false, never NULL."""
        match condition:
            case And(parts):
                return sa.and_(*map(self.condition, parts))
            case Or(parts):
                return sa.or_(*map(self.condition, parts))
            case Not(part):
                return sa.not_(self.condition(part))
            case HasTag(field):
                return self._has_tag(lambda name: name == field.name)
            case IsNull(field, is_negated):
                has_value = self._any(field)
                return has_value if is_negated else sa.not_(has_value)
            case Like(field, pattern, is_negated):
                return self._matches(field, pattern, is_negated)
            case OneOf(field, values, False):
                return sa.or_(*(self._compared(field, Operator.EQUAL, value) for value in values))
            case OneOf(field, values):
                return self._none_of(field, values)
            case Comparison(field, operator, value):
                return self._compared(field, operator, value)

    def _compared(self, field: Field, operator: Operator, value: Value) -> sa.ColumnElement[bool]:
        if field_type(field) is FieldType.TIME:
            return self._holds(field, lambda column: self._at(column, operator, value), "number")
        assert not isinstance(value, Now)
        kind = "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        operand = value if isinstance(value, str) else float(value)
        if isinstance(operand, str) and field.group == "params":
            operand = operand[:_TEXT_LENGTH]
        is_ordered = operator not in (Operator.EQUAL, Operator.NOT_EQUAL)

        def test(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
            if kind == "text":
                column = self._by_bytes(column) if is_ordered else column
            else:
                column = sa.type_coerce(column, sa.Float)  # PostgreSQL would round 0.5 to compare it with an integer
            result: sa.ColumnElement[bool] = _COMPARE[operator](column, operand)
            return result

        return self._holds(field, test, kind)

    def _by_bytes(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Order texts as SQLite does, whatever the language of a PostgreSQL server."""
        return column if self._dialect == "sqlite" else sa.collate(column, "C")

    def _none_of(self, field: Field, values: tuple[Value, ...]) -> sa.ColumnElement[bool]:
        if field.group == "metadata":  # there is only one value
            among = sa.or_(*(self._compared(field, Operator.EQUAL, value) for value in values))
            return sa.and_(self._any(field), sa.not_(among))
        if field_type(field) is FieldType.TIME:

            def outside(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
                return sa.and_(*(self._at(column, Operator.NOT_EQUAL, value) for value in values))

            return self._holds(field, outside, "number")
        if field.group == "params":
            return self._exists(hyperparameter, field.name, lambda row: _outside_params(row, values))
        if field_type(field) is FieldType.NUMBER:
            # PostgreSQL takes the type of the first for all: beside an integer, 0.95 would be 1.
            numbers = [float(value) for value in values if isinstance(value, int | float)]
            return self._holds(field, lambda column: sa.type_coerce(column, sa.Float).not_in(numbers), "number")
        return self._holds(field, lambda column: column.not_in(values), "text")

    def _matches(self, field: Field, pattern: str, is_negated: bool) -> sa.ColumnElement[bool]:
        def test(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
            escaped = pattern.replace("\\", "\\\\")
            return column.not_ilike(escaped, escape="\\") if is_negated else column.ilike(escaped, escape="\\")

        return self._holds(field, test, "text")

    def _at(self, column: sa.ColumnElement[Any], operator: Operator, value: Value) -> sa.ColumnElement[bool]:
        """Compare a time with a moment, or with a day, minute or second from its first moment to its last."""
        moment = parse_moment(value) if isinstance(value, str) else None
        if moment is None:
            assert isinstance(value, Now)
            moment = (self._now + value.seconds,) * 2
        first, after = moment
        if first == after:
            return sa.func.coalesce(_COMPARE[operator](column, first), sa.false())
        within = sa.and_(column >= first, column < after)
        compared = {
            Operator.EQUAL: within,
            Operator.NOT_EQUAL: sa.not_(within),
            Operator.LESS: column < first,
            Operator.LESS_EQUAL: column < after,
            Operator.GREATER: column >= after,
            Operator.GREATER_EQUAL: column >= first,
        }
        return sa.func.coalesce(compared[operator], sa.false())

    # ---------------------------------------------------------------- values of a run

    def _any(self, field: Field) -> sa.ColumnElement[bool]:
        """Return whether the run has a value of the field."""
        if field.group == "metadata":
            return sa.not_(self._json(field).is_missing())
        kind = "number" if field_type(field) in (FieldType.NUMBER, FieldType.TIME) else "text"
        if field.group == "params":
            return self._exists(hyperparameter, field.name, lambda row: sa.true())
        return self._holds(field, lambda column: column.is_not(None), kind)

    def _holds(self, field: Field, test: Test, kind: str) -> sa.ColumnElement[bool]:
        """Return whether the run has a value of the field, of that kind, that passes the test."""
        if field.group == "metrics":
            return self._exists(metric, field.name, lambda row: test(row.c.value))
        if field.group == "params":
            return self._exists(hyperparameter, field.name, lambda row: _typed(row, test, kind))
        if field.group == "metadata":
            return getattr(self._json(field), kind)(test)  # type: ignore[no-any-return]
        if field.name == "tag":
            return self._has_tag(test)
        source = _facts().get(field.name)
        if source is not None:
            rows, column = source
            return rows.where(test(column)).exists()
        if field.name == "project":
            # A run's experiment says it; the run of a script that named none belongs where its models do.
            made = sa.select(1).select_from(_VERSIONS).where(model_version.c.run_id == _RUN)
            return sa.or_(
                _of_experiment(test(project.c.name), with_project=True), made.where(test(project.c.name)).exists()
            )
        if field.name == "experiment":
            return _of_experiment(test(experiment.c.name), with_project=False)
        return sa.func.coalesce(test(_run_column(field)), sa.false())

    def _exists(
        self, table: sa.Table, name: str, test: Callable[[sa.FromClause], sa.ColumnElement[bool]]
    ) -> sa.ColumnElement[bool]:
        number = self._names.get(name)
        if number is None:
            return sa.false()
        row = table.alias()
        return sa.exists().where(row.c.run_id == _RUN, row.c.name_id == number, row.c.is_own, test(row))

    def _has_tag(self, test: Test) -> sa.ColumnElement[bool]:
        versions = sa.select(model_version.c.id).where(model_version.c.run_id == _RUN).correlate(experiment_run)
        of_run = sa.and_(tag.c.entity == "run", tag.c.entity_id == _RUN)
        of_version = sa.and_(tag.c.entity == "version", tag.c.entity_id.in_(versions))
        return sa.exists().where(sa.or_(of_run, of_version), test(tag.c.name)).correlate(experiment_run)

    def _json(self, field: Field) -> JsonValue:
        return JsonValue(experiment_run.c.metadata, field.name, self._dialect)

    # ---------------------------------------------------------------- order

    def order(self, key: Order) -> list[sa.ColumnElement[Any]]:
        """Return what to order runs by for one key; runs without a value come last."""
        keys = self.values(key)
        if field_type(key.field) is FieldType.TEXT:
            keys = [self._by_bytes(column) for column in keys]
        return [(column.desc() if key.is_descending else column.asc()).nulls_last() for column in keys]

    def values(self, key: Order) -> list[sa.ColumnElement[Any]]:
        """Return the values that order runs, one a run: of a hyperparameter its number, and its text."""
        field = key.field
        best = sa.func.max if key.is_descending else sa.func.min
        if field.group in ("metrics", "params"):
            table = metric if field.group == "metrics" else hyperparameter
            number = self._names.get(field.name)
            if number is None:
                return []
            row = table.alias()
            values: list[sa.ColumnElement[Any]] = [row.c.value]
            if field.group == "params":
                values = [_without_index(row, column) for column in (row.c.number, row.c.text)]
            return [
                sa.select(best(value))
                .where(row.c.run_id == _RUN, row.c.name_id == number, row.c.is_own)
                .correlate(experiment_run)
                .scalar_subquery()
                for value in values
            ]
        if field.group == "metadata":
            return [self._json(field).order_number(), self._json(field).order_text()]
        if field.name == "tag":
            tagged = sa.select(best(tag.c.name)).where(tag.c.entity == "run", tag.c.entity_id == _RUN)
            return [tagged.correlate(experiment_run).scalar_subquery()]
        if field.name == "type":
            return [main_type()]
        source = _facts().get(field.name)
        if source is not None:
            rows, column = source
            return [rows.with_only_columns(best(column)).scalar_subquery()]
        if field.name in ("project", "experiment"):
            column = project.c.name if field.name == "project" else experiment.c.name
            named = (
                sa.select(column)
                .select_from(experiment.join(project))
                .where(experiment.c.id == experiment_run.c.experiment_id)
                .correlate(experiment_run)
            )
            return [named.scalar_subquery()]
        return [_run_column(field)]


def _typed(row: sa.FromClause, test: Test, kind: str) -> sa.ColumnElement[bool]:
    """Test a hyperparameter of one type."""
    if kind == "text":
        return test(_without_index(row, row.c.text))
    is_bool = row.c.kind == "bool"
    return test(sa.case((is_bool if kind == "truth" else sa.not_(is_bool), row.c.number)))


def _without_index(row: sa.FromClause, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a value of a hyperparameter as an expression, so that SQLite looks it up by run and name.

    The indices by value would give it the values of all runs first.
    """
    return sa.case((row.c.kind != "json", column))


def _outside_params(row: sa.FromClause, values: tuple[Value, ...]) -> sa.ColumnElement[bool]:
    texts = [value[:_TEXT_LENGTH] for value in values if isinstance(value, str)]
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    truths = [float(value) for value in values if isinstance(value, bool)]
    is_bool = row.c.kind == "bool"
    among: list[sa.ColumnElement[bool]] = [row.c.text.in_(texts)] if texts else []
    among += [sa.and_(sa.not_(is_bool), row.c.number.in_(numbers))] if numbers else []
    among += [sa.and_(is_bool, row.c.number.in_(truths))] if truths else []
    return sa.not_(sa.func.coalesce(sa.or_(*among), sa.false()))


def _of_experiment(test: sa.ColumnElement[bool], *, with_project: bool) -> sa.ColumnElement[bool]:
    rows = experiment.join(project) if with_project else experiment
    found = sa.select(1).select_from(rows).where(experiment.c.id == experiment_run.c.experiment_id, test)
    return found.correlate(experiment_run).exists()


def _run_column(field: Field) -> sa.ColumnElement[Any]:
    names = {"started": "started_at", "ended": "ended_at"}
    if field.name == "seconds":
        return experiment_run.c.ended_at - experiment_run.c.started_at
    column: sa.ColumnElement[Any] = experiment_run.c[names.get(field.name, field.name)]
    return column


def _facts() -> dict[str, tuple[sa.Select[Any], sa.ColumnElement[Any]]]:
    """Return fact -> (rows of a run, column), of facts that a run may have several of."""
    versions = sa.select(1).select_from(_VERSIONS).where(model_version.c.run_id == _RUN).correlate(experiment_run)
    fitted = sa.select(1).where(transformer.c.run_id == _RUN).correlate(experiment_run)
    of_facts = (
        sa.select(1)
        .select_from(transformer.join(fit_facts))
        .where(transformer.c.run_id == _RUN)
        .correlate(experiment_run)
    )
    stages = (
        sa.select(1)
        .select_from(stage.join(model_version, model_version.c.id == stage.c.model_version_id))
        .where(model_version.c.run_id == _RUN)
        .correlate(experiment_run)
    )
    return {
        "model": (versions, model.c.name),
        "version": (versions, model_version.c.number),
        "life": (versions, model_version.c.life_stage),
        "type": (fitted.select_from(transformer), transformer.c.type_name),
        "problem": (of_facts, fit_facts.c.problem_type),
        "kind": (stages, stage.c.kind),
    }
