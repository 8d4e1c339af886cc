"""An LSTM as one node of a static graph.

torch.export unrolls an LSTM over the time steps of its example, which would freeze the width of a
line. ONNX has an operator for the whole of it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

_GATES = (0, 3, 1, 2)
"""ONNX wants the gates input, output, forget, cell; torch has them input, forget, cell, output."""


class LstmNode(nn.Module):
    """Twin of a bidirectional, batch-first `nn.LSTM` inside a graph; it computes nothing itself."""

    def __init__(self, lstm: nn.LSTM) -> None:
        """Raises ValueError for an LSTM of another kind."""
        super().__init__()
        if not (lstm.bidirectional and lstm.batch_first and lstm.bias) or lstm.proj_size:
            raise ValueError("only a batch-first LSTM of both directions can be exported")
        self.hidden = lstm.hidden_size
        self.layers = lstm.num_layers
        for layer in range(self.layers):
            for name, value in _node_weights(lstm, layer).items():
                self.register_buffer(f"{name}{layer}", value)

    def forward(self, steps: Tensor) -> tuple[Tensor, None]:
        """(N, T, C) to (N, T, 2 · hidden) in the graph; only zeros outside of one."""
        flow = steps.transpose(0, 1)  # (T, N, C)
        for layer in range(self.layers):
            shape = (flow.shape[0], 2, flow.shape[1], self.hidden)
            out = torch.onnx.ops.symbolic(
                "LSTM",
                (flow, *(self.get_buffer(f"{name}{layer}") for name in ("w", "r", "b"))),
                {"hidden_size": self.hidden, "direction": "bidirectional"},
                dtype=flow.dtype,
                shape=shape,
                version=14,
            )
            flow = out.transpose(1, 2).flatten(2)  # (T, N, 2 · hidden)
        return flow.transpose(0, 1), None


def _node_weights(lstm: nn.LSTM, layer: int) -> dict[str, Tensor]:
    """W (2, 4·H, C), R (2, 4·H, H) and B (2, 8·H) of one layer, forward before backward."""
    inputs, recurrent, biases = [], [], []
    for direction in ("", "_reverse"):
        weights = [
            _reordered(cast(Tensor, getattr(lstm, f"{kind}_l{layer}{direction}")))
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        inputs.append(weights[0])
        recurrent.append(weights[1])
        biases.append(torch.cat(weights[2:]))
    return {"w": torch.stack(inputs), "r": torch.stack(recurrent), "b": torch.stack(biases)}


def _reordered(weight: Tensor) -> Tensor:
    gates = weight.detach().chunk(4)
    return torch.cat([gates[i] for i in _GATES])
