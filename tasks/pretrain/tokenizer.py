"""The tokenizer as the checkpoint's own tokenizer.json has it, whatever class transformers makes of it.

Some classes rebuild a tokenizer by their own rules from the pieces in that file: what the file says of cases,
accents and words is then gone, and a text is read otherwise than the model has learnt it. So both are asked
for the same texts, the run's own and some hard ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.architectures import catalog
from tasks.core.errors import ModelError
from tasks.kinds.base import fast_tokenizer
from tasks.pretrain.checkpoint_files import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

FILE = fast_tokenizer.FILE
VOCABULARY = "vocab.txt"
HARD = (
    "Straße, CAFÉ and naïve İstanbul",
    "3.14 US-$ 1,000,000 (a/b) it's #tag @you",
    "東京に行きました。今日は晴れ",
    "नमस्ते दुनिया, привет мир, مرحبا",
    "  two  spaces\tand a tab \U0001f600",
)
OPTIONS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
"""What tokenizer_config.json and the normalizer in tokenizer.json call the same thing."""
MOST_UNKNOWN = 0.5
WORTH_TELLING = 0.001


def own(
    folder: Path, loaded: PreTrainedTokenizerBase, sample: Sequence[str], scratch: Path
) -> tuple[PreTrainedTokenizerBase, dict[str, Any]]:
    """The tokenizer to use, and what of it is to be told. `scratch` is where one may be written.

    Raises:
        ModelError: the files contradict each other, transformers or cannot be made to read its
            tokenizer.json.
    """
    seen = [*sample, *HARD]
    told: dict[str, Any] = {}
    if not (folder / FILE).is_file():
        told = {"tokenizer_made_from": _sources(folder, loaded)}
    elif faults := [*_contradictions(folder)]:
        raise ModelError(folder.name, *faults)
    elif not _alike(copy.deepcopy(loaded), _file(folder), seen):
        told = {"tokenizer": f"its own {FILE}, which {type(loaded).__name__} reads otherwise"}
        loaded = _as_the_file_says(folder, loaded, seen, scratch)
    unknown = _unknown_share(
        copy.deepcopy(loaded), sample
    )  # what is asked for changes how it cuts and pads, which is kept with it
    return loaded, {**told, **({"unknown_pieces": round(unknown, 4)} if unknown >= WORTH_TELLING else {})}


def unfit(told: Mapping[str, Any]) -> list[str]:
    """What of it is too much to be told only."""
    unknown = float(told.get("unknown_pieces", 0.0))
    fault = f"its tokenizer knows too little of the run's texts: {unknown:.0%} of their pieces are unknown"
    return [fault] if unknown > MOST_UNKNOWN else []


def _unknown_share(tokenizer: PreTrainedTokenizerBase, sample: Sequence[str]) -> float:
    """Of the pieces of the texts, those that stand for what has no piece."""
    numbers = [number for text in sample for number in tokenizer(text, add_special_tokens=False)["input_ids"]]
    return numbers.count(tokenizer.unk_token_id) / max(1, len(numbers))


def misplaced(config: Any, stated: Any, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Where the numbers of pieces in the config are not the tokenizer's.

    `stated`: what config.json itself says.
    """
    faults = []
    beyond = sorted(
        (number, piece) for piece, number in tokenizer.get_vocab().items() if number >= config.vocab_size
    )
    if beyond:
        (number, piece), more = beyond[0], f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
        faults.append(
            f"its tokenizer has the piece {piece!r} at {number}{more}; its config says vocab_size = "
            f"{config.vocab_size}"
        )
    names = ["pad", *(name for name in ("cls", "sep", "mask") if f"{name}_token_id" in stated)]
    for name in names:
        number, own_number = (
            getattr(config, f"{name}_token_id", None),
            getattr(tokenizer, f"{name}_token_id", None),
        )
        counts = f"{name}_token_id" in stated or catalog.of(config).positions_behind_padding
        if counts and isinstance(number, int) and own_number is not None and number != own_number:
            piece = getattr(tokenizer, f"{name}_token")
            faults.append(
                f"its config says {name}_token_id = {number}, its tokenizer has {piece!r} at {own_number}; "
                "correct the wrong one"
            )
    return faults


def too_long(config: Any, tokenizer: PreTrainedTokenizerBase, input_size: int) -> list[str]:
    """Why inputs of so many pieces cannot be read: the model has too few positions."""
    before = (tokenizer.pad_token_id or 0) + 1 if catalog.of(config).positions_behind_padding else 0
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:  # distances instead, of any length
        return []
    longest = positions - before  # e.g. RoBERTa's 514 - 2
    return [f"input_size = {input_size}: it reads at most {longest} pieces"] if input_size > longest else []


def _file(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        read: Tokenizer = Tokenizer.from_file(str(folder / FILE))
    except Exception as error:  # it raises bare Exceptions
        raise ModelError(
            folder.name, f"its {FILE} cannot be read: {' '.join(str(error).split())[:200]}"
        ) from None
    read.no_truncation()
    read.no_padding()
    return read


def _alike(loaded: PreTrainedTokenizerBase, file: Tokenizer, seen: Sequence[str]) -> bool:
    """Whether both cut the texts alike. Special pieces at the ends count where the file says which."""
    ends = file.post_processor is not None
    known = loaded.get_vocab()
    if any(known.get(piece) != number for piece, number in file.get_vocab().items()):
        return False
    return all(
        loaded(text, add_special_tokens=ends)["input_ids"] == file.encode(text, add_special_tokens=ends).ids
        for text in seen
    )


def _as_the_file_says(
    folder: Path, loaded: PreTrainedTokenizerBase, seen: Sequence[str], scratch: Path
) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    file = _file(folder)
    named = {name: piece for name, piece in loaded.special_tokens_map.items() if isinstance(piece, str)}
    special = {
        name: piece for name, piece in named.items() if file.token_to_id(piece) is not None
    }  # a class adds usual ones of its own
    plain = PreTrainedTokenizerFast(tokenizer_file=str(folder / FILE), **special)
    plain.save_pretrained(scratch)
    (scratch / "config.json").write_bytes(
        (folder / "config.json").read_bytes()
    )  # it decides what class the next stage gets
    again = fast_tokenizer.load(scratch)
    if not _alike(copy.deepcopy(again), file, seen):
        raise ModelError(
            folder.name,
            f"{type(again).__name__} reads texts otherwise than its own {FILE} says; take another checkpoint",
        )
    return again


def _contradictions(folder: Path) -> Iterator[str]:
    """Between the files that tell how texts are read.

    Nobody can say which of them the model was trained with.
    """
    layout = read_json(folder / FILE)
    config = (
        read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    )
    normalizer = layout.get("normalizer")
    if isinstance(normalizer, dict) and normalizer.get("type") == "BertNormalizer":
        for name, other in OPTIONS.items():
            said, done = config.get(name), normalizer.get(other)
            if isinstance(said, bool) and isinstance(done, bool) and said != done:
                yield (
                    f"tokenizer_config.json says {name} = {said}, its {FILE} {other} = {done}; make both "
                    "say what the model learnt"
                )
    yield from _other_pieces(folder, layout)
    yield from _moved_pieces(folder, layout)


def _other_pieces(folder: Path, layout: Any) -> Iterator[str]:
    model = layout.get("model")
    known = model.get("vocab") if isinstance(model, dict) else None
    if not (folder / VOCABULARY).is_file() or not isinstance(known, dict):
        return
    lines = (folder / VOCABULARY).read_text(encoding="utf-8", errors="replace").split("\n")
    pieces = {number: piece for piece, number in known.items()}
    differ = [at for at, line in enumerate(lines) if line and pieces.get(at, line) != line]
    if differ:
        at = differ[0]
        found = (
            f"{VOCABULARY} has {lines[at]!r} as piece {at}, its {FILE} {pieces[at]!r} ({len(differ)} "
            "such pieces)"
        )
        yield f"{found}; take out the wrong file"


def _moved_pieces(folder: Path, layout: Any) -> Iterator[str]:
    """The library counts added pieces on from the number of the others, whatever the file says."""
    read = _file(folder)
    for token in layout.get("added_tokens") or []:
        if (number := read.token_to_id(token["content"])) != token["id"]:
            yield (
                f"{FILE} has {token['content']!r} at {token['id']}, but it is read as piece {number}: "
                "pieces below it are missing"
            )


def _sources(folder: Path, loaded: PreTrainedTokenizerBase) -> list[str]:
    """The files it was made from in place of tokenizer.json.

    Of a part of them transformers makes up the rest.
    """
    names = sorted({name for name in type(loaded).vocab_files_names.values() if name and name != FILE})
    if lacking := [name for name in names if not (folder / name).is_file()]:
        raise ModelError(
            folder.name,
            f"has no {FILE}, and {type(loaded).__name__} lacks {', '.join(lacking)} to be made from",
        )
    return names
