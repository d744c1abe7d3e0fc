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
_EXACT = Parameter(
    "exact",
    "boolean",
    "Of a lossy layer: re-run the rows that could still matter, so that the answer is that of full precision.",
    default=False,
)
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
            _ROWS,
            _WHERE,
            _EXACT,
            _STRATEGY,
        ),
    ),
    Technique(
        "col_dist",
        "Distribution of a column",
        "How are the values of a column distributed, by group?",
        "FCMR",
        (
            Parameter("key", "column", "Key of the column.", required=True),
            Parameter("group", "column", "Key of a column whose values form the groups."),
            Parameter("bins", "integer", "How many bins of equal width.", default=20, minimum=1, maximum=1000),
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
    Technique(
        "mispredicted",
        "Mispredicted by one model only",
        "Which examples does one model get right and the other one wrong?",
        "FCMR",
        (
            _TRUTH,
            Parameter("prediction_a", "column", "Key of the prediction that is to be right.", required=True),
            Parameter("prediction_b", "column", "Key of the prediction that is to be wrong.", required=True),
            Parameter("tolerance", "number", "Largest error of a number that counts as right.", default=0.0, minimum=0),
            _COMPANIONS,
            *_RESTRICTED,
        ),
    ),
    Technique(
        "group_metrics",
        "Performance by group",
        "For which groups are predictions good or bad?",
        "FCMR",
        (
            _TRUTH,
            Parameter("predictions", "columns", "Keys of predictions, one for each model.", required=True),
            Parameter("group", "column", "Key of a column whose values form the groups; none for all rows at once."),
            Parameter("bins", "integer", "Into how many quantiles numbers are grouped.", default=4, minimum=1),
            Parameter(
                "probabilities",
                "columns",
                "Keys of the probabilities of one prediction: of the positive class, or of each class in its order.",
                default=(),
            ),
            Parameter("positive", "label", "The positive class of two; by default the one that sorts last."),
            Parameter(
                "task",
                "choice",
                "Whether truth and predictions are classes or amounts.",
                default="auto",
                choices=("auto", "classification", "regression"),
            ),
            *_RESTRICTED,
        ),
    ),
    Technique(
        "knn",
        "Nearest neighbours",
        "Which rows are most similar to a row?",
        "MCFR",
        (
            Parameter("keys", "keys", "Key of an intermediate, or of some columns or units.", required=True),
            Parameter("row_id", "row", "The row whose neighbours are wanted.", required=True),
            Parameter("k", "integer", "How many neighbours.", default=10, minimum=1),
            Parameter(
                "metric",
                "choice",
                "Euclidean distance, or 1 minus the cosine of the angle.",
                default="euclidean",
                choices=("euclidean", "cosine"),
            ),
            Parameter("standardize", "boolean", "Divide each column by its standard deviation first.", default=False),
            _COMPANIONS,
            _WHERE,
            _EXACT,
            _STRATEGY,
        ),
    ),
    Technique(
        "row_diff",
        "Difference of two rows",
        "In what do two rows differ most?",
        "MCFR",
        (
            Parameter("keys", "keys", "Key of an intermediate, or of some columns or units.", required=True),
            Parameter("row_a", "row", "The first row.", required=True),
            Parameter("row_b", "row", "The second row.", required=True),
            Parameter(
                "standardize",
                "boolean",
                "Sort by differences in standard deviations of each column; off reads the two rows only.",
                default=True,
            ),
            _STRATEGY,
        ),
    ),
    Technique(
        "row_average_compare",
        "A row against the average",
        "In what is a row unlike the average of its group?",
        "MCMR",
        (
            Parameter("keys", "keys", "Key of an intermediate, or of some columns or units.", required=True),
            Parameter("row_id", "row", "The row.", required=True),
            Parameter("group", "column", "Key of a column whose values form the groups; none for all rows."),
            Parameter("label", "label", "The group to compare with; by default the row's own."),
            _WHERE,
            _STRATEGY,
        ),
    ),
    Technique(
        "svcca",
        "SVCCA",
        "How much of what one layer represents does another one represent?",
        "MCMR",
        (
            Parameter("keys_a", "keys", "Key of an intermediate, or of some columns or units.", required=True),
            Parameter("keys_b", "keys", "The other one; of one class, the key of its logit.", required=True),
            Parameter(
                "variance",
                "number",
                "Share of each side's variance that its directions explain.",
                default=0.99,
                above=0,
                maximum=1,
            ),
            *_RESTRICTED,
        ),
    ),
    Technique(
        "vis",
        "Averages by class",
        "How strongly does each unit, or feature, respond to each class on average?",
        "MCMR",
        (
            Parameter("keys", "keys", "Key of a layer or table, or of some units or columns.", required=True),
            Parameter("group", "column", "Key of the column of the classes; none for all rows at once."),
            Parameter(
                "maps",
                "choice",
                "Whether a map counts as its mean, or maps are averaged cell by cell.",
                default="mean",
                choices=("mean", "cells"),
            ),
            *_RESTRICTED,
        ),
    ),
    Technique(
        "netdissect",
        "Network dissection",
        "Which concept does each unit detect?",
        "MCMR",
        (
            Parameter("keys", "keys", "Key of a layer of maps, or of some of its units.", required=True),
            Parameter(
                "masks",
                "keys",
                "Key of an intermediate of maps, one unit a concept: not 0 where the concept is.",
                required=True,
                arrays=True,
            ),
            Parameter(
                "alpha",
                "number",
                "Share of a unit's activations above its threshold.",
                default=0.005,
                above=0,
                maximum=1,
            ),
            Parameter(
                "iou",
                "number",
                "Smallest overlap for which a unit counts as a detector.",
                default=0.04,
                minimum=0,
                maximum=1,
            ),
            *_RESTRICTED,
        ),
    ),
    Technique(
        "feature_correlation",
        "Correlation with a column or a residual",
        "Which features, or units, are most correlated with a column or with the error of a prediction?",
        "MCMR",
        (
            Parameter("keys", "keys", "Key of an intermediate, or of some columns or units.", required=True),
            Parameter("target", "column", "Key of the column to correlate with.", required=True),
            Parameter("prediction", "column", "Key of a prediction of the target: correlate with its residuals."),
            Parameter(
                "method",
                "choice",
                "Correlation of values, or of their ranks.",
                default="pearson",
                choices=("pearson", "spearman"),
            ),
            *_RESTRICTED,
        ),
    ),
)  # fmt: skip
