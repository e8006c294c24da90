"""By magnitude: the smallest trained weights go (Han et al., NeurIPS 2015)."""

import numpy as np

from lthctl.lottery.scores.base import Score, ScoreContext, Scores


def score(context: ScoreContext) -> Scores:
    """|w| of the trained weights."""
    return {name: np.abs(context.weights[name]) for name in context.mask}


L1 = Score(
    score,
    needs="trained",
    words="by magnitude",
    colour="#0072b2",
    page_colours=("#0072b2", "#56b4e9"),
)
