"""A plain checkpoint out of a GGUF file: its weights as 32-bit floats, its tokenizer, its config.

transformers reads the file; what it says of the quantized file is taken out, or the checkpoint could not be
saved. What the quantization lost stays lost.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

OF_THE_FILE = ("quantization_config", "_model_name_or_path")


def convert(weights: Path, folder: Path) -> None:
    """Writes the checkpoint of a GGUF file into a folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    told = {"gguf_file": weights.name, "local_files_only": True, "trust_remote_code": False}
    with contextlib.redirect_stderr(io.StringIO()):  # bars of seconds
        read: Any = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **told)
        tokenizer = AutoTokenizer.from_pretrained(weights.parent, **told)
    config = {key: value for key, value in read.config.to_dict().items() if key not in OF_THE_FILE}
    with torch.device("meta"):
        plain = type(read)(type(read.config)(**config))
    plain.load_state_dict(read.state_dict(), strict=True, assign=True)
    plain.tie_weights()
    plain.generation_config = GenerationConfig.from_model_config(plain.config)
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
