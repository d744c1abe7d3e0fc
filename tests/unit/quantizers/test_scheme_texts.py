"""Texts of schemes: what is read, what is printed, what is said about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistique_core.errors import InvalidInputError
from mistique_core.quantizers import Bounded, KBit, LowPrecision, Pool, Quantizer, Threshold, parse_scheme

SCHEMES: dict[str, Quantizer] = {
    "float16": LowPrecision("float16"),
    "float32": LowPrecision("float32"),
    "kbit(1)": KBit(1),
    "kbit(8)": KBit(8),
    "threshold(99.5%)": Threshold(percentile=99.5),
    "threshold(99%)": Threshold(percentile=99),
    "threshold(value 3.1)": Threshold(value=3.1),
    "threshold(value -1e-05)": Threshold(value=-0.00001),
    "pool(2)": Pool(2),
    "pool(S)": Pool(None),
    "pool(32, max)": Pool(32, "max"),
    "pool(S, max)+kbit(3)": Pool(None, "max", KBit(3)),
    "pool(2)+float16": Pool(2, then=LowPrecision("float16")),
    "bounded(0.25)": Bounded(0.25),
    "bounded(1)": Bounded(1),
    "bounded(1e+16)": Bounded(1e16),
}


@pytest.mark.parametrize(("text", "scheme"), SCHEMES.items(), ids=SCHEMES)
def test_canonical_texts(text: str, scheme: Quantizer) -> None:
    assert scheme.text() == text
    assert parse_scheme(text) == scheme
    assert parse_scheme(text.upper().replace("(", " ( ").replace(",", " , ").replace("+F", " + F")) == scheme


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("kbit", "kbit(8)"),
        ("pool", "pool(2)"),
        ("pool()", "pool(2)"),
        ("threshold", "threshold(99.5%)"),
        ("bounded", "bounded(0.25)"),
        ("pool(2,avg)", "pool(2)"),
        ("bounded(.5)", "bounded(0.5)"),
        ("threshold( 99.50 % )", "threshold(99.5%)"),
        ("\tPool ( s ,MAX )+ KBIT", "pool(S, max)+kbit(8)"),
    ],
)
def test_other_spellings(text: str, canonical: str) -> None:
    scheme = parse_scheme(text)
    assert scheme is not None
    assert scheme.text() == canonical


@pytest.mark.parametrize("text", [None, "lossless", " Lossless "])
def test_lossless_is_no_quantizer(text: str | None) -> None:
    assert parse_scheme(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kbits(8)", "did you mean 'kbit'"),
        ("float17", "did you mean 'float16'"),
        ("zip", "known: bounded"),
        ("", "cannot be read"),
        ("bounded(0.25", "cannot be read"),
        ("bounded 0.25", "cannot be read"),
        ("bounded((1))", "cannot be read"),
        ("bounded(0.25)x", "cannot be read"),
        ("bounded(a)", "no finite number"),
        ("bounded(nan)", "no finite number"),
        ("bounded(0)", "positive"),
        ("bounded(1, 2)", "one number"),
        ("kbit(9)", "1 to 8"),
        ("kbit(2.5)", "whole number"),
        ("kbit(-1)", "whole number"),
        ("kbit(²)", "whole number"),
        ("kbit(1, 2)", "one number"),
        ("kbit(8)+float16", "only pool"),
        ("lossless+float16", "only pool"),
        ("float16(2)", "no arguments"),
        ("lossless(2)", "no arguments"),
        ("pool(1)", "from 2"),
        ("pool(2, min)", "known: avg, max"),
        ("pool(2, mx)", "did you mean 'max'"),
        ("pool(2, avg, 3)", "avg or max"),
        ("pool(2)+pool(2)", "larger sigma"),
        ("pool(2)+lossless", "pooled maps losslessly"),
        ("pool(2)+", "cannot be read"),
        ("pool(2)+kbit(8)+float16", "only pool"),
        ("threshold(3.1)", "say what the number is"),
        ("threshold(value)", "say what the number is|no finite number"),
        ("threshold(value x)", "no finite number"),
        ("threshold(100%)", "between 0% and 100%"),
        ("threshold(1%, 2%)", "say what the number is"),
    ],
)
def test_errors_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as found:
        parse_scheme(text)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("scheme", [8, b"kbit(8)", ["kbit(8)"], KBit])
def test_only_texts_and_schemes(scheme: object) -> None:
    with pytest.raises(InvalidInputError, match="a scheme is a text"):
        parse_scheme(scheme)  # type: ignore[arg-type]


@given(
    st.text(max_size=20)
    | st.lists(st.sampled_from(["pool", "kbit", "(", ")", "2", "+", ",", " ", "%", "s"])).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scheme = parse_scheme(text)
    except InvalidInputError:
        return
    assert scheme is None or parse_scheme(scheme.text()) == scheme


@given(st.floats(min_value=1e-300, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_printed_exactly(deviations: float, value: float) -> None:
    assert parse_scheme(Bounded(deviations).text()) == Bounded(deviations)
    assert parse_scheme(Threshold(value=value).text()) == Threshold(value=value)
