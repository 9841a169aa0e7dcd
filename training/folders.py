"""Both models as Hugging Face folders, in bfloat16, with cards and checksums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tt_scale.pocket.weights import CHECKSUMS, file_digest
from tt_scale.prm.adapters.qwen_math import ARCHITECTURE

from .evaluation import Found
from .tokenizer import ASSISTANT, END, PAD, TAG, TEMPLATE, USER

_MOST_BYTES = 16_000_000


def save_generator(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write pocket-gen: a `LlamaForCausalLM` as every Llama runtime reads it."""
    _empty(folder)
    _tokenizer(tokenizer, folder)
    settings = model.config.to_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    tied = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    _weights(tied, settings, folder)
    generation = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    write_checksums(folder)


def save_verifier(verifier: Any, tokenizer: Any, folder: Path) -> None:
    """Write pocket-prm: what Qwen2.5-Math-PRM checkpoints hold, without what only taught it."""
    _empty(folder)
    _tokenizer(tokenizer, folder)
    settings = verifier.config.to_dict() | {"architectures": [ARCHITECTURE], "dtype": "bfloat16", "num_labels": 2}
    kept = {f"model.{name}": value for name, value in verifier.model.state_dict().items()}
    kept |= {f"score.{name}": value for name, value in verifier.score.state_dict().items()}
    _weights(kept, settings, folder)
    write_checksums(folder)


def write_card(name: str, folder: Path, found: Found, seed: int) -> None:
    """Write the model card from what was measured."""
    (folder / "README.md").write_text(found.card(name, seed), encoding="utf-8")
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """Write the digest of every file that a run needs."""
    needed = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".safetensors")]
    digests = {path.name: file_digest(path) for path in needed if path.name != CHECKSUMS}
    (folder / CHECKSUMS).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()


def _tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer as Transformers 4 and 5 both read it: one file of settings, in the words of version 4."""
    tokenizer.padding_side = "right"
    tokenizer.save_pretrained(folder)
    settings = {
        "additional_special_tokens": [USER, ASSISTANT, TAG],
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_max_length": tokenizer.model_max_length,
        "pad_token": PAD,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").unlink(missing_ok=True)


def _weights(state: dict[str, torch.Tensor], settings: dict[str, Any], folder: Path) -> None:
    settings.pop("_name_or_path", None)
    file = folder / "model.safetensors"
    save_file(
        {name: value.to(torch.bfloat16).cpu().contiguous() for name, value in state.items()}, file, {"format": "pt"}
    )
    if file.stat().st_size > _MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size:,} bytes; at most {_MOST_BYTES:,} may be shipped.")
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
