"""Tiny encoder-decoder models of every architecture with weights by chance, tokenizers of their own, rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

from tests import tiny, writers

T5 = {
    "vocab_size": 320,
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 96,
    "num_layers": 3,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "decoder_start_token_id": 0,
}
BART = {
    "vocab_size": 320,
    "d_model": 64,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "max_position_embeddings": 64,
}
OWN_HEAD = "t5, gated, with a head of its own"
CONFIGS: dict[str, Any] = {
    "t5": transformers.T5Config(**T5),
    OWN_HEAD: transformers.T5Config.from_dict(
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    ),
    "mt5": transformers.MT5Config(**T5),
    "bart": transformers.BartConfig(**BART, scale_embedding=True),
    "marian": transformers.MarianConfig(
        **BART,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=2,
    ),
}
OPTIONS: dict[str, Any] = {"instruction": "tell: ", "longest": 8}
VALUES: dict[str, Any] = {
    "kind": "text/transduction",
    "options": OPTIONS,
    "input_size": 24,
    "freeze": "none",
}


def made(name: str) -> Any:
    """A model in evaluation mode, the same each time."""
    torch.manual_seed(0)
    config = type(CONFIGS[name]).from_dict(CONFIGS[name].to_dict())
    config.scale_decoder_outputs = getattr(CONFIGS[name], "scale_decoder_outputs", False)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager").eval()
    for own, tensor in model.named_parameters():
        if tensor.requires_grad:  # sines stay what they are
            wide = tensor.ndim == 1 or "relative" in own
            torch.nn.init.normal_(tensor, 0.5 if tensor.ndim == 1 else 0.0, 0.3 if wide else 0.12)
    if name == OWN_HEAD:
        model.lm_head.weight = torch.nn.Parameter(0.12 * torch.randn_like(model.lm_head.weight))
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.normal_(0.0, 0.3)
    return model


def tokenizer(name: str) -> Any:
    """Of T5 a vocabulary by Unigram, of BART bytes by BPE; Marian's by its tokenizer.json."""
    headlines = [row["headline"] for row in tiny.articles()]
    if name == "bart":
        return tiny.byte_bpe(headlines, writers.PIECES)
    if name == "marian":
        return marian(headlines)
    pieces = tiny._unigram_pieces(headlines, ["<pad>", "</s>", "<unk>"], writers.PIECES - 4)
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=4)


def marian(texts: list[str]) -> Any:
    """What transformers has no class for: Unigram with the end behind a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    pieces = tiny._unigram_pieces(texts, ["<unk>", "<pad>", "</s>"], writers.PIECES)
    backend = Tokenizer(models.Unigram(pieces, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", backend.token_to_id("</s>"))]
    )
    names = {f"{name}_token": piece for name, piece in (("unk", "<unk>"), ("pad", "<pad>"), ("eos", "</s>"))}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def checkpoint_in(folder: Path, name: str = "t5", **changed: Any) -> Path:
    """A checkpoint by chance, of any architecture of `CONFIGS`."""
    pieces, model = tokenizer(name), made(name)
    for key, value in changed.items():
        setattr(model.config, key, value)
    model.save_pretrained(folder)
    pieces.save_pretrained(folder)
    if name == "marian":  # as its own class would have it
        told = folder / "tokenizer_config.json"
        config = json.loads(told.read_text(encoding="utf-8"))
        told.write_text(json.dumps({**config, "tokenizer_class": "MarianTokenizer"}), encoding="utf-8")
    return folder
