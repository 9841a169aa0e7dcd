"""Tiny random checkpoints of every PRM family, each with an independent reading of its protocol.

A reading uses Transformers and nothing of ours, and follows the authors' code: the whole text is tokenised at once, the
tag's id is searched for, and one forward pass is made for each solution (for RLHFlow, for each step).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny_models import CHATML

LLAMA_SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEXT = [
    "Step 1: First we add the numbers 12 and 30 and get 42. \n\n\n\nStep 2: get the number. \n\n\n\n\n",
    "What is 12 + 30? \n\nadd - and + get 7 +\n user system assistant \n\n\n\nthe \n\n\n\n\n a -",
    "Шаг ки\nStep 3: get ки\n",
]
SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 1024, "initializer_range": 0.3,
}  # fmt: skip

Scores = list[float]
Reader = Callable[[Path, str, Sequence[str]], Scores]


@dataclass(frozen=True)
class Family:
    """A PRM family.

    Attributes:
        name: of its adapter.
        save: writes a checkpoint into a folder.
        read: the scores of the steps of a solution, independently.
        args: `prm_args`.
    """

    name: str
    save: Callable[[Path], None]
    read: Reader
    args: tuple[tuple[str, Any], ...] = ()


def byte_tokenizer(folder: Path, bos: bool) -> Any:
    """Byte-level BPE that splits as Llama 3 and Qwen 2.5 do, so that runs of line breaks are one token."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXT * 5, trainer)
    if bos:
        raw.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", raw.token_to_id("<|begin|>"))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|begin|>" if bos else None
    )
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    return tokenizer


def piece_tokenizer(folder: Path) -> Any:
    """Pieces as of Mistral: a mark for the space, bytes for what is unknown, `<s>` before every text."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    words = [word for text in TEXT for word in text.replace("\n", " \n").split(" ")]
    letters = [chr(code) for code in range(32, 127)]
    raw.train_from_iterator([*words * 5, *letters, "+", "-", "ки"] * 3, trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", raw.token_to_id("<s>"))]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_causal(kind: str, folder: Path, size: int) -> None:
    import torch
    import transformers

    torch.manual_seed(1)
    own = {"sliding_window": None} if kind == "Mistral" else {}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=size, bos_token_id=None, eos_token_id=None, **own, **SHAPE
    )
    getattr(transformers, f"{kind}ForCausalLM")(config).float().save_pretrained(folder)


def causal_logits(folder: Path, ids: Sequence[int]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([list(ids)])).logits[0]


def odds(row: Any, right: int, wrong: int) -> float:
    import torch

    return float(torch.softmax(row[[right, wrong]], -1)[0])


def tokenizer_of(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder)


def at_tags(folder: Path, text: str, tag: str, right: str, wrong: str) -> Scores:
    """Look for the id of the tag in the whole text, as the authors of these PRMs do."""
    tokenizer = tokenizer_of(folder)
    ids = tokenizer.encode(text)
    mark = tokenizer.encode(f"a{tag}")[-1]
    chosen = [tokenizer.convert_tokens_to_ids(right), tokenizer.convert_tokens_to_ids(wrong)]
    assert None not in chosen
    logits = causal_logits(folder, ids)
    return [odds(logits[place], *chosen) for place, token in enumerate(ids) if token == mark]


def read_shepherd(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    text = "\n".join([f"Step {number}: {step} ки" for number, step in enumerate(steps, 1)])
    return at_tags(folder, f"{question} {text}", " ки", "▁+", "▁-")


def read_versa(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    text = "".join([f"{step} \n\n\n\n" for step in steps])
    return at_tags(folder, f"{question} \n\n{text}", " \n\n\n\n", "+", "-")


def read_psa(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    text = "".join([f"{step} \n\n\n\n\n" for step in steps])
    return at_tags(folder, f"{question} {text}", " \n\n\n\n\n", "Ġ+", "Ġ-")


def read_before(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    """What is predicted in place of the tag `+` of a binary-tag PRM."""
    tokenizer = tokenizer_of(folder)
    scores = []
    for end in range(1, len(steps) + 1):
        text = question + "\n" + "+\n".join(steps[:end])
        scores.append(
            odds(causal_logits(folder, tokenizer.encode(text))[-1], *tokenizer.convert_tokens_to_ids(["+", "-"]))
        )
    return scores


def read_rlhflow(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    tokenizer = tokenizer_of(folder)
    right, wrong = tokenizer.convert_tokens_to_ids("+"), tokenizer.convert_tokens_to_ids("-")
    scores, chat = [], []
    for number, step in enumerate(steps):
        chat.append({"role": "user", "content": step if number else f"{question} {step}"})
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.encode(text, add_special_tokens=False)
        scores.append(odds(causal_logits(folder, ids)[-1], right, wrong))
        chat.append({"role": "assistant", "content": "+"})
    return scores


def save_skywork(folder: Path) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(2)
    tokenizer = byte_tokenizer(folder, bos=True)
    config = Qwen2Config(vocab_size=len(tokenizer), bos_token_id=3, **SHAPE)
    state = dict(Qwen2ForCausalLM(config).float().state_dict())
    state |= {"v_head.summary.weight": torch.randn(1, 64) * 0.3, "v_head.summary.bias": torch.randn(1)}
    torch.save(state, folder / "pytorch_model.bin")
    settings = config.to_dict() | {"architectures": ["Qwen2ForPrmModel"], "model_type": "qwen2", "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(settings))


def read_skywork(folder: Path, question: str, steps: Sequence[str]) -> Scores:
    import torch
    from transformers import Qwen2Config, Qwen2Model

    tokenizer = tokenizer_of(folder)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    base = Qwen2Model(Qwen2Config.from_pretrained(folder)).eval()
    base.load_state_dict({name[6:]: weight for name, weight in state.items() if name.startswith("model.")})
    ids = tokenizer.encode("<|begin|>" + question + "\n", add_special_tokens=False)
    flags = [0] * len(ids)
    for line in "\n".join(steps).split("\n"):
        more = tokenizer.encode(line, add_special_tokens=False) + tokenizer.encode("\n", add_special_tokens=False)[-1:]
        ids += more
        flags += [0] * (len(more) - 1) + [1]
    with torch.no_grad():
        hidden = base(torch.tensor([ids])).last_hidden_state[0]
    values = torch.sigmoid(hidden @ state["v_head.summary.weight"][0] + state["v_head.summary.bias"])
    return [float(values[place]) for place, flag in enumerate(flags) if flag]


def save_classifier(kind: str, folder: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(3)
    tokenizer = byte_tokenizer(folder, bos=kind == "Llama")
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), num_labels=2, **SHAPE)
    model = getattr(transformers, f"{kind}ForTokenClassification")(config).float()
    torch.nn.init.normal_(model.score.weight, std=0.3)
    torch.nn.init.normal_(model.score.bias, std=0.3)
    model.save_pretrained(folder)


def classified(separator: str, column: int, bos: bool) -> Reader:
    def read(folder: Path, question: str, steps: Sequence[str]) -> Scores:
        import torch
        from transformers import AutoModelForTokenClassification

        tokenizer = tokenizer_of(folder)
        model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
        ids = ([tokenizer.bos_token_id] if bos else []) + tokenizer.encode(question, add_special_tokens=False)
        places = []
        for step in steps:
            ids += tokenizer.encode(step, add_special_tokens=False)
            ids += tokenizer.encode(separator, add_special_tokens=False)
            places.append(len(ids) - 1)
        with torch.no_grad():
            return torch.softmax(model(torch.tensor([ids])).logits[0], -1)[places, column].tolist()

    return read


def _causal(kind: str, bos: bool) -> Callable[[Path], None]:
    return lambda folder: save_causal(kind, folder, len(byte_tokenizer(folder, bos)))


FAMILIES = {
    "math-shepherd": Family(
        "math-shepherd", lambda folder: save_causal("Mistral", folder, len(piece_tokenizer(folder))), read_shepherd
    ),
    "versa": Family("versa", _causal("Llama", True), read_versa),
    "math-psa": Family("math-psa", _causal("Qwen2", False), read_psa),
    "rlhflow": Family("rlhflow", _causal("Llama", False), read_rlhflow),
    "before": Family(
        "binary-tag", _causal("Llama", True), read_before,
        (("tag", "+"), ("opening", "{question}\n"), ("read", "before")),
    ),
    "skywork": Family("skywork", save_skywork, read_skywork),
    "pure": Family("pure", lambda folder: save_classifier("Qwen2", folder), classified("\n\n", 1, False)),
    "token-classifier": Family(
        "token-classifier", lambda folder: save_classifier("Llama", folder), classified("\n", 0, True),
        (("positive", 0),),
    ),
}  # fmt: skip
