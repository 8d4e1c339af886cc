"""What the loop needs to know of a model that is to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn


class Terms(NamedTuple):
    """A loss and what it is made of."""

    total: Tensor
    """Scalar; its gradient is followed."""
    parts: Mapping[str, Tensor]
    """Scalars, detached, for the log; already weighted, so that they add up to the total."""


class Task(Protocol):
    """Data, networks and loss of one training run."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained, such as both students; what a checkpoint holds.

        Frozen teachers are not among its parameters and not in its state.
        """
        ...

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """Networks the loss asks but which never learn; the loop moves them to the device."""
        ...

    @property
    def figure(self) -> str:
        """Name of the figure by which evaluations are compared; higher is better."""
        ...

    def batch(self, number: int) -> Any:
        """Tensors on the CPU in tuples, lists, dicts or named tuples.

        A pure function of the task's seed and the number, so that a resumed run sees what an
        uninterrupted one sees. Called in processes of the loader: no CUDA, and no memory of calls.
        """
        ...

    def loss(self, batch: Any, progress: float) -> Terms:
        """The loss of a batch that lies on the device of `module`.

        `progress` in [0, 1): steps done / steps in all. Called under autocast; what follows the
        networks' outputs belongs under `devices.full_precision()`.
        """
        ...

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        """Figures on held-out data, `figure` among them.

        `module` has the structure of `self.module`, in eval mode, on the run's device; its weights
        may be averaged ones.
        """
        ...

    def deployable(self, module: nn.Module) -> nn.Module:
        """The network to publish, a part of a module such as `self.module`: the first student."""
        ...
