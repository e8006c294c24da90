"""By growth in magnitude: the weights that training made smaller, or least larger, go.

Source: Zhou et al., "Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask", NeurIPS
2019, criterion "magnitude increase".
"""

import numpy as np

from lthctl.lottery.scores.base import Score, ScoreContext, Scores


def score(context: ScoreContext) -> Scores:
    """|trained w| - |initial w|; it may be negative."""
    return {
        name: np.abs(context.weights[name]) - np.abs(context.initial[name]) for name in context.mask
    }


MAGNITUDE_INCREASE = Score(
    score,
    needs="trained",
    words="by growth in magnitude",
    colour="#009e73",
    page_colours=("#00875f", "#3cc79f"),
)
