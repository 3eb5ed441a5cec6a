"""Standard scaling and logistic regression, its strength chosen by cross-validated ROC-AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.figures.metrics import auc

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LinearModel:
    """Spoof log-odds of features x (D,): `weights` . x + `bias`.

    `c` is the inverse strength of the chosen penalty, and `cross_validated` its mean ROC-AUC over
    the folds. The weights include the scaling.
    """

    weights: FloatArray
    bias: float
    c: float
    cross_validated: float

    def scores(self, features: npt.NDArray[np.floating]) -> FloatArray:
        """Returns the log-odds (N,) of features (N, D)."""
        return np.asarray(features.astype(np.float64) @ self.weights + self.bias)

    def auc(self, features: npt.NDArray[np.floating], labels: IntArray) -> float:
        """Returns the ROC-AUC on labelled features."""
        return auc(self.scores(features), labels)


def split_rows(labels: IntArray, held_out: float, seed: int) -> tuple[IntArray, IntArray]:
    """Returns the rows to fit on and the rows to hold out, stratified by label.

    Raises:
        UserError: if one of the two would lack a label.
    """
    from sklearn.model_selection import train_test_split

    try:
        fitted, tested = train_test_split(
            np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise UserError(f"too few recordings to hold some out: {error}") from None
    return np.asarray(fitted, np.int64), np.asarray(tested, np.int64)


def fit_logistic(
    features: npt.NDArray[np.floating],
    labels: IntArray,
    c_grid: tuple[float, ...],
    folds: int,
    seed: int,
    *,
    workers: int = 1,
) -> LinearModel:
    """Chooses C from `c_grid` by `folds`-fold ROC-AUC and fits all rows with it.

    Raises:
        UserError: if a label has fewer rows than there are folds.
    """
    from joblib import parallel_config
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fewest = int(np.bincount(labels, minlength=2).min())
    if fewest < folds:
        raise UserError(
            f"{fewest} recordings of a label are too few for {folds} folds: use --set "
            f"folds={max(2, fewest)} or more data"
        )
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        {"logisticregression__C": list(c_grid)},
        scoring="roc_auc",
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        n_jobs=workers,
    )
    with parallel_config(backend="threading"):
        search.fit(features.astype(np.float64), labels)
    scaler, regression = (step for _, step in search.best_estimator_.steps)
    weights = np.asarray(regression.coef_[0] / scaler.scale_, np.float64)
    return LinearModel(
        weights=weights,
        bias=float(regression.intercept_[0] - weights @ scaler.mean_),
        c=float(search.best_params_["logisticregression__C"]),
        cross_validated=float(search.best_score_),
    )
