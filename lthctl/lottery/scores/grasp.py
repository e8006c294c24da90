"""grasp: the weights go whose removal would lower the flow of gradients least, or raise it.

Source: Wang, Zhang and Grosse, "Picking Winning Tickets Before Training by Preserving Gradient
Flow", ICLR 2020. They score -w * Hg, H being the Hessian of the loss and g its gradient, and remove
the weights with the highest. Here the highest are kept, so the score is w * Hg. As in their code,
outputs are divided by a temperature of 200 first. They also draw new weights of fully connected
layers for the scoring; here the ticket's own are scored.
"""

from lthctl.lottery.scores.base import Score, ScoreContext, Scores
from lthctl.lottery.scores.gradients import float64_network, hessian_gradient_products

TEMPERATURE = 200.0


def score(context: ScoreContext) -> Scores:
    """w * Hg of the weights to rewind to, for the mean cross-entropy of the sample; it may be
    negative."""
    with float64_network(context, "grasp") as network:
        products = hessian_gradient_products(network, TEMPERATURE)
        return {
            name: (network.parameters[name].detach() * product).numpy()
            for name, product in products.items()
        }


GRASP = Score(
    score,
    needs="initial",
    words="by flow of gradients",
    colour="#7d5a3c",
    page_colours=("#6d4a2c", "#c79a72"),
)
