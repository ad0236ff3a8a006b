"""Configuration: complete in the file, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from midiff_fast import runs
from midiff_fast.runs import PRESETS, STUDIES, ConfigError, RunConfig, SeparationConfig
from midiff_fast.runs.choose import (
    choose_config,
    member_settings,
    parse_seeds,
    parse_setting,
    parse_weights,
)


@pytest.mark.parametrize(("study", "preset"), [(s, p) for s in PRESETS for p in PRESETS[s]])
def test_file_reads_back_to_the_same_configuration(study: str, preset: str) -> None:
    config = choose_config(preset, study=study)
    assert RunConfig.from_toml(config.to_toml()) == config


def test_paper_preset_has_the_papers_numbers() -> None:
    """Tomoda et al. 2025, working-memory study."""
    paper = choose_config("paper").to_dict()
    assert paper["seeds"] == list(range(1001, 1021))
    assert paper["mi_weight"] == [0.1]
    assert paper["task"] == {
        "bits": 2,
        "logic": "none",
        "pulse_length": 40,
        "pulse_probability": 0.002,
        "slope": 0.1,
    }
    model, critic, training = paper["model"], paper["critic"], paper["training"]
    assert (model["units"], model["alpha"], model["noise_std"], model["gain"]) == (40, 0.1, 0.1, 1)
    assert (critic["hidden_size"], critic["negative_slope"]) == (512, 0)
    assert (critic["sample_noise"], critic["samples"]) == (0.1, 0)
    assert training["epochs"] == 1000
    assert (training["batch"], training["transient"], training["steps"]) == (20, 1000, 2000)
    assert (training["critic_pretraining"], training["critic_steps"]) == (100, 10)
    assert (training["weight_decay"], training["snapshot_every"]) == (0.01, 25)
    for part, rate in (("model_optimizer", 0.002), ("critic_optimizer", 0.003)):
        assert paper[part] == {
            "name": "rmsprop",
            "learning_rate": rate,
            "final_learning_rate": 0,
            "clip_norm": 4,
            "clip_value": 0,
        }


def test_members_go_weight_by_weight() -> None:
    config = RunConfig(seeds=(5, 6), mi_weight=(0.1, 0.0))
    assert [(m.index, m.seed, m.mi_weight) for m in config.members()] == [
        (0, 5, 0.1),
        (1, 6, 0.1),
        (2, 5, 0.0),
        (3, 6, 0.0),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[training]\nepoch = 3", "unknown key training.epoch; did you mean training.epochs?"),
        ("hidden_size = 3", "unknown key hidden_size; did you mean critic.hidden_size?"),
        ("[modle]\nunits = 3", "unknown key modle; did you mean model?"),
        ("mi_wieght = [0.1]", "unknown key mi_wieght; did you mean mi_weight?"),
        (
            "[training]\nepochs = -3",
            "training.epochs: should be greater than or equal to 0, got -3",
        ),
        ("[training]\nepochs = 2.5", "training.epochs: should be a valid integer, got 2.5"),
        ("[model]\nalpha = 2.0", "model.alpha: should be less than or equal to 1, got 2.0"),
        ("[model]\nalpha = 0.0", "model.alpha: should be greater than 0, got 0.0"),
        ("[model]\nunits = 1", "model.units: should be greater than or equal to 2, got 1"),
        ("[model]\nunits = '40'", "model.units: should be a valid integer, got '40'"),
        ("[training]\nweight_decay = nan", "training.weight_decay: should be a finite number"),
        ("mi_weight = [-0.1]", "mi_weight.0: should be greater than or equal to 0, got -0.1"),
        ("mi_weight = 0.1", "mi_weight: should be a list, such as [0.1], got 0.1"),
        ("seeds = '1,2'", "seeds: should be a list, such as [1001], got '1,2'"),
        ("seeds = []", "seeds: list should have at least 1 item"),
        ("seeds = [1, 2, 1]", "seeds = [1, 2, 1] holds a value twice"),
        ("[compute]\nprecision = 'low'", "compute.precision: should be 'highest', 'high' or"),
        ("[critic]\nsamples = 40001", "critic.samples = 40001 is more than the 40000 samples"),
        ("[task]\nlogic = 'and'\nbits = 3", 'task: logic = "and" needs bits = 2, not 3'),
        ("epochs = [", "not valid TOML"),
    ],
)
def test_mistakes_are_named(document: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        RunConfig.from_toml(document, "my.toml")
    assert str(error.value).startswith("my.toml: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_washout_of_all_steps_is_refused() -> None:
    """The loss of a segment leaves out its first ``task.washout`` steps."""
    short = {"training.steps": 200, "critic.samples": 0}
    with pytest.raises(ConfigError) as error:
        choose_config("quick", settings=short, study="separation")
    message = "task.washout = 200 leaves none of the steps of training.steps = 200"
    assert str(error.value) == f"configuration: {message}"
    with pytest.raises(ConfigError, match=r"training.steps = 400 / training.segments = 2$"):
        choose_config(
            "quick",
            settings=short | {"training.steps": 400, "training.segments": 2},
            study="separation",
        )
    for enough in ({"training.steps": 201}, {"task.washout": 199}):
        choose_config("quick", settings=short | enough, study="separation")


def test_settings_override_the_file_which_overrides_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text("[training]\nepochs = 7\nbatch = 3\n")
    config = choose_config("quick", file, {"training.batch": 4, "critic.samples": 10})
    assert (config.training.epochs, config.training.batch) == (7, 4)
    assert config.critic.samples == 10
    assert config.critic.hidden_size == choose_config("quick").critic.hidden_size


def test_a_mistake_in_the_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text("[training]\nepocs = 7\n")
    with pytest.raises(ConfigError, match=r"some.toml: unknown key training.epocs"):
        choose_config("quick", file)


def test_a_key_of_what_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        choose_config("quick", settings={"seeds.0": 5})
    assert str(error.value) == "configuration: unknown key seeds.0: seeds is no table"
    with pytest.raises(ConfigError, match=r"key training.epochs.first: training.epochs is no ta"):
        choose_config("quick", settings={"training.epochs.first": 5})
    file = tmp_path / "some.toml"
    file.write_text("[seeds]\nfirst = 5\n")
    with pytest.raises(ConfigError, match=r"some.toml: unknown key seeds.first: seeds is no table"):
        choose_config("quick", file)


def test_another_study_is_refused(tmp_path: Path) -> None:
    message = "study is 'rossler', this trains 'sinusoids'"
    with pytest.raises(ConfigError, match=f"configuration: {message}"):
        choose_config("quick", settings={"study": "rossler"}, study="sinusoids")
    file = tmp_path / "some.toml"
    file.write_text("study = 'rossler'\n")
    with pytest.raises(ConfigError, match=rf"some.toml: {message}"):
        choose_config("quick", file, study="sinusoids")


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_one_class(study: str) -> None:
    kind = STUDIES[study]
    assert getattr(runs, kind.__name__) is kind
    assert kind().study == study
    assert type(kind.from_dict({})) is type(RunConfig.from_dict({"study": study})) is kind
    for other in set(STUDIES.values()) - {kind}:
        message = f"'{study}' is the study of {kind.__name__}, not of {other.__name__}"
        with pytest.raises(ValidationError, match=message):
            other.model_validate({"study": study})


def test_an_unknown_study_is_told_the_studies() -> None:
    for kind in (RunConfig, SeparationConfig):
        with pytest.raises(ConfigError, match=r"study: should be 'working-memory', 'separation'"):
            kind.from_dict({"study": "chaos"})


def test_unknown_preset() -> None:
    with pytest.raises(ConfigError, match="--preset: expected paper or quick, got 'fast'"):
        choose_config("fast")


def test_first_difference_is_the_first_key() -> None:
    config = RunConfig()
    other = choose_config("paper", settings={"seeds": [1001], "critic.samples": 5})
    assert config.first_difference(other) == ("critic.samples", 0, 5)
    assert config.first_difference(RunConfig()) is None


def test_choice_of_members() -> None:
    base = RunConfig(seeds=(1001, 1002), mi_weight=(0.1,))
    assert member_settings(base) == {}
    assert member_settings(base, runs=3) == {"seeds": [1001, 1002, 1003]}
    assert member_settings(base, seeds=[4]) == {"seeds": [4]}
    assert member_settings(base, control=True) == {"mi_weight": [0.1, 0.0]}
    assert member_settings(base, mi_weight=[0.2]) == {"mi_weight": [0.2]}
    both = RunConfig(mi_weight=(0.1, 0.0))
    assert member_settings(both, mi_weight=[0.2]) == {"mi_weight": [0.2, 0.0]}
    assert member_settings(both, control=False) == {"mi_weight": [0.1]}
    with pytest.raises(ConfigError, match="--runs 2 contradicts --seeds, which are 1"):
        member_settings(base, runs=2, seeds=[4])
    with pytest.raises(ConfigError, match="--no-control leaves no run"):
        member_settings(RunConfig(mi_weight=(0.0,)), control=False)


def test_values_typed_on_a_command_line() -> None:
    assert parse_setting("training.epochs=3") == ("training.epochs", 3)
    assert parse_setting("compute.precision = high") == ("compute.precision", "high")
    assert parse_setting("mi_weight=[0.1, 0.0]") == ("mi_weight", [0.1, 0.0])
    assert parse_seeds("1001,7-9") == [1001, 7, 8, 9]
    assert parse_weights("0.1,0") == [0.1, 0.0]
    with pytest.raises(ConfigError, match="--set: expected key=value, got 'epochs'"):
        parse_setting("epochs")
    with pytest.raises(ConfigError, match="--seeds: expected 1001,1002 or 1001-1020, got '1-'"):
        parse_seeds("1-")
    with pytest.raises(ConfigError, match="--seeds: 9-7 is no range of seeds"):
        parse_seeds("9-7")
    with pytest.raises(ConfigError, match=r"--mi-weight: expected 0.1 or 0.1,0.05, got 'a'"):
        parse_weights("a")
