"""By magnitude at initialization: the smallest initial weights go.

Source: Frankle et al., "Pruning Neural Networks at Initialization: Why Are We Missing the Mark?",
ICLR 2021, where it is the plainest method that looks at weights.
"""

import numpy as np

from lthctl.lottery.scores.base import Score, ScoreContext, Scores


def score(context: ScoreContext) -> Scores:
    """|w| of the initial weights."""
    return {name: np.abs(context.initial[name]) for name in context.mask}


MAGNITUDE_INIT = Score(
    score,
    needs="initial",
    words="by magnitude at initialization",
    colour="#17a2b8",
    page_colours=("#0e8a9c", "#4fd0e0"),
)
