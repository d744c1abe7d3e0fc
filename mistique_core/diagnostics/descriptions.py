"""The techniques of thesis Tables 5.1 and 5.2: what each answers, and what it takes.

Plain values: a DAG file and a web server read them without importing pandas.
"""

from __future__ import annotations

from mistique_core.diagnostics.parameter import Parameter
from mistique_core.diagnostics.technique import Technique
from mistique_core.planner import STRATEGIES

_STRATEGY = Parameter(
    "strategy",
    "choice",
    "READ what is stored, RERUN the stages, or let the cost model choose.",
    default="auto",
    choices=STRATEGIES,
)
_WHERE = Parameter(
    "where",
    "where",
    "Only rows for which all of these hold, such as rooms>=4; a name is a column of the question, or a whole key.",
    default=(),
)
_ROWS = Parameter("row_id", "rows", "Only these row ids.")
_RESTRICTED = (_ROWS, _WHERE, _STRATEGY)
_TRUTH = Parameter("truth", "column", "Key of the column of what is true.", required=True)
_PREDICTION = Parameter("prediction", "column", "Key of the column of what was predicted.", required=True)
_COMPANIONS = Parameter("columns", "columns", "Keys of further columns to show for these rows.", default=())

DESCRIPTIONS = (
    Technique(
        "pointq",
        "Point query",
        "What did a stage hold for these rows?",
        "FCFR",
        (
            Parameter("keys", "keys", "Keys of columns, or of whole intermediates.", required=True),
            Parameter("row_id", "rows", "Row ids; the answer keeps their order.", required=True),
            _STRATEGY,
        ),
    ),
    Technique(
        "topk",
        "Top k",
        "Which rows have the highest values of a column, or excite a unit most?",
        "FCFR",
        (
            Parameter("key", "column", "Key of the column or unit to rank by.", required=True),
            Parameter("k", "integer", "How many rows.", default=10, minimum=1),
            Parameter("largest", "boolean", "Off for the smallest values.", default=True),
            Parameter(
                "by",
                "choice",
                "What ranks a map: its largest value, its mean, or its Euclidean norm.",
                default="max",
                choices=("max", "mean", "norm"),
            ),
            _COMPANIONS,
            *_RESTRICTED,
        ),
    ),
    Technique(
        "col_diff",
        "Difference of two columns",
        "Where do two models differ?",
        "FCMR",
        (
            Parameter("key_a", "column", "Key of the first column.", required=True),
            Parameter("key_b", "column", "Key of the second column, often of another model.", required=True),
            Parameter("tolerance", "number", "Largest difference that counts as equal.", default=0.0, minimum=0),
            Parameter("group", "column", "Key of a column by which differences are counted."),
            *_RESTRICTED,
        ),
    ),
    Technique(
        "confusion_matrix",
        "Confusion matrix",
        "Which classes are taken for which?",
        "FCMR",
        (
            _TRUTH,
            _PREDICTION,
            Parameter(
                "normalize",
                "choice",
                "Counts, or shares of each true class, of each predicted class, or of all.",
                default="none",
                choices=("none", "truth", "prediction", "all"),
            ),
            *_RESTRICTED,
        ),
    ),
)
