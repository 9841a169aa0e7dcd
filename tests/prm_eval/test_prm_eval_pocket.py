"""The shipped PRM, measured by `prm-eval`: the figure of its model card must come out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import Command

import tt_scale

CARD = Path(tt_scale.__file__).parent / "pocket" / "models" / "pocket-prm" / "README.md"
TOLERANCE = 0.03
"""Of the area on 25 questions with 4 solutions each: two and a half standard errors, resampled over questions."""


@pytest.mark.hf
def test_prm_eval_gives_the_area_of_the_card(capsys, tmp_path, monkeypatch):
    """Steps that are cut, labelled or scored one off still give a table, with an area near a half."""
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    told = re.search(r"area under the ROC curve, all steps \| ([\d.]+)", CARD.read_text(encoding="utf-8"))
    assert told is not None
    answer = Command(capsys)(
        *("prm-eval", "pocket-prm", "--dataset", "pocket-math:count=25", "--N", "4", "--temperature", "0.7"),
        *("--generator", "huggingface", "--prm", "huggingface", "--dtype", "float32"),
        *("--max-tokens", "160"),
    )
    assert answer.status == 0, answer.err
    found = re.search(r"AUC, steps +([\d.]+)", answer.out)
    assert found is not None
    assert float(found[1]) == pytest.approx(float(told[1]), abs=TOLERANCE)
    assert "Truth: steps as judged by the exact checker of pocket-math." in answer.out
    assert "failed" not in answer.out
