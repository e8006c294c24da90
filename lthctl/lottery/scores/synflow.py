"""synflow: the weights go that carry least of the flow from inputs to outputs. No data is read.

Source: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any data by iteratively
conserving synaptic flow", NeurIPS 2020. As in their code, one pruning takes 100 iterations on an
exponential schedule, and all of the network's state stands at its absolute value.
"""

import numpy as np

from lthctl.lottery.scores.base import Score, ScoreContext, Scores
from lthctl.lottery.scores.gradients import float64_network, flow_gradients


def score(context: ScoreContext) -> Scores:
    """|w| * dR/d|w|, R being the sum of the outputs for an input of ones."""
    with float64_network(context, "synflow") as network:
        gradients = flow_gradients(network)
        return {
            name: np.abs((network.parameters[name].detach() * gradient).numpy())
            for name, gradient in gradients.items()
        }


SYNFLOW = Score(
    score,
    needs="initial",
    iterations=100,
    words="by synaptic flow",
    colour="#7b5ea7",
    page_colours=("#6a4c9c", "#b49ae0"),
)
