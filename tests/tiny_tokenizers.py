"""Tokenizers of the two families that language models have, trained on the spot."""

from __future__ import annotations

from typing import Any

SPECIAL = ["<eos>", "<bos>", "<end_of_turn>"]
TEXT = [
    "First we add 12 and 30.\n\nSo the answer is \\boxed{42}.",
    "Ünïcode, naïve café; Шаг один, шаг два; 第一步。",
    "user assistant system Yes No + - Step 1: Step 2:",
]
TEMPLATE = (
    "<bos>{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_level() -> Any:
    """As of GPT-2, Llama 3 and Qwen: every byte is a token, words carry their space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(TEXT * 3, trainer)
    return _wrapped(raw)


def sentence_piece() -> Any:
    """As of Llama 2 and Mistral: a mark for the space before each word, and bytes for what is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE(unk_token=None, byte_fallback=True, fuse_unk=True))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=[*SPECIAL, *names], show_progress=False)
    raw.train_from_iterator(TEXT * 3, trainer)
    return _wrapped(_with_ordinary_bytes(raw, names))


def _with_ordinary_bytes(raw: Any, names: list[str]) -> Any:
    """The trainer knows no byte tokens but special ones; real tokenizers have them as ordinary ones."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(raw.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in names]
    return Tokenizer.from_str(json.dumps(state))


def _wrapped(raw: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<eos>", bos_token="<bos>", additional_special_tokens=["<end_of_turn>"]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
