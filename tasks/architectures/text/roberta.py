"""RoBERTa (Liu et al., 2019): BERT, but for where positions begin."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.text import bert

ARCHITECTURE = replace(bert.ARCHITECTURE, model_type="roberta", name="RoBERTa", positions_behind_padding=True)
