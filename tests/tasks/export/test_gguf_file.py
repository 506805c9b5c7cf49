"""GGUF files hold what the checkpoint does: transformers, which reads them too, answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.core.errors import ModelError
from tasks.export import gguf_file
from tasks.export.gguf_file import Form
from tests import decoders, writers

pytest.importorskip("gguf")


def read_back(file: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
    ).eval()


@pytest.mark.parametrize(("form", "most"), [("f16", 0.01), ("q8_0", 0.1), ("q4_0", 1.5)])
@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_answers_are_those_of_the_checkpoint(name: str, form: Form, most: float, tmp_path: Path) -> None:
    model, file = decoders.made(name), tmp_path / "model.gguf"
    gguf_file.write(model, writers.tokenizer(), 64, form, file)
    ids = torch.tensor([[5, 90, 7, 300, 41]])
    with torch.inference_mode():
        found, wanted = read_back(file)(input_ids=ids).logits, model(input_ids=ids).logits
    assert float((found - wanted).abs().max()) < most
    assert found.shape == wanted.shape


def test_pieces_and_what_ends_a_text_are_in_the_file(tmp_path: Path) -> None:
    from gguf import GGUFReader

    tokenizer = writers.tokenizer()
    gguf_file.write(decoders.made("llama"), tokenizer, 64, "f16", tmp_path / "model.gguf")
    fields = GGUFReader(str(tmp_path / "model.gguf")).fields
    pieces = fields["tokenizer.ggml.tokens"].contents()
    assert pieces == sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    assert fields["tokenizer.ggml.eos_token_id"].contents() == tokenizer.eos_token_id
    assert fields["tokenizer.chat_template"].contents() == writers.TEMPLATE
    kinds = np.array(fields["tokenizer.ggml.token_type"].contents())
    assert (kinds == gguf_file.SPECIAL).sum() == len(tokenizer.all_special_ids)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(2):
        gguf_file.write(decoders.made("llama"), writers.tokenizer(), 64, "q8_0", tmp_path / f"{number}.gguf")
    assert (tmp_path / "0.gguf").read_bytes() == (tmp_path / "1.gguf").read_bytes()


def test_what_gguf_has_no_name_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gpt2 cannot be written; what can be: llama, mistral"):
        gguf_file.write(decoders.made("gpt2"), writers.tokenizer(), 64, "f16", tmp_path / "model.gguf")
    tokenizer = writers.tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = __import__("tokenizers").pre_tokenizers.Whitespace()
    with pytest.raises(ModelError, match="only byte-level BPE"):
        gguf_file.write(decoders.made("llama"), tokenizer, 64, "f16", tmp_path / "model.gguf")
