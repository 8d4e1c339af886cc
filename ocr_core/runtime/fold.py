"""From the form a network is trained in to the one it is deployed in, and back.

deploy_form     batch norms and branches folded; for export
with_branches   a published, folded network made trainable with all its branches
settle_norms    batch norms take the statistics of real batches, and the network stays the same
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ocr_core.conv_norm import Foldable, norm_line
from ocr_core.detection.lcnetv4_db import LCNetV4DB
from ocr_core.recognition.lstm_node import LstmNode
from ocr_core.recognition.svtr_lcnetv4 import SvtrLCNetV4

Module = TypeVar("Module", bound=nn.Module)
Branched = TypeVar("Branched", LCNetV4DB, SvtrLCNetV4)


def deploy_form(network: Module) -> Module:
    """A copy in eval mode that computes the same with fewer layers; only for export.

    An LSTM becomes a node that computes inside the exported graph alone.
    """
    folded = copy.deepcopy(network).eval()
    _fold_parts(folded)
    return folded


def _fold_parts(module: nn.Module) -> None:
    for name, part in module.named_children():
        if isinstance(part, Foldable):
            setattr(module, name, part.fold())
        elif isinstance(part, nn.LSTM):
            setattr(module, name, LstmNode(part))
        else:
            _fold_parts(part)


def with_branches(network: Branched, batches: Iterable[Tensor] = ()) -> Branched:
    """The branch form of a folded network, in eval mode, computing the same.

    `batches` of training images let the new batch norms know what they will meet; without any,
    the first training steps normalise to something else than eval mode does.
    """
    config = replace(network.config, branches=True)
    branched = type(network)(config)
    _take_parts(branched, network)
    branched.eval()
    settle_norms(branched, batches)
    return branched


def _take_parts(module: nn.Module, source: nn.Module) -> None:
    if isinstance(module, Foldable) and type(module) is not type(source):
        module.unfold(source)
        return
    parts = dict(module.named_children())
    if not parts:
        module.load_state_dict(source.state_dict())
    for name, part in parts.items():
        _take_parts(part, source.get_submodule(name))


@torch.no_grad()
def settle_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give batch norms the mean and variance of these batches without changing what they compute.

    In eval mode the network answers as before; in training mode it now answers nearly the same.
    """
    moments: dict[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        each = inputs[0].double().mean(dim=(0, 2, 3)), inputs[0].double().square().mean((0, 2, 3))
        moments.setdefault(cast(nn.BatchNorm2d, norm), []).append(each)

    norms = [norm for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    was_training = network.training
    network.eval()
    for batch in batches:
        network(batch)
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    for norm, seen in moments.items():
        means, squares = zip(*seen, strict=True)
        mean = torch.stack(means).mean(dim=0)
        variance = (torch.stack(squares).mean(dim=0) - mean.square()).clamp(min=0)
        _set_statistics(norm, mean, variance)


def _set_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    scale, shift = norm_line(norm)
    cast(Tensor, norm.running_mean).copy_(mean)
    cast(Tensor, norm.running_var).copy_(variance)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + scale * mean)
