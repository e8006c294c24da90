"""What is logged of a run: only what it holds by itself, so that it never changes.

Verdicts depend on the other runs of a report. They are not logged.
"""

from collections.abc import Mapping
from dataclasses import replace

from lthctl.artifacts.names import RUN_JSON, folder_part, variant_name
from lthctl.artifacts.run import Run
from lthctl.canonical import sha256
from lthctl.tracking.base import Record
from lthctl.training.history import Row


def record_of(run: Run) -> Record:
    """What is logged of a run; the same for the same run, whether or not it kept its weights."""
    ticket, train = run.ticket, run.train
    of_all = ticket.name.removesuffix(f"-s{ticket.seed}")
    names = [name for name in Row._fields[1:] if getattr(run.history[0], name) is not None]
    return Record(
        identity=sha256(replace(run, weights=None).files()[RUN_JSON]),
        name=f"{ticket.name}, {run.variant}",
        folder=f"{folder_part(run.variant)}-{ticket.name}",
        group=f"{of_all}, {variant_name(run.control, run.order_seed)}",
        params={
            "control": run.control,
            **({"draw": run.draw} if run.draw > 1 else {}),
            **{
                name: value if isinstance(value, str | int | float | bool) else str(value)
                for name, value in ticket.pruning.identity().items()
            },
            **({} if run.order_seed is None else {"order_seed": run.order_seed}),
            "sparsity": ticket.sparsity,
            "model": run.model.name,
            "data": run.data.name,
            "data_digest": run.data.digest,
            **_flat("train", train.identity()),
            **_flat("pruning", ticket.train.identity() if ticket.train else {}),
            "ticket_digest": ticket.digest,
            "training_digest": run.training,
        },
        curves={name: {row.step: getattr(row, name) for row in run.history} for name in names},
        summary={name: float(value) for name, value in run.metrics.to_json().items()},
        last_step=run.history[-1].step,
    )


def _flat(section: str, values: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Parameters of a section, such as `train.lr`; what is no number and no text, as text."""
    return {
        f"{section}.{name}": value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in values.items()
    }
