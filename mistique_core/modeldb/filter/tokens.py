"""Cut the text of a filter into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mistique_core.errors import InvalidInputError

MAX_CHARACTERS = 10_000


class TokenKind(StrEnum):
    """What a token is."""

    WORD = "word"
    FIELD = "field"
    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True)
class Token:
    """One token.

    Attributes
    ----------
    kind
        What it is.
    text
        Its content: quotes are gone, and doubled ones single. Of a field what follows its first dot.
    position
        Where it starts in the filter, from 0.
    group
        Of a field what stands before its first dot.
    """

    kind: TokenKind
    text: str
    position: int
    group: str = ""


_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[^\W\d]\w*")
_NAME = re.compile(r"[\w@/:-]+(?:\.[\w@/:-]+)*")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_UNIT = re.compile(r"[^\W\d]+")
_SYMBOL = re.compile(r"<=|>=|!=|<>|==|[=<>(),+-]")


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a filter; the last one is its end.

    Raises
    ------
    InvalidInputError
        If there is a character that no token begins with, or a quote that is never closed.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError(f"the filter has {len(text)} characters; write at most {MAX_CHARACTERS}")
    for position, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise filter_error(text, position, f"{character!r} is no character of a text", "remove it")
    tokens: list[Token] = []
    position = 0
    while True:
        position = _matched(_SPACE, text, position)[1]
        if position == len(text):
            return [*tokens, Token(TokenKind.END, "", position)]
        token, position = _token(text, position)
        tokens.append(token)


def _token(text: str, start: int) -> tuple[Token, int]:
    if text[start] in "'\"":
        content, end = _quoted(text, start)
        return Token(TokenKind.TEXT, content, start), end
    word, end = _matched(_WORD, text, start)
    if word:
        return (
            _field(text, start, word, end) if text[end : end + 1] == "." else (Token(TokenKind.WORD, word, start), end)
        )
    number, end = _matched(_NUMBER, text, start)
    if number:
        unit, after = _matched(_UNIT, text, end)
        if unit:
            return Token(TokenKind.DURATION, number + unit, start), after
        return Token(TokenKind.NUMBER, number, start), end
    symbol, end = _matched(_SYMBOL, text, start)
    if symbol:
        return Token(TokenKind.SYMBOL, {"<>": "!=", "==": "="}.get(symbol, symbol), start), end
    raise filter_error(text, start, f"{text[start]!r} means nothing here", "quote text in '...'")


def _field(text: str, start: int, group: str, dot: int) -> tuple[Token, int]:
    after = dot + 1
    if text[after : after + 1] in ("'", '"', "`"):
        name, end = _quoted(text, after)
    else:
        name, end = _matched(_NAME, text, after)
    if not name:
        raise filter_error(
            text, after, f"a name must follow {group + '.'!r}", f'write {group}.name or {group}."any name"'
        )
    return Token(TokenKind.FIELD, name, start, group), end


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    parts, position = [], start + 1
    while True:
        end = text.find(quote, position)
        if end < 0:
            raise filter_error(text, start, f"the quote {quote} is never closed", "close it; double a quote to mean it")
        parts.append(text[position:end])
        if text[end + 1 : end + 2] != quote:
            return quote.join(parts), end + 1
        position = end + 2


def _matched(pattern: re.Pattern[str], text: str, start: int) -> tuple[str, int]:
    match = pattern.match(text, start)
    return (match.group(), match.end()) if match else ("", start)


def filter_error(text: str, position: int, problem: str, remedy: str) -> InvalidInputError:
    """Return the error of a filter that shows where it is: the line of the filter with a caret below."""
    first = text.rfind("\n", 0, position) + 1
    last = text.find("\n", position)
    line = text[first : len(text) if last < 0 else last]
    column = position - first
    shown = max(0, column - 60)
    excerpt = line[shown : shown + 100].replace("\t", " ")
    caret = " " * (column - shown) + "^"
    excerpt = excerpt.encode("utf-8", "replace").decode().replace("\0", "?")
    return InvalidInputError(f"filter, character {position + 1}: {problem}; {remedy}\n  {excerpt}\n  {caret}")
