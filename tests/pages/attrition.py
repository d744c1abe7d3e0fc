"""Ten workflows of different kinds on IBM's HR attrition table, as in thesis 6.3."""

from __future__ import annotations

from pathlib import Path

from mistique_core import Mistique

TEMPLATE = """\
project: attrition
model: {model}
description: Will an employee leave? {about}.
tags: [hr]
parameters: {{}}
stages:
  read: {{operator: ReadCsv, params: {{path: "{path}"}}}}
  answer: {{operator: LabelIndex, inputs: read, params: {{columns: [Attrition]}}}}
  one_hot:
    operator: OneHotEncoding
    inputs: answer
    params: {{columns: [BusinessTravel, Department, EducationField, Gender, JobRole, MaritalStatus, OverTime]}}
  features:
    operator: DropColumns
    inputs: one_hot
    params: {{columns: [EmployeeCount, EmployeeNumber, Over18, StandardHours]}}
  split: {{operator: TrainTestSplit, inputs: features, params: {{test_size: 0.3, seed: 4, stratify: Attrition}}}}
  scaled:
    operator: Transform
    inputs: {{train: split.train, test: split.test}}
    params: {{transformer: sklearn.preprocessing.StandardScaler, exclude: [Attrition]}}
  model:
    operator: Fit
    inputs: scaled.train
    params: {{estimator: {estimator}, label: Attrition, params: {params}}}
  predictions: {{operator: Predict, inputs: {{model: model, data: scaled.test}}, params: {{keep: [Attrition]}}}}
  scores:
    operator: Evaluate
    inputs: predictions
    params: {{label: Attrition, metrics: [accuracy, roc_auc, f1, log_loss]}}
"""

SIXTY = "{n_estimators: 60, random_state: 0}"
MODELS = {
    "logistic": ("A linear model", "sklearn.linear_model.LogisticRegression", "{C: 0.3, max_iter: 500}"),
    "naive_bayes": ("Gaussian naive Bayes", "sklearn.naive_bayes.GaussianNB", "{}"),
    "neighbours": ("Fifteen nearest neighbours", "sklearn.neighbors.KNeighborsClassifier", "{n_neighbors: 15}"),
    "tree": ("One decision tree", "sklearn.tree.DecisionTreeClassifier", "{max_depth: 5, random_state: 0}"),
    "forest": ("A random forest", "sklearn.ensemble.RandomForestClassifier", SIXTY),
    "extra_trees": ("Extremely random trees", "sklearn.ensemble.ExtraTreesClassifier", SIXTY),
    "boosting": ("Gradient boosting", "sklearn.ensemble.GradientBoostingClassifier", SIXTY),
    "ada": ("AdaBoost", "sklearn.ensemble.AdaBoostClassifier", SIXTY),
    "discriminant": ("Linear discriminant analysis", "sklearn.discriminant_analysis.LinearDiscriminantAnalysis", "{}"),
    "xgboost": ("XGBoost", "xgboost.XGBClassifier", "{n_estimators: 60, max_depth: 3, random_state: 0, n_jobs: 1}"),
}  # fmt: skip
"""Model -> (what it is, class, hyperparameters)."""


def fill(store: Mistique, csv: Path, folder: Path) -> None:
    """Run the ten workflows against a store.

    Parameters
    ----------
    store
        Where they are recorded.
    csv
        The table.
    folder
        Where the workflow files are written.
    """
    for model, (about, estimator, params) in MODELS.items():
        file = folder / f"{model}.yaml"
        file.write_text(TEMPLATE.format(model=model, about=about, estimator=estimator, params=params, path=csv))
        store.log_intermediates(file)
