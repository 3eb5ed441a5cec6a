import numpy as np
import pytest

from dfd.errors import UserError
from dfd.training.frozen.logreg import fit_logistic, split_rows

DRAWS = np.random.default_rng(0)
LABELS = np.arange(400) % 2
# one informative column on a large scale, one on a small scale, and noise
FEATURES = DRAWS.normal(size=(400, 6)) * [1000, 0.01, 1, 1, 1, 1]
FEATURES[:, 0] += 1500 * LABELS + 5000


def test_log_odds_match_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    made = fit_logistic(FEATURES, LABELS, (0.1,), 5, 0)
    scaled = StandardScaler().fit_transform(FEATURES)
    wanted = LogisticRegression(C=0.1).fit(scaled, LABELS).decision_function(scaled)
    assert np.allclose(made.scores(FEATURES), wanted, atol=1e-3)


def test_c_is_chosen_by_cross_validated_auc() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    grid = (1e-4, 0.01, 1.0)
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    means = {
        c: cross_val_score(
            make_pipeline(StandardScaler(), LogisticRegression(C=c)),
            FEATURES,
            LABELS,
            scoring="roc_auc",
            cv=folds,
        ).mean()
        for c in grid
    }
    made = fit_logistic(FEATURES, LABELS, grid, 5, 3, workers=2)
    assert made.c == max(means, key=lambda c: means[c])
    assert made.cross_validated == pytest.approx(max(means.values()))
    assert made.auc(FEATURES, LABELS) == pytest.approx(0.855, abs=0.05)


def test_held_out_rows_are_stratified_and_by_seed() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    fitted, tested = split_rows(labels, 0.2, 1)
    assert sorted([*fitted, *tested]) == list(range(100))
    assert (len(tested), labels[tested].sum()) == (20, 2)
    assert np.array_equal(tested, split_rows(labels, 0.2, 1)[1])
    assert not np.array_equal(tested, split_rows(labels, 0.2, 2)[1])


def test_too_little_data_is_one_line() -> None:
    with pytest.raises(UserError, match="too few for 5 folds: use --set folds=3"):
        fit_logistic(FEATURES[:6], LABELS[:6], (1.0,), 5, 0)
    with pytest.raises(UserError, match="too few recordings to hold some out"):
        split_rows(np.array([0, 1]), 0.2, 0)
