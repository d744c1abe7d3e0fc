"""Read the text of a filter (recursive descent): a syntax tree, or an error that shows where and what to write."""

from __future__ import annotations

import math

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.model.whole_number import LARGEST, whole_number
from mistique_core.modeldb.filter.fields import ALIASES, FACTS, GROUPS, FieldType, field_type, known_names
from mistique_core.modeldb.filter.moment import parse_moment
from mistique_core.modeldb.filter.syntax import (
    And,
    Comparison,
    Condition,
    Field,
    FilterQuery,
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
from mistique_core.modeldb.filter.tokens import Token, TokenKind, filter_error, tokenize
from mistique_core.modeldb.filter.write import write_field

# filter      = [condition] ["order" "by" key {"," key}] ["limit" NUMBER], where a key is a field, then asc or desc
# condition   = conjunction {"or" conjunction}
# conjunction = factor {"and" factor}
# factor      = "not" factor | "(" condition ")" | test
# test        = TAG | field operator value | field ["not"] "in" "(" value {"," value} ")"
#             | field ["not"] "like" TEXT | field "is" ["not"] "null"
# value       = ["-"] NUMBER | TEXT | "true" | "false" | "now" [("+" | "-") DURATION]

MAX_CONDITIONS = 200
MAX_DEPTH = 50
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_SECONDS = 1e12
_KEYWORDS = (
    "and",
    "or",
    "not",
    "in",
    "like",
    "is",
    "null",
    "order",
    "by",
    "limit",
    "asc",
    "desc",
    "true",
    "false",
    "now",
)
_SHOWN = {FieldType.NUMBER: "a number", FieldType.TEXT: "a text", FieldType.TIME: "a date", FieldType.ANY: "a value"}


def parse_filter(text: str) -> FilterQuery:
    """Return what the text of a filter says; an empty one is all runs.

    Raises
    ------
    InvalidInputError
        If it is not a filter. The message names the character, shows the place with a caret, and says what to write.
    """
    return _Parser(text).query()


def parse_field(text: str) -> Field:
    """Return the field that `text` names, such as ``metrics.auc``.

    Raises
    ------
    InvalidInputError
        If it is not the name of a field.
    """
    parser = _Parser(text)
    field = parser.field()
    parser.end()
    return field


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._conditions = 0
        self._depth = 0

    # ---------------------------------------------------------------- grammar

    def query(self) -> FilterQuery:
        where = None if self._is_word("order", "limit") or self._is_end() else self._condition()
        order: list[Order] = []
        limit = None
        if self._take_word("order"):
            self._expect_word("by", "order by a field, such as: order by metrics.auc desc")
            order.append(self._key())
            while self._take_symbol(","):
                order.append(self._key())
        if self._take_word("limit"):
            limit = self._limit()
        self.end()
        return FilterQuery(where, tuple(order), limit)

    def end(self) -> None:
        if not self._is_end():
            raise self._error("the filter should end here", "join conditions with and / or; quote text in '...'")

    def _condition(self) -> Condition:
        parts = [self._conjunction()]
        while self._take_word("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._factor()]
        while self._take_word("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"conditions are nested more than {MAX_DEPTH} deep", "write it flatter")
        try:
            if self._take_word("not"):
                return Not(self._factor())
            if self._take_symbol("("):
                inner = self._condition()
                self._expect_symbol(")", "close the parenthesis")
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._error(f"more than {MAX_CONDITIONS} conditions", "use in (...) for several values")
        place = self._token
        field = self.field()
        kind = field_type(field)
        if kind is FieldType.FLAG:
            if self._token.kind is TokenKind.SYMBOL and self._token.text != ")":
                raise self._error(
                    f"{write_field(field)} has no value", f"write {write_field(field)} or not {write_field(field)}"
                )
            return HasTag(field)
        if self._take_word("is"):
            is_negated = self._take_word("not")
            self._expect_word("null", "write: is null, or: is not null")
            return IsNull(field, is_negated)
        is_negated = self._take_word("not")
        if self._take_word("in"):
            return OneOf(field, self._list(field, kind), is_negated)
        if self._is_word("like"):
            if kind not in (FieldType.TEXT, FieldType.ANY):
                raise self._error(f"{write_field(field)} is not a text", "compare it with = != < <= > >=")
            self._at += 1
            return Like(field, self._pattern(), is_negated)
        if is_negated:
            raise self._error("in or like must follow not here", f"put not before {write_field(field)}")
        if self._token.kind is TokenKind.SYMBOL and self._token.text in set(Operator):
            operator = Operator(self._take().text)
            return Comparison(field, operator, self._value(field, kind))
        if self._is_end():
            raise filter_error(
                self._text,
                place.position,
                f"{write_field(field)} is compared with nothing",
                "write an operator and a value",
            )
        raise self._error("an operator must stand here", "one of = != < <= > >= in like is")

    def _list(self, field: Field, kind: FieldType) -> tuple[Value, ...]:
        self._expect_symbol("(", "write the values as: in (1, 2, 3)")
        values = [self._value(field, kind)]
        while self._take_symbol(","):
            values.append(self._value(field, kind))
        self._expect_symbol(")", "close the list of values")
        return tuple(values)

    def _pattern(self) -> str:
        if self._token.kind is not TokenKind.TEXT:
            raise self._error("like needs a text", "write a pattern in quotes, such as '%forest%'")
        return self._take().text

    def _key(self) -> Order:
        place = self._token
        field = self.field()
        if field_type(field) is FieldType.FLAG:
            raise filter_error(self._text, place.position, "a tag gives no order", "order by a metric or a fact")
        is_descending = self._take_word("desc")
        if not is_descending:
            self._take_word("asc")
        return Order(field, is_descending)

    def _limit(self) -> int:
        limit = whole_number(self._token.text, 1) if self._token.kind is TokenKind.NUMBER else None
        if limit is None:
            raise self._error(f"limit needs a whole number from 1 to {LARGEST}", "such as: limit 20")
        self._take()
        return limit

    # ---------------------------------------------------------------- fields and values

    def field(self) -> Field:
        token = self._token
        if token.kind is TokenKind.FIELD:
            group = ALIASES.get(token.group, token.group)
            if group not in GROUPS:
                raise self._error(f"there is no group {token.group!r}", did_you_mean(token.group, GROUPS))
            self._at += 1
            return Field(group, token.text)
        if token.kind is not TokenKind.WORD or token.text.lower() in _KEYWORDS:
            raise self._error("a field must stand here", "such as metrics.auc, params.max_depth or started")
        name = ALIASES.get(token.text, token.text)
        if name not in FACTS:
            raise self._error(f"there is no field {token.text!r}", did_you_mean(token.text, known_names(), shown=30))
        self._at += 1
        return Field("", name)

    def _value(self, field: Field, kind: FieldType) -> Value:
        place = self._token
        value = self._any_value()
        problem = _mismatch(kind, value)
        if problem:
            raise filter_error(self._text, place.position, f"{write_field(field)} is {_SHOWN[kind]}", problem)
        return value

    def _any_value(self) -> Value:
        token = self._token
        if token.kind is TokenKind.TEXT:
            return self._take().text
        if self._take_word("true"):
            return True
        if self._take_word("false"):
            return False
        if self._take_word("now"):
            return Now(self._offset())
        is_negative = self._take_symbol("-")
        if self._token.kind is TokenKind.NUMBER:
            number = _number(self._token.text)
            if not math.isfinite(number):
                raise self._error("no number is so large", "write a smaller one")
            self._take()
            return -number if is_negative else number
        if token.kind in (TokenKind.WORD, TokenKind.FIELD):
            written = f"{token.group}.{token.text}" if token.group else token.text
            raise self._error("a value must stand here", f"quote text: '{written}'")
        raise self._error("a value must stand here", "a number, a text in '...', true, false or now")

    def _offset(self) -> float:
        sign = -1 if self._take_symbol("-") else 1 if self._take_symbol("+") else 0
        if not sign:
            return 0.0
        token = self._token
        if token.kind is not TokenKind.DURATION or token.text[-1] not in _SECONDS or token.text[-2].isalpha():
            raise self._error("a duration must stand here", "a number and s, m, h, d or w, such as: now - 7d")
        seconds = float(token.text[:-1]) * _SECONDS[token.text[-1]]
        if seconds > _MOST_SECONDS:
            raise self._error("no duration is so long", "write a shorter one, such as: now - 7d")
        self._at += 1
        return sign * seconds

    # ---------------------------------------------------------------- tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is_end(self) -> bool:
        return self._token.kind is TokenKind.END

    def _is_word(self, *words: str) -> bool:
        return self._token.kind is TokenKind.WORD and self._token.text.lower() in words

    def _take_word(self, word: str) -> bool:
        if not self._is_word(word):
            return False
        self._at += 1
        return True

    def _expect_word(self, word: str, remedy: str) -> None:
        if not self._take_word(word):
            raise self._error(f"{word!r} must stand here", remedy)

    def _take_symbol(self, symbol: str) -> bool:
        if self._token.kind is not TokenKind.SYMBOL or self._token.text != symbol:
            return False
        self._at += 1
        return True

    def _expect_symbol(self, symbol: str, remedy: str) -> None:
        if not self._take_symbol(symbol):
            raise self._error(f"{symbol!r} must stand here", remedy)

    def _error(self, problem: str, remedy: str) -> InvalidInputError:
        return filter_error(self._text, self._token.position, problem, remedy)


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() and len(text) < 18 else float(text)


def _mismatch(kind: FieldType, value: Value) -> str:
    """Return what to write in place of a value of the wrong type; "" if it fits."""
    if kind is FieldType.ANY:
        return "compare it with a number, a text, true or false" if isinstance(value, Now) else ""
    if kind is FieldType.NUMBER:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number else "compare it with a number"
    if kind is FieldType.TEXT:
        return "" if isinstance(value, str) else "compare it with a text in '...'"
    if isinstance(value, Now) or (isinstance(value, str) and parse_moment(value) is not None):
        return ""
    return "write '2026-11-01', '2026-11-01T12:00' or now - 7d"
