"""Which engine `auto` takes, where that is not the one that is made for MLPs."""

from lthctl.cli.console import say
from lthctl.params import Params


def say_engine(params: Params) -> None:
    """Say why an MLP is trained by another engine than the sparse one, if it is. Nobody asked for
    that, and it may be several times as slow."""
    from lthctl.models.entry import model_from
    from lthctl.models.mlp import MLP
    from lthctl.training.engines import passed_over

    model, train = model_from(params.model), params.train.for_images(1)
    if isinstance(model, MLP) and (why := passed_over(train, model, params.data.augment)):
        say(f"train.engine: auto passes over {why}")
