"""What training did to a ticket: whether pruned weights came back, and survivors were trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lthctl.auditing.evidence import Evidence, Masks, Round
from lthctl.auditing.outcome import Observation, conclude, share
from lthctl.interop.network_file import Floats, NetworkFile
from lthctl.mask import Bools

ENOUGH = 20
"""Weights that a statement on a sign or a layer needs."""

LOPSIDED = 0.3
"""By what part of the smaller side the share of one sign may differ from chance. Sound tickets of
LeNet-300-100 on MNIST differ by up to 0.11 at 3 % of the weights."""

EMPTY = 0.02
"""From what share of survivors that training left at exactly 0 the mask is another's."""

SMALL = 0.2
"""Below what part of the survivors' size pruned weights look left over, and not trained."""


def stay_pruned(evidence: Evidence) -> str:
    """Pruned weights are 0 after training."""
    return conclude(
        [
            _revived(evidence, round_, round_.mask, round_.trained)
            for round_ in evidence.rounds
            if round_.mask is not None and round_.trained is not None
        ],
        "--final, the weights after training, would tell",
    )


def _revived(evidence: Evidence, round_: Round, mask: Masks, trained: NetworkFile) -> Observation:
    weights = trained.effective
    revived: dict[str, int] = {}
    pruned = unmoved = 0
    largest = squares = 0.0
    for name, kept in mask.items():
        if name not in weights:
            continue
        gone = weights[name][~kept]
        back = gone != 0
        pruned += gone.size
        if back.any():
            revived[name] = int(back.sum())
            largest = max(largest, float(np.abs(gone).max()))
            squares += float((gone**2).sum())
            for init in evidence.inits[:1]:
                if name in init.weights:
                    unmoved += int((gone == init.weights[name][~kept])[back].sum())
    count = sum(revived.values())
    if pruned == 0:
        return Observation(f"{round_.name} prunes nothing", holds=None)
    if not count:
        return Observation(f"{round_.name}: all {pruned:,} are 0", holds=True)
    if unmoved == count:
        return Observation(
            f"{round_.name}: {count:,} of {pruned:,} still hold their initial values in "
            f"{trained.path.name}: never set to 0, or hidden by a mask that the file lacks",
            holds=None if count == pruned else False,
        )
    where = ", ".join(f"{number:,} in {name}" for name, number in revived.items())
    kept = np.concatenate([weights[name][array] for name, array in mask.items() if name in weights])
    size = float(np.sqrt(squares / count) / (np.sqrt((kept**2).mean()) if kept.any() else 1.0))
    why = ": small beside survivors, as momentum or weight decay leave them"
    if not kept.any():
        why = ", and all survivors are: 1 means pruned"
    elif size > SMALL:
        why = ": of the size of survivors, so they were trained"
        if count > 0.9 * pruned:
            why += "; the mask was not applied, the network is dense"
    return Observation(
        f"{round_.name}: {count:,} of {pruned:,} pruned weights are not 0 after training, up to "
        f"{largest:.3g} ({where}){why}",
        holds=False,
    )


@dataclass(frozen=True)
class _Sign:
    """What became of the survivors that began with one sign.

    Attributes:
      total: how many there are.
      moved: of them with another value after training.
      grew: of them further from 0 on the same side.
    """

    total: int
    moved: int
    grew: int

    def __str__(self) -> str:
        return (
            f"of {self.total:,} {share(self.moved, self.total)} moved and "
            f"{share(self.grew, self.total)} grew"
        )


def _survivors(evidence: Evidence, round_: Round) -> dict[str, tuple[Floats, Floats]] | None:
    """Parameter -> values before and after training, of what the mask keeps."""
    start = round_.start or next(iter(evidence.inits), None)
    if start is None or round_.trained is None or round_.mask is None:
        return None
    weights = round_.trained.effective
    return {
        name: (start.weights[name][kept], weights[name][kept])
        for name, kept in round_.mask.items()
        if name in start.weights and name in weights
    }


def _by_sign(pairs: dict[str, tuple[Floats, Floats]]) -> dict[str, _Sign]:
    before = np.concatenate([a for a, _ in pairs.values()])
    after = np.concatenate([b for _, b in pairs.values()])
    moved = before != after
    return {
        "negative": _sign(before < 0, moved, after < before),
        "positive": _sign(before > 0, moved, after > before),
    }


def _sign(where: Bools, moved: Bools, grew: Bools) -> _Sign:
    return _Sign(int(where.sum()), int(moved[where].sum()), int(grew[where].sum()))


def survivors_train(evidence: Evidence) -> str:
    """Surviving weights of both signs and of every layer move in training, both ways."""
    observations = []
    for number, round_ in enumerate(evidence.rounds):
        pairs = _survivors(evidence, round_)
        if pairs:
            later = [after.mask for after in evidence.rounds[number + 1 :] if after.mask]
            observations.append(_trained(round_, pairs, later))
    return conclude(
        observations, "--init or --start, and --final, the weights after training, would tell"
    )


def _trained(
    round_: Round, pairs: dict[str, tuple[Floats, Floats]], later: Sequence[Masks]
) -> Observation:
    signs = _by_sign(pairs)
    figures = ", ".join(f"{name}: {sign}" for name, sign in signs.items())
    faults = list(_faults(signs))
    still = [
        name
        for name, (before, after) in pairs.items()
        if before.size >= ENOUGH and before.ndim and np.array_equal(before, after)
    ]
    if still and len(still) == len([n for n, (b, _) in pairs.items() if b.size >= ENOUGH]):
        faults = ["nothing was trained: all survivors have the values that they began with"]
    elif still:
        faults.append(f"the survivors of {', '.join(still)} are frozen")
    elif zeros := _emptied(round_, pairs, later):
        total = sum(after.size for _, after in pairs.values())
        faults.append(
            f"{zeros:,} of {total:,} survivors are exactly 0 after training: it was trained under "
            "another mask, or pruned once more"
        )
    return Observation(f"{round_.name}: {', '.join([*faults, figures])}", holds=not faults)


def _emptied(round_: Round, pairs: dict[str, tuple[Floats, Floats]], later: Sequence[Masks]) -> int:
    """How many survivors are 0 after training, if so many are that training cannot have done it.

    Some programs save weights once they have pruned them for the next round. And weights that are
    rounded to few values are 0 often.
    """
    after = np.concatenate([values for _, values in pairs.values()])
    zeros = int((after == 0).sum())
    if zeros < max(ENOUGH, EMPTY * after.size) or len(np.unique(after)) < (after.size - zeros) / 2:
        return 0
    mask = round_.mask or {}
    survives = {name: values != 0 for name, (_, values) in pairs.items()}
    if any(
        all(np.array_equal(next_[name][mask[name]], kept) for name, kept in survives.items())
        for next_ in later
        if survives.keys() <= next_.keys()
    ):
        return 0
    return zeros


def _faults(signs: dict[str, _Sign]) -> Iterator[str]:
    for name, other in (("negative", "positive"), ("positive", "negative")):
        this, that = signs[name], signs[other]
        if min(this.total, that.total) < ENOUGH:
            continue
        if this.moved / this.total < 0.1 * that.moved / that.total:
            yield f"{name} survivors are frozen"
        elif this.grew / this.total < 0.1 * that.grew / that.total:
            yield f"{name} survivors never grow: they only go towards 0"


def both_signs(evidence: Evidence) -> str:
    """Survivors have both signs, about as the weights they are chosen from have."""
    observations = []
    for round_ in evidence.rounds:
        start = round_.start or next(iter(evidence.inits), None)
        if start is not None and round_.mask is not None:
            observations += _signs(evidence, round_, round_.mask, start)
    return conclude(observations, "--init would tell")


def _signs(evidence: Evidence, round_: Round, mask: Masks, start: NetworkFile) -> list[Observation]:
    source = next(iter(evidence.inits), start).weights
    names = [
        name for name, kept in mask.items()
        if name in source and name in start.weights and kept.any() and not kept.all()
    ]  # fmt: skip
    if not names:
        return []
    kept = np.concatenate([start.weights[name][mask[name]] for name in names])
    # What chance gives: the same number of each parameter, whatever their signs.
    chance = sum(float((source[n] < 0).mean()) * int(mask[n].sum()) for n in names) / kept.size
    if all((source[name][~mask[name]] == 0).all() for name in names):
        return []  # the initial weights are the survivors alone, so chance gives the same
    negative = float((kept < 0).mean())
    sigma = np.sqrt(max(chance * (1 - chance), 1e-12) / kept.size)
    away = (negative - chance) / sigma
    text = (
        f"{round_.name}: {100 * negative:.1f} % of {kept.size:,} survivors begin negative, chance "
        f"gives {100 * chance:.1f} % ({away:+.1f} standard deviations)"
    )
    if kept.size < ENOUGH or not 0.1 < chance < 0.9:
        return [Observation(text, holds=None)]
    is_lopsided = abs(away) > 6 and abs(negative - chance) > LOPSIDED * min(chance, 1 - chance)
    return [Observation(text, holds=not is_lopsided)]
