"""Learning-rate rewinding: the trained weights, at the rates that rewinding has.

The schedule goes on from the step that the ticket rewinds to. Source: "Comparing Rewinding and
Fine-tuning in Neural Network Pruning" (Renda, Frankle & Carbin, ICLR 2020).
"""

from dataclasses import replace

from lthctl.lottery.controls.finetune import FINETUNE

LR_REWIND = replace(
    FINETUNE,
    words="its trained weights, the schedule rewound",
    line=(4, 1.2, 2, 1.2),
    marker="<",
    at_the_last_rate=False,
)
