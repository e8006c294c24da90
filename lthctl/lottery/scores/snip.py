"""snip: the weights go whose removal would change the loss at initialization least.

Source: Lee, Ajanthan and Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity",
ICLR 2019. They divide by the sum over all weights, which changes no order.
"""

import numpy as np

from lthctl.lottery.scores.base import Score, ScoreContext, Scores
from lthctl.lottery.scores.gradients import float64_network, loss_gradients


def score(context: ScoreContext) -> Scores:
    """|w * dL/dw| of the weights to rewind to, L being the mean cross-entropy of the sample."""
    with float64_network(context, "snip") as network:
        gradients = loss_gradients(network)
        return {
            name: np.abs((network.parameters[name].detach() * gradient).numpy())
            for name, gradient in gradients.items()
        }


SNIP = Score(
    score,
    needs="initial",
    words="by sensitivity of the loss",
    colour="#cc79a7",
    page_colours=("#b3508a", "#e5a3c8"),
)
