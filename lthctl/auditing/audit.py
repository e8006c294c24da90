"""An audit: the claims that make a ticket, checked one by one on files made anywhere."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lthctl.auditing.evidence import Evidence, gather
from lthctl.auditing.masks import counts, nested, prunes
from lthctl.auditing.rewinding import rewound
from lthctl.auditing.scores import keeps_large, score
from lthctl.auditing.training import both_signs, stay_pruned, survivors_train
from lthctl.errors import CheckpointError, ParamsError
from lthctl.interop.layouts import FoundFiles, FoundRound, find_files
from lthctl.verification.checks import Check, Failed, State, Unchecked

CLAIMS: dict[str, Callable[[Evidence], str]] = {
    "the mask prunes, and leaves no layer empty": prunes,
    "the ticket is rewound to the initial weights": rewound,
    "each mask is nested in the one before": nested,
    "the mask keeps the large weights, not the small": keeps_large,
    "a score of trained weights selects the mask": score,
    "as many weights are pruned as were to be": counts,
    "pruned weights stay 0": stay_pruned,
    "survivors train, negative ones too": survivors_train,
    "survivors have both signs": both_signs,
}
"""What is claimed of every ticket, and the function that checks it. A new claim is a line here."""


def audit(
    folder: Path | str | None = None,
    *,
    layout: str | None = None,
    init: Sequence[Path | str] | Path | str = (),
    mask: Path | str | None = None,
    start: Path | str | None = None,
    final: Path | str | None = None,
    rounds: Sequence[Path | str] = (),
    rate: float | None = None,
    ratio: float | None = None,
) -> list[Check]:
    """What the files of a ticket prove of it, wherever they were made. Nothing in them is run.

    Args:
      folder: a run of another program, in place of the files.
      layout: how that folder is laid out: a known name, or a file with a mapping; without, the
        known one that fits.
      init: weights before training; several where it is not known which are rewound to.
      mask: the ticket's mask, or a pruned checkpoint.
      start: the weights that the ticket was trained from.
      final: the weights after that training.
      rounds: of earlier rounds, in order: masks, trained weights, or both.
      rate: the fraction of the remaining weights that a round was to prune, in (0, 1).
      ratio: the sparsity that was asked for, in [0, 1).

    Returns:
      One check a claim: held, failed, or unchecked with the file that would tell.

    Raises:
      ParamsError: there is neither a folder nor a mask, or a number is out of range.
      CheckpointError: a file cannot be read, or is of another network.

    Example:
      >>> for check in audit(init="init.pt", mask="mask.pt", final="final.pt"):
      ...     print(check.state, check.claim, check.detail)
    """
    for name, number in (("rate", rate), ("ratio", ratio)):
        if number is not None and not 0 <= number < 1:
            raise ParamsError(f"{name}: is {number}, expected in [0, 1): a fraction of the weights")
    if folder is not None:
        if any([init, mask, start, final, rounds]):
            raise ParamsError("give a folder, or --init, --mask and other files, and not both")
        files = find_files(Path(folder), layout)
        files = replace(files, rate=files.rate if rate is None else rate, ratio=ratio)
    elif layout is not None:
        raise ParamsError("--from: is for a folder; give one, or leave --from out")
    else:
        files = _given(init, mask, start, final, rounds, rate, ratio)
    evidence = gather(files)
    return [_check(evidence, claim, function) for claim, function in CLAIMS.items()]


def _given(
    init: Sequence[Path | str] | Path | str, mask: Path | str | None, start: Path | str | None,
    final: Path | str | None, rounds: Sequence[Path | str], rate: float | None,
    ratio: float | None,
) -> FoundFiles:  # fmt: skip
    if mask is None:
        raise ParamsError("--mask: is missing; give the ticket's mask, or a folder with --from")
    inits = [init] if isinstance(init, str | Path) else init
    found = [
        FoundRound(f"round {number}", mask=None, trained=Path(path))
        for number, path in enumerate(rounds, start=1)
    ]
    ticket = FoundRound(
        "the ticket", Path(mask),
        None if start is None else Path(start), None if final is None else Path(final),
    )  # fmt: skip
    return FoundFiles(Path(mask), [Path(path) for path in inits], [*found, ticket], rate, ratio)


def _check(evidence: Evidence, claim: str, function: Callable[[Evidence], str]) -> Check:
    state: State = "held"
    try:
        detail = function(evidence)
    except Unchecked as why:
        state, detail = "unchecked", str(why)
    except (Failed, CheckpointError) as fault:
        state, detail = "failed", str(fault)
    return Check(evidence.path, claim, state, detail)
