"""Quantizers' steps and batch normalization during retraining: they move, then stand still until the end."""

from __future__ import annotations

from speechq.train.technique import Technique


class Steps(Technique):
    """Before each update steps adapt (where their rule says so), until all are frozen for the last share.

    Batch normalization is frozen with them, unless it was from the beginning.
    """

    name = "steps"

    def __init__(self, freeze_share: float) -> None:
        self.freeze_share = freeze_share

    def before_step(self, share: float) -> None:
        if share < 1.0 - self.freeze_share:
            self.model.adapt_steps()
        else:
            self.model.freeze_steps()
            self.model.freeze_norms()
