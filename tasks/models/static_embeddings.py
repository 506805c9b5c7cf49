"""Static embeddings as a transformers model. Importing this module makes the auto classes know it.

A text is the sum of the rows that its pieces have in one table, whatever stands beside them; a small network
reads the sum. After fastText (Joulin et al., Bag of Tricks for Efficient Text Classification, 2016). How much
a piece weighs is the length of its row. The sum is normalized, so that the length of a text does not matter.

No architecture of transformers pools over pieces, so these checkpoints, alone among ours, need this module to
load (docs/adr/0018-a-static-student-has-an-architecture-of-its-own.md). They hold tensors and a config as any
other, and no code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput


class StaticConfig(PreTrainedConfig):
    """`hidden_size` is the width of the table, `intermediate_size` that of the layer behind the sum."""

    model_type = "slipway_static"

    vocab_size: int = 30522
    hidden_size: int = 64
    intermediate_size: int = 256
    pad_token_id: int | None = 0
    dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02


class StaticPreTrainedModel(PreTrainedModel):
    config_class = StaticConfig
    base_model_prefix = "static"

    def get_input_embeddings(self) -> Any:
        """The table of pieces."""
        return self.base_model.embeddings


class StaticModel(StaticPreTrainedModel):
    """Numbers of pieces (n, l) and what of them is text (n, l) -> rows (n, l, w), and their normalized sums
    (n, w).
    """

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> BaseModelOutputWithPooling:
        rows = self.embeddings(input_ids)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        # e.g. (8, 1, 32) x (8, 32, 64) -> (8, 64): a product, which tasks/export/int8_table.py looks for
        sums = (mask.to(rows.dtype).unsqueeze(1) @ rows).squeeze(1)
        return BaseModelOutputWithPooling(last_hidden_state=rows, pooler_output=self.norm(sums))


class StaticForSequenceClassification(StaticPreTrainedModel):
    """The same -> logits (n, num_labels)."""

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.static = StaticModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.classifier = nn.Linear(config.intermediate_size, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        sums = self.static(input_ids, attention_mask).pooler_output
        inner = torch.relu(self.dense(self.dropout(sums)))
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(inner)))


AutoConfig.register(StaticConfig.model_type, StaticConfig, exist_ok=True)
AutoModel.register(StaticConfig, StaticModel, exist_ok=True)
AutoModelForSequenceClassification.register(StaticConfig, StaticForSequenceClassification, exist_ok=True)
