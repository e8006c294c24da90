"""What is shown of every ticket: against dense, against its controls, and in steps to the target.

Each comparison is judged by itself. None is adjusted for how many there are, so none depends on
what else is in the report. Only whether a ladder keeps up is adjusted, over the primary ladders.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lthctl.reporting.answers import ASKED_CONTROLS, Against, against, controls_of, sooner_by
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey, paired
from lthctl.reporting.ladders import ladders_of
from lthctl.reporting.statistics import Interval, Verdict
from lthctl.reporting.targets import Target, times_sooner
from lthctl.reporting.verdicts import Group


@dataclass(frozen=True)
class TicketVerdict:
    """What is shown of a pruned, rewound ticket.

    Attributes:
      experiment: its runs.
      keeps_up: whether its ladder is as good as dense down to it; None where it is on none.
      dense: its accuracy minus dense's.
      reinit, shuffle, random: its accuracy minus that of a control of the same size. `random` is
        None for random pruning itself.
      others: the same of every other control that was run, by its name.
      target: the accuracy to be reached.
      sooner, sooner_shown: how many times sooner than dense it reaches the target. "better" is
        sooner, and "worse" is later.
      step_difference: its early-stop step minus dense's, the paper's measure. It is not judged, as
        it is the minimum of a flat and noisy curve.
    """

    experiment: Experiment
    keeps_up: bool | None
    dense: Against
    reinit: Against
    shuffle: Against
    random: Against | None
    others: Mapping[str, Against]
    target: Target
    sooner: Sooner | None
    sooner_shown: Verdict
    step_difference: Interval | None

    @property
    def key(self) -> ExperimentKey:
        return self.experiment.key


def ticket_verdicts(group: Group) -> tuple[TicketVerdict, ...]:
    """One per pruned, rewound experiment of a group, in their order."""
    keeping = {
        size.key: number < ladder.num_held
        for ladder in ladders_of(group)
        for number, size in enumerate(ladder.sizes)
    }
    target = Target(group.params.targets[0])
    dense = group.dense.runs if group.dense else {}
    found = []
    for experiment in group.experiments:
        key = experiment.key
        if key.control != "rewind" or key.method == DENSE.method:
            continue
        controls = {
            name: other and against(group, experiment, group.experiment(other))
            for name, other in controls_of(key).items()
        }
        others = {
            name: one
            for name, one in controls.items()
            if name not in ASKED_CONTROLS and one is not None and one.difference is not None
        }
        sooner = times_sooner(group, experiment, group.dense, target)
        found.append(
            TicketVerdict(
                experiment,
                keeping.get(key),
                Against(
                    experiment.difference,
                    experiment.verdict or "unknown",
                    experiment.seeds_to_decide,
                ),
                controls["reinit"] or Against(None, "unknown", None),
                controls["shuffle"] or Against(None, "unknown", None),
                controls["random"],
                others,
                target,
                sooner,
                sooner_by(sooner),
                paired(experiment.runs, dense, "early_stop_step", group.params),
            )
        )
    return tuple(found)
