"""Runs over recorded samples: what real models sampled, searched again without a model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Answer, Command, records
from recorded_sets import ONE, PRM, TWO, row, rows, sample, write_set

from tt_scale.config import Config
from tt_scale.core.aggregate import AGGREGATES, aggregate
from tt_scale.core.path import Path as SolutionPath
from tt_scale.core.records import Step
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.generator.recorded import RecordedGenerator
from tt_scale.problems.recorded import read_recorded


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def bench(command: Command, *more: str, samples: list[dict[str, Any]] | None = None) -> Answer:
    name = write_set(Path("mine.jsonl"), *(rows() if samples is None else samples))
    typed = ("bench", "--generator", "recorded", "--dataset", name, "--prm-name", PRM, "--N", "4")
    return command(*typed, *(() if "--method" in more else ("--method", "best_of_n")), *more)


def expected(selector: str, agg: str, count: int = 4) -> dict[str, bool]:
    """Whether the first samples of each problem are judged right, worked out from the file alone."""
    found = {}
    for name, samples in (("p1", ONE), ("p2", TWO)):
        answers = [answer for answer, _, _ in samples[:count]]
        pool = [
            Candidate(answers.index(answer), aggregate(agg, scores, finished=True))
            for answer, _, scores in samples[:count]
        ]
        chosen = SELECTORS[selector](pool)
        assert chosen is not None
        found[name] = samples[chosen][1]
    return found


def verdicts(folder: Path) -> dict[str, bool]:
    return {name: record["grade"] == "correct" for (name, _), record in records(folder).items()}


@pytest.mark.parametrize("agg", AGGREGATES)
@pytest.mark.parametrize("selector", ["best", "weighted", "majority", "first"])
def test_selectors_by_aggregates(command: Command, tmp_path: Path, selector: str, agg: str) -> None:
    """The same verdicts as by the pure functions over the numbers of the file."""
    assert bench(command, "--selector", selector, "--agg", agg).status == 0
    assert verdicts(tmp_path) == expected(selector, agg)


def test_nothing_is_split_or_counted_again(command: Command, tmp_path: Path) -> None:
    """Four scores of a text of one paragraph, and ten tokens as the file says."""
    assert bench(command).status == 0
    record = records(tmp_path)["p1", 0]
    assert record["usage"]["generated_tokens"] == 40
    assert [len(node["scores"]) for node in record["tree"]] == [2, 2, 2, 3]
    assert [node["scores"] for node in record["tree"]] == [scores for _, _, scores in ONE]
    assert ["".join([step["text"] for step in node["steps"]]) for node in record["tree"]] == [
        sample(*each)["text"] for each in ONE
    ]
    assert [node["steps"][-1]["seed"] for node in record["tree"]] == [0, 1, 2, 3]


def test_texts_of_steps_are_kept(command: Command, tmp_path: Path) -> None:
    """Where the source gives them, one for each score."""
    steps = ["2 + 3\nis", r"\boxed{5}"]
    given = row([{"steps": steps, "tokens": 9, "scores": {PRM: [0.4, 0.6]}}], id="p1")
    assert bench(command, "--N", "1", samples=[given]).status == 0
    [node] = records(tmp_path)["p1", 0]["tree"]
    assert [step["text"] for step in node["steps"]] == ["2 + 3\nis\n\n", r"\boxed{5}"]
    assert (node["scores"], node["usage"]["generated_tokens"]) == ([0.4, 0.6], 9)


def test_a_comparison_derives_the_first_samples(command: Command, tmp_path: Path) -> None:
    """One search of four samples answers for one and two; each as if searched alone."""
    name = write_set(tmp_path / "mine.jsonl", *rows())
    samples = ("--generator", "recorded", "--dataset", name, "--prm-name", PRM)
    told = command("compare", *samples, "--budget", "1,2,4", "--method", "best_of_n", "--method", "self_consistency")
    assert told.status == 0
    assert "self_consistency" in told.out
    [journal] = tmp_path.rglob("problems.jsonl")  # one was searched, five were derived
    assert journal.parent.name.endswith("best_of_n-budget=4")
    whole = records(tmp_path)
    for count in (1, 2):
        folder = str(tmp_path / f"alone{count}")
        told = command("bench", *samples, "--method", "best_of_n", "--N", str(count), "--output-dir", folder)
        assert told.status == 0
        for key, record in records(Path(folder)).items():
            assert record["grade"] == whole[key]["selectors"]["best"][str(count)]
            assert record["usage"]["generated_tokens"] == 10 * count


def test_repeats_draw_disjoint_windows(command: Command, tmp_path: Path) -> None:
    """The second search of a problem begins where the first one's half ends, also where both draw fewer."""
    assert bench(command, "--N", "1", "--repeats", "2").status == 0
    drawn = {key: record["tree"][0]["steps"][-1]["seed"] for key, record in records(tmp_path).items()}
    assert drawn == {("p1", 0): 0, ("p1", 1): 2, ("p2", 0): 0, ("p2", 1): 2}
    told = bench(command, "--repeats", "2")
    assert told.status == 2
    assert "draws 4 samples in each of 2 repeats" in told.err
    assert "--N 2" in told.err


def test_an_ensemble_of_recorded_prms(command: Command, tmp_path: Path) -> None:
    """Their scores are combined step by step, and each one's stays in the record."""
    given = sample("5", True, [0.2, 0.4])
    given["scores"]["other (7B)"] = [0.6, 0.8]
    told = bench(command, "--prm-name", f"{PRM},other (7B)", "--N", "1", samples=[row([given], id="p1")])
    assert told.status == 0
    [node] = records(tmp_path)["p1", 0]["tree"]
    assert node["scores"] == pytest.approx([0.4, 0.6])
    assert node["parts"] == {PRM: [0.2, 0.4], "other (7B)": [0.6, 0.8]}


def test_the_last_number_is_the_answer(command: Command, tmp_path: Path) -> None:
    """Stated in a header, or where the file says nothing, in the command; it identifies the run."""
    text = "They sell 5 of 12. So 2 + 3 is 5."
    lines = [row([sample("", True, [0.5], text=text)], id="p1")]
    header = {"format": "recorded samples", "answer_rule": "last_number"}
    for more, samples in (([], [header, *lines]), (["--answer-rule", "last_number"], lines)):
        told = bench(command, "--N", "1", *more, "--output-dir", str(len(more)), samples=samples)
        assert told.status == 0
        assert verdicts(tmp_path / str(len(more))) == {"p1": True}
        [manifest] = [json.loads(path.read_text()) for path in (tmp_path / str(len(more))).rglob("manifest.json")]
        assert manifest["experiment"]["answer_rule"] == "last_number"
        assert "the last number of a sample (answer_rule: last_number)" in " ".join(told.out.split())
    assert bench(command, "--N", "1", "--output-dir", "boxed", samples=lines).status == 0
    assert verdicts(tmp_path / "boxed") == {"p1": False}


def test_other_samples_are_another_run(command: Command, tmp_path: Path) -> None:
    """Scores that were corrected must not go on in the folder of the old ones."""
    assert bench(command).status == 0
    assert bench(command, samples=rows(text=r"\boxed{6}")).status == 0
    assert len(list(tmp_path.rglob("manifest.json"))) == 2
    assert bench(command).status == 0
    assert len(list(tmp_path.rglob("manifest.json"))) == 2


def judged_by_others() -> list[dict[str, Any]]:
    """The source calls everything about the first problem the other way round."""
    one, two = rows()
    for each in one["samples"]:
        each["correct"] = not each["correct"]
    return [one, two]


def test_verdicts_of_the_source_stand_beside_ours(command: Command, tmp_path: Path) -> None:
    """In the record, for every selector, and in each table; what is selected does not depend on them."""
    told = bench(command, samples=judged_by_others())
    assert told.status == 0
    record = records(tmp_path)["p1", 0]
    assert record["grade"] == "correct"
    assert record["source"] == {
        "grade": "wrong",
        "selectors": {
            selector: {
                size: {"correct": "wrong", "wrong": "correct"}[grade] if selector != "oracle" else own
                for (size, grade), own in zip(sizes.items(), ["wrong", "correct", "correct"], strict=True)
            }
            for selector, sizes in record["selectors"].items()
        },
        "verdicts": {"0.0": "wrong", "0.1": "correct", "0.2": "correct", "0.3": "wrong"},
    }
    assert re.search(r"Overall +best_of_n +100.0% .* 50.0% ", told.out)
    shown = command("show", "logs")
    assert re.search(r"best_of_n .* 100.0% .* 50.0% ", shown.out)
    assert "By source" in shown.out


def test_a_comparison_shows_both_verdicts(command: Command, tmp_path: Path) -> None:
    """Also of what it derives: the first two samples by the product are another choice."""
    name = write_set(tmp_path / "mine.jsonl", *judged_by_others())
    typed = ("--generator", "recorded", "--dataset", name, "--prm-name", PRM, "--agg", "prod", "--format", "json")
    told = command("compare", *typed, "--budget", "1,2", "--method", "best_of_n", "--output-dir", "out")
    assert told.status == 0, told.err
    tables = {table["title"]: table["rows"] for table in json.loads(told.out)["tables"]}
    found = {title: {row["Method"]: row for row in own} for title, own in tables.items() if title.startswith("Budget")}
    assert [found[f"Budget {budget}"]["best_of_n"]["Accuracy"] for budget in (1, 2)] == [1.0, 0.5]
    assert [found[f"Budget {budget}"]["best_of_n"]["By source"] for budget in (1, 2)] == [0.5, 1.0]
    assert found["Budget 2"]["majority of best_of_n"]["By source"] == 0.5


@pytest.mark.parametrize("more", [(), ("--method", "self_consistency", "--prm-name", "none")])
def test_a_run_is_confirmed_without_its_file(command: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Steps, verdicts and the answer rule come from the record; a changed verdict of the source is found."""
    assert bench(command, *more, "--answer-rule", "last_number", samples=judged_by_others()).status == 0
    (tmp_path / "mine.jsonl").unlink()
    told = command("replay", "logs")
    assert told.status == 0, told.out
    [journal] = tmp_path.rglob("problems.jsonl")
    text = journal.read_text()
    changed = text.replace('"0.0":"wrong"', '"0.0":"correct"', 1)
    assert changed != text
    journal.write_text(changed)
    assert command("replay", "logs").status == 1


def test_a_source_that_judges_some_is_no_judge(command: Command, tmp_path: Path) -> None:
    """An accuracy over the samples that happen to have a verdict."""
    samples = rows()
    del samples[0]["samples"][3]["correct"]
    assert bench(command, samples=samples).status == 0
    assert "source" not in records(tmp_path)["p1", 0]


def test_unknown_tokens_stay_unknown(command: Command, tmp_path: Path) -> None:
    """A zero would be a price, unless a line says that it is none."""
    told = bench(command, samples=rows(tokens=None))
    assert told.status == 0
    assert "token counts are unknown" in " ".join(told.out.split())
    assert verdicts(tmp_path) == expected("best", "last")
    assert {record["usage"]["generated_tokens"] for record in records(tmp_path).values()} == {0}
    [manifest] = [json.loads(path.read_text()) for path in tmp_path.rglob("manifest.json")]
    assert manifest["experiment"]["token_counts"] == "unknown"


def test_nothing_is_concluded_from_unknown_tokens(command: Command, tmp_path: Path) -> None:
    """Every number of samples cost the same, nothing: the best of four would have beaten one vote "at equal tokens"."""
    name = write_set(tmp_path / "mine.jsonl", *rows(tokens=None))
    typed = ("compare", "--generator", "recorded", "--dataset", name, "--prm-name", PRM, "--budget", "2,4")
    told = command(*typed, "--method", "best_of_n", "--method", "self_consistency")
    assert told.status == 0
    assert "Token counts are unknown, so that no method is compared" in " ".join(told.out.split())
    assert "Which of these is cheaper is unknown" in " ".join(told.out.split())
    for claim in ("0 tokens)", "Against majority voting at equal tokens", "Pareto frontier", "cheaper; use"):
        assert claim not in told.out
    [folder] = {path.parent for path in tmp_path.rglob("problems.jsonl")}
    shown = command("show", str(folder), "--format", "json")
    assert shown.status == 0
    [overall] = [table for table in json.loads(shown.out)["tables"] if table["title"] == "Overall"]
    assert {(row["Tokens"], row["Pareto"]) for row in overall["rows"]} == {(None, "")}


def test_a_limit_of_tokens_cuts_samples(command: Command, tmp_path: Path) -> None:
    """A sample that does not fit states nothing: where in its text the limit falls, no file says."""
    assert bench(command, "--max-generated-tokens", "25").status == 0
    for record in records(tmp_path).values():
        assert record["usage"]["generated_tokens"] == 25
        assert len(record["pool"]) == 2
    assert bench(command, "--max-tokens", "9", "--output-dir", "short").status == 0
    assert not any(record["pool"] for record in records(tmp_path / "short").values())


def test_samples_that_their_source_cut_do_not_vote(command: Command, tmp_path: Path) -> None:
    """Unless they had stated an answer before."""
    cut = [sample("5", True, [0.9], finish_reason="length", text=text) for text in ("2 + 3", r"\boxed{5}. And")]
    assert bench(command, "--N", "2", samples=[row(cut, id="p1")]).status == 0
    record = records(tmp_path)["p1", 0]
    assert [node["state"] for node in record["tree"]] == ["truncated", "finished"]
    assert record["pool"][0]["cut"]


def test_deepconf_votes_by_recorded_confidences(command: Command, tmp_path: Path) -> None:
    """Two unsure samples of one answer against a sure one of the other."""
    sure = {"logprobs": [-0.1] * 10, "confidences": [9.0] * 10}
    unsure = {"logprobs": [-1.0] * 10, "confidences": [2.0] * 10}
    samples = [row([sample("5", True, [0.1], **sure), *[sample("7", False, [0.9], **unsure)] * 2], id="p1")]
    typed = ("--method", "deepconf", "--N", "3", "--warmup-traces", "3", "--keep-percent", "100")
    assert bench(command, *typed, "--prm-name", "none", samples=samples).status == 0
    record = records(tmp_path)["p1", 0]
    assert (record["grade"], [each["weight"] for each in record["pool"]]) == ("correct", [9.0, 2.0, 2.0])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--method", "beam_search"), "beam_search.*needs new samples.*best_of_n, or deepconf, or self_consistency"),
        (("--method", "greedy"), "greedy.*temperature 0.*--method best_of_n"),
        (("--N", "5"), "draws 5 samples, but of 'mine.jsonl' 2 problems have fewer than 5; 'p1' has 4.*--N 4"),
        (("--prm-name", "maker/other"), "no scores by the PRM 'maker/other'; it has scores by: maker/prm"),
        (("--prm-name", "judge"), "no scores by the PRM 'judge'"),
        (("--prm", "vllm"), "prm is 'vllm'; recorded samples are scored by the scores in their file alone.*prm-eval"),
        (("--method", "deepconf"), "sample 0 of 'p1' in 'mine.jsonl' has none.*self_consistency"),
        (("--method", "deepconf", "--warmup-traces", "2"), "warmup_traces is 2 and N is 4.*--warmup-traces 4"),
        (("--temperature", "0"), "temperature is 0.*Omit --temperature"),
        (("--path-end", "answer"), "path_end is 'answer'"),
        (("--last-resort", "force"), "last_resort is 'force'"),
        (("--max-prm-tokens", "9"), "max_prm_tokens is 9"),
        (("--model-name", "pocket-gen"), "The generator is 'recorded', but model_name is 'pocket-gen'"),
        (("--answer-rule", "last_number", "--final-answer-prefix", "It is"), "final_answer_prefix is 'It is'"),
        (("--dataset", "math500"), "'math500' is not a file of recorded samples"),
        (("--base-url", "http://localhost:1"), "'recorded' asks no server"),
    ],
)
def test_what_recorded_samples_cannot_serve(command: Command, tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    """One message each, at once, and no folder is written."""
    answer = bench(command, *more)
    assert answer.status == 2
    assert len(answer.err.strip().splitlines()) <= 3
    assert re.search(told, " ".join(answer.err.split())), answer.err
    assert not (tmp_path / "logs").exists()


def test_scores_that_are_missing_or_do_not_fit(command: Command) -> None:
    lacking = [row([sample("5", True, [0.5]), {"text": r"\boxed{5}", "tokens": 3}], id="p1")]
    told = bench(command, "--N", "2", samples=lacking)
    assert "Sample 1 of 'p1' in 'mine.jsonl' has no scores by 'maker/prm', which others have" in told.err
    uneven = sample("5", True, [0.5])
    uneven["scores"]["other"] = [0.1, 0.2]
    told = bench(command, "--N", "1", "--prm-name", f"{PRM},other", samples=[row([uneven], id="p1")])
    assert "unequal numbers of scores (1 by maker/prm, 2 by other)" in told.err


def test_files_of_different_rules(command: Command, tmp_path: Path) -> None:
    header = {"format": "recorded samples", "answer_rule": "last_number"}
    other = write_set(tmp_path / "other.jsonl", header, *rows())
    told = bench(command, "--dataset", other, "--answer-rule", "boxed")
    assert "answer_rule is 'boxed', but" in told.err
    assert "states 'last_number'" in told.err


def test_a_model_has_no_answer_rule(command: Command) -> None:
    """There is no fallback to a bare number for solutions that are sampled now."""
    told = command("bench", "--model-name", "simulated", "--prm-name", "simulated", "--answer-rule", "last_number")
    assert told.status == 2
    assert "answer_rule is 'last_number'; the generator 'simulated' samples new solutions" in told.err


def test_a_question_of_its_own_has_no_samples(command: Command, tmp_path: Path) -> None:
    name = write_set(tmp_path / "mine.jsonl", *rows())
    told = command("solve", "--model-name", "recorded", "--dataset", name, "--prm-name", PRM, "What is 1 + 1?")
    assert told.status != 0
    assert "Traceback" not in told.err


def test_prm_eval_measures_a_prm_by_its_name(command: Command, tmp_path: Path) -> None:
    """The same file, read by the same reader."""
    given = rows()
    for each in [each for line in given for each in line["samples"]]:
        each["scores"]["other"] = [1 - value for value in each["scores"][PRM]]
    name = write_set(tmp_path / "mine.jsonl.gz", *given)
    told = command("prm-eval", PRM, "--prm", "recorded", "--dataset", name)
    assert told.status == 0
    assert "best of 4 by last" in told.out
    assert "mine: maker/prm, 8 solutions, 13 steps" in " ".join(told.out.split())
    several = command("prm-eval", "recorded", "--dataset", name)
    assert several.status == 2
    assert "--prm recorded" in several.err


def test_the_generator_knows_the_verdict_of_the_source(tmp_path: Path) -> None:
    found = read_recorded(write_set(tmp_path / "mine.jsonl", *rows()))
    config = Config(generator="recorded", datasets=(found.path,), prm_name=PRM, method="best_of_n")
    generator = RecordedGenerator.from_config(RecordedGenerator.prepared(config))
    [problem, _] = found.problems
    [first, second] = [SolutionPath((0, number), (Step("", (), "eos", number),)) for number in (0, 1)]
    assert [generator.source_verdict(problem, path) for path in (first, second)] == [True, False]
