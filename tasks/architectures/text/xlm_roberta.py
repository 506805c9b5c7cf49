"""XLM-RoBERTa (Conneau et al., 2019): RoBERTa with a vocabulary of a hundred languages."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.text import roberta

ARCHITECTURE = replace(roberta.ARCHITECTURE, model_type="xlm-roberta", name="XLM-RoBERTa")
