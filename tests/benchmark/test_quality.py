"""The quality benchmark: what it finds, measures, keeps and goes on with."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core import evaluate, get_codec, open_model, save_model
from drti_core.cli import main
from drti_core.errors import DrtiError, FormatError, OptionError, OutputExistsError, PluginError
from drti_core.jobs import journal
from drti_core.jobs.campaign import digest_of
from drti_core.jobs.executor import Processes
from drti_core.measure.evaluation import holdout_lights
from drti_core.measure.tour import write_stack
from drti_core.options import split_specs
from drti_core.registry import catalogue, doors
from drti_core.stack.samples.demo import make_stack
from drti_plugins.benchmark.collections import Collection, find_collections
from drti_plugins.benchmark.quality import fit
from drti_plugins.benchmark.quality.fit import Result, decoder_size, load_result, measure
from drti_plugins.benchmark.quality.report import write_report
from drti_plugins.benchmark.quality.run import (
    Failure,
    Quality,
    Variant,
    benchmark_quality,
    variants,
)
from tests.helpers.pictures import read_picture

#: A codec with a preset, a seed and a teacher, as trained ones have; it loses the light `seed`.
PLUGIN = """
import time
from dataclasses import dataclass
from typing import Literal
from drti_core import FitError, get_codec, hookimpl, open_model
from drti_core.model.contracts import Codec
from drti_core.codecs.hsh import HshCodec

@dataclass(frozen=True)
class Trained(Codec):
    codec_id = "trained"
    summary = "for a test"
    preset: Literal["fast", "best"] = "fast"
    seed: int = 0
    teacher: str = ""
    seconds: float = 0

    def fit(self, stack, progress=lambda *a: None):
        time.sleep(max(0, self.seconds))
        if self.teacher:
            return open_model(self.teacher).with_metadata(notes=(self.teacher,))
        if self.seconds < 0:
            raise FitError("no time", expected="0 or more")
        lights = [n for n in range(len(stack)) if n != self.seed]
        terms = {"fast": "4", "best": "9"}[self.preset]
        return get_codec("hsh", {"terms": terms}).fit(stack.select(lights))

    def restore(self, stored):
        raise NotImplementedError

TRAINED = Trained()

@hookimpl
def register_codecs(register):
    register("trained", f"{__name__}:TRAINED")
"""


@contextmanager
def installed(folder: Path, text: str) -> Iterator[None]:
    """With a plugin that other processes find too."""
    folder.mkdir()
    (folder / "trained_codec.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRTI_PLUGINS", str(folder))
        catalogue.registry.cache_clear()
        yield
    catalogue.registry.cache_clear()
    sys.modules.pop("trained_codec", None)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path / "plugins", PLUGIN):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree of both sets."""
    folder = tmp_path_factory.mktemp("sets")
    for name, seed in (("Single/Object1/material4", 1), ("Multi/Object2/material10", 2)):
        for part, lights in (("Dome", 20), ("Test", 4)):
            stack = make_stack((20, 24), lights, seed)
            write_stack(stack, folder / "synthrti" / name / part)
    for number in (10, 5):
        write_stack(make_stack((20, 24), 21, number), folder / "realrti" / f"item{number}")
    (folder / "realrti" / ".item7").mkdir()
    write_stack(make_stack((20, 24), 3), folder / "other")
    return folder


def names(collections: tuple[Collection, ...]) -> list[str]:
    return [collection.name for collection in collections]


@pytest.mark.slow
def test_collections_are_found_at_any_depth(root: Path) -> None:
    everything = ["Single/Object1/material4", "Multi/Object2/material10"]
    everything += ["RealRTI/item5", "RealRTI/item10"]
    found = find_collections(root)
    assert names(found) == everything
    assert [collection.group for collection in found] == ["Single", "Multi", "RealRTI", "RealRTI"]
    assert names(find_collections(root / "synthrti" / "Multi")) == everything[1:2]
    one = find_collections(root / "synthrti" / "Single" / "Object1" / "material4")
    assert one == found[:1]
    assert names(find_collections(root / "realrti" / "item5")) == ["RealRTI/item5"]
    assert names(find_collections(root / "other")) == ["RealRTI/other"]
    with pytest.raises(OptionError) as caught:
        find_collections(root / "realrti" / ".item7")
    assert str(caught.value) == (
        f"{root}/realrti/.item7: no collection; expected folders with Dome and Test in them "
        "(SynthRTI), or item1 … (RealRTI)"
    )


def test_the_protocols(root: Path) -> None:
    synthetic, real = find_collections(root)[0], find_collections(root)[2]
    train, test = synthetic.open()
    assert (len(train), len(test)) == (20, 4)
    train, test = real.open()
    assert (len(train), len(test)) == (16, 5)
    whole = doors.open_stack(real.train)
    assert list(test.order) == holdout_lights(whole.lights, 5)
    assert not set(train.order) & set(test.order)


@pytest.mark.slow
def test_lights_that_are_left_out_stand_for_the_test(root: Path, tmp_path: Path) -> None:
    synthetic, real = find_collections(root)[0], find_collections(root)[2]
    shutil.copytree(synthetic.train, tmp_path / "Single" / "Dome")
    (tmp_path / "Single" / "Test").mkdir()  # not to be opened
    (alone,) = find_collections(tmp_path)
    for collection, count in ((alone, 15), (real, 11)):
        train, test = replace(collection, left_out=5).open()
        assert (len(train), len(test)) == (count, 5)
        assert not set(train.names) & set(test.names)
    shown = {name for part in real.open()[1:] for name in part.names}
    assert not shown & {name for part in replace(real, left_out=5).open() for name in part.names}
    with pytest.raises(OptionError):
        replace(real, left_out=16).open()
    ours = [replace(collection, left_out=5) for collection in (alone, real)]
    found = quick(ours, variants(["ptm"]), tmp_path / "out")
    assert [(r.train_lights, r.left_out, len(r.lights)) for r in found.results] == [
        (count, 5, 5) for count in (15, 15, 11, 11)
    ]
    write_report(found, tmp_path / "out")
    assert "5 of those to fit were left out" in (tmp_path / "out" / "table.md").read_text()
    # Another number of them is another task.
    assert quick([replace(alone, left_out=4)], variants(["ptm"]), tmp_path / "out").reused == 0


def test_the_real_sets(data: Path) -> None:
    found = find_collections(data)
    groups = [collection.group for collection in found]
    assert [groups.count(group) for group in ("Single", "Multi", "RealRTI")] == [6, 3, 5]
    train, test = found[0].open()
    assert (len(train), len(test), train.shape) == (49, 20, (320, 320))


def test_lists_of_codecs() -> None:
    assert split_specs("disk20:preset=best,seed=3,hsh16") == ["disk20:preset=best,seed=3", "hsh16"]
    assert split_specs(" ptm , hsh:terms=4 ") == ["ptm", "hsh:terms=4"]


def test_presets_and_seeds_go_to_the_codecs_that_have_them(plugin: None) -> None:
    found = variants(["ptm", "trained", "trained:preset=fast,seed=7"], "best", (0, 1))
    assert [(v.label, dict(v.options), v.seed) for v in found] == [
        ("hsh16", {}, None),
        ("ptm", {}, None),
        ("trained", {"preset": "best", "seed": "0"}, 0),
        ("trained", {"preset": "best", "seed": "1"}, 1),
        ("trained:preset=fast,seed=7", {}, None),
    ]
    assert len({v.file for v in found}) == len(found)
    assert [v.label for v in variants(["ptm", "hsh16"])] == ["ptm", "hsh16"]


def test_teachers_and_student_share_the_time() -> None:
    found = variants(["disk10:max_seconds=30,teacher=hyper8+hyper12+siren"])[1:]
    assert [v.teaches for v in found] == [True, True, True, False]
    assert [dict(v.options)["max_seconds"] for v in found] == ["5.0", "5.0", "5.0", "15.0"]
    assert "max_seconds" not in dict(variants(["disk10:teacher=hyper8"])[-1].options)


@pytest.mark.parametrize(
    ("specs", "preset", "error", "text"),
    [
        (["ptm", "ptm"], None, OptionError, "the codec 'ptm' twice; expected each once"),
        (
            ["trained:teacher={neural}"],
            None,
            OptionError,
            "{neural} in 'trained:teacher={neural}'; expected one of hsh16",
        ),
        (
            ["trained"],
            "slow",
            OptionError,
            "trained: preset: 'slow'; expected fast or best",
        ),
    ],
)
def test_codecs_that_are_refused(
    plugin: None, specs: list[str], preset: str | None, error: type[DrtiError], text: str
) -> None:
    with pytest.raises(error) as caught:
        variants(specs, preset)
    assert str(caught.value) == text


def test_an_unknown_codec() -> None:
    with pytest.raises(PluginError, match=r"^there is no codec 'nosuch'; expected "):
        variants(["nosuch"])


def quick(*arguments: Any, **options: Any) -> Quality:
    """Without SSIM, whose import takes longer than these fits."""
    return benchmark_quality(*arguments, with_ssim=False, **options)


@pytest.mark.slow
def test_results_are_those_of_an_evaluation(root: Path, tmp_path: Path) -> None:
    collections = find_collections(root)[1:3]
    shares: list[float] = []
    found = benchmark_quality(
        collections,
        variants(["hsh16", "ptm"]),
        tmp_path / "out",
        jobs=2,
        keep=True,
        progress=lambda share, what: shares.append(share),
    )
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert not found.failures
    assert [(r.collection, r.codec) for r in found.results] == [
        (collection.name, codec) for collection in collections for codec in ("hsh16", "ptm")
    ]
    for collection in collections:
        train, test = collection.open()
        codecs = [(name, get_codec(name)) for name in ("hsh16", "ptm")]
        expected = evaluate(codecs, train, test)
        for score, result in zip(
            expected.scores,
            (r for r in found.results if r.collection == collection.name),
            strict=True,
        ):
            assert (result.psnr, result.ssim) == (score.psnr, score.ssim)
            assert [light["psnr"] for light in result.lights] == [x.psnr for x in score.lights]
            assert result.train_lights == len(train)
            assert 0 < result.fit_cpu < 60
            name = f"{collection.name.replace('/', '-')}--{result.codec}"
            folder = tmp_path / "out" / "models" / name
            planes = sum(file.stat().st_size for file in folder.glob("plane_*.png"))
            assert result.plane_bytes == planes > 0
            lights = test.lights
            np.testing.assert_array_equal(
                open_model(folder).relight_uint8(lights),
                get_codec(result.codec).fit(train).relight_uint8(lights),
            )


def test_sizes_of_decoders() -> None:
    stack = make_stack((16, 16), 24)
    # A coefficient for each term and channel; a product for each plane and channel.
    assert decoder_size(get_codec("ptm").fit(stack)) == (18, 54)
    assert decoder_size(get_codec("hsh16").fit(stack)) == (48, 144)
    rbf = get_codec("rbf:planes=5").fit(stack)
    parameters, products = decoder_size(rbf)
    assert parameters is not None
    assert 5 * 3 * 24 <= parameters <= 6 * 3 * 24  # five planes and the mean, at 24 lights
    assert products == 15


@pytest.mark.slow
def test_what_is_done_is_not_done_again(root: Path, tmp_path: Path) -> None:
    collections, out = find_collections(root)[:2], tmp_path / "out"
    codecs = variants(["ptm"])
    first = quick(collections, codecs, out)
    times = {path: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    again = quick(collections, variants(["ptm", "hsh:terms=4"]), out)
    assert (first.reused, again.reused) == (0, 4)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert [r for r in again.results if r.codec != "hsh:terms=4"] == list(first.results)
    # The model of one of them is wanted now: that is done again.
    kept = quick(collections[:1], codecs[:1], out, keep=True)
    assert kept.reused == 0
    assert (out / "models" / "Single-Object1-material4--hsh16" / "info.json").is_file()
    assert quick(collections[:1], codecs[:1], out, keep=True).reused == 1
    assert quick(collections, codecs, out, overwrite=True).reused == 0


@pytest.mark.slow
def test_a_changed_photograph_is_fitted_again(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "item1"
    write_stack(make_stack((20, 24), 12), copy)
    out, codecs = tmp_path / "out", variants([])
    quick(find_collections(copy), codecs, out)
    assert quick(find_collections(copy), codecs, out).reused == 1
    picture = next(path for path in copy.iterdir() if path.suffix != ".lp")
    times, content = picture.stat(), bytearray(picture.read_bytes())
    content[-1] ^= 1  # of the same size and time
    picture.write_bytes(content)
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert quick(find_collections(copy), codecs, out).reused == 0


@pytest.mark.slow
def test_photographs_that_were_copied_or_touched_are_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "item1", tmp_path / "b" / "item1"
    write_stack(make_stack((20, 24), 12), first)
    out, codecs = tmp_path / "out", variants([])
    quick(find_collections(first), codecs, out)
    shutil.copytree(first, second, copy_function=shutil.copyfile)
    assert quick(find_collections(second), codecs, out).reused == 1
    light_file = next(second.glob("*.lp"))
    light_file.write_text(light_file.read_text() + "\n")
    assert quick(find_collections(second), codecs, out).reused == 0


def test_results_of_others_are_not_replaced(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "results" / "RealRTI-item5--hsh16.json"
    target.parent.mkdir()
    target.write_text("mine")
    collections = find_collections(root / "realrti" / "item5")
    with pytest.raises(OutputExistsError) as caught:
        quick(collections, variants([]), tmp_path)
    assert (
        str(caught.value)
        == f"{target}: exists already. Choose another name, or ask for it to be overwritten."
    )
    assert target.read_text() == "mine"
    with pytest.raises(OptionError) as wrong:
        quick(collections, variants([]), tmp_path, jobs=0)
    assert str(wrong.value) == "jobs: 0 jobs; expected 1 or more"


def test_models_of_others_are_not_replaced(root: Path, tmp_path: Path) -> None:
    model = tmp_path / "models" / "RealRTI-item5--hsh16"
    save_model(get_codec("ptm").fit(make_stack((16, 16), 8)), model)
    before = (model / "info.json").read_bytes()
    collections = find_collections(root / "realrti" / "item5")
    with pytest.raises(OutputExistsError) as caught:
        quick(collections, variants([]), tmp_path, keep=True)
    assert str(caught.value) == (
        f"{model}: exists already. Choose another name, or ask for it to be overwritten."
    )
    assert (model / "info.json").read_bytes() == before


@pytest.mark.parametrize("name", ["results", "models", "checkpoints", "models/*", "checkpoints/*"])
def test_a_strangers_links_lead_nowhere(root: Path, tmp_path: Path, name: str) -> None:
    """B7: files were written, and removed, where a link in a folder of results led."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    link = out / name.replace("*", "RealRTI-item5--hsh16")
    link.parent.mkdir(parents=True)
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    collections = find_collections(root / "realrti" / "item5")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(OptionError) as caught:
            quick(collections, variants([]), out, keep=True, **options)
        assert str(caught.value) == (
            f"{link}: is a link; expected a folder. Remove it, or work in another folder."
        )
    assert list(elsewhere.iterdir()) == []
    assert not (out / journal.NAME).exists()


def test_a_damaged_result_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"

    def refused() -> str:
        with pytest.raises(FormatError) as caught:
            load_result(path)
        text = str(caught.value)
        end = "); expected what an earlier run wrote. Delete it and run again."
        assert text.startswith("a damaged result (")
        assert text.endswith(end)
        return text.removeprefix("a damaged result (").removesuffix(end)

    path.write_text("{}")
    assert refused() == f"{path}: $.collection: is missing; expected a value"
    path.write_text('{"collection": "a", "group": "b", "codec": "c", "seed": -1}')
    assert refused() == f"{path}: $.seed: -1; expected an integer in 0..{1 << 62}"
    path.write_text('{"collection": ' + "[" * 100_000)
    assert refused().startswith(f"{path}: unreadable JSON (nested too deeply)")
    path.unlink()
    os.mkfifo(path)
    assert refused() == f"{path}: is a named pipe; expected a regular file"
    (tmp_path / "whole").write_text("{}")
    path.unlink()
    path.symlink_to("whole")
    assert refused() == f"{path}: is a link; expected a regular file"


@pytest.mark.slow
def test_one_that_fails_does_not_stop_the_rest(plugin: None, root: Path, tmp_path: Path) -> None:
    specs = ["trained:seconds=-1", "trained:teacher={trained:seconds=-1}", "ptm"]
    collections = find_collections(root / "realrti" / "item5")
    found = quick(collections, variants(specs), tmp_path / "out", jobs=2)
    assert found.failures == (
        Failure("RealRTI/item5", specs[0], 0, "no time; expected 0 or more"),
        Failure("RealRTI/item5", specs[1], 0, "a codec whose model it needs failed"),
    )
    assert [result.codec for result in found.results] == ["hsh16", "ptm"]
    # What failed is tried again.
    again = quick(collections, variants(specs), tmp_path / "out")
    assert (again.reused, len(again.failures)) == (2, 2)


@pytest.mark.slow
def test_a_model_is_the_teacher_of_another(plugin: None, root: Path, tmp_path: Path) -> None:
    collections = find_collections(root)[:2]
    specs = ["trained", "trained:teacher={trained}"]
    out = tmp_path / "out"
    found = quick(collections, variants(specs, None, (0, 1)), out, jobs=2)
    assert not found.failures
    taught = [r for r in found.results if r.codec == specs[1]]
    assert [(r.collection, r.seed) for r in taught] == [
        (collection.name, seed) for collection in collections for seed in (0, 1)
    ]
    for result in taught:
        name = f"{result.collection.replace('/', '-')}--trained-seed{result.seed}"
        assert result.notes[-1] == str(out / "models" / name)
        (teacher,) = (
            r
            for r in found.results
            if (r.collection, r.codec, r.seed) == (result.collection, "trained", result.seed)
        )
        assert result.psnr == teacher.psnr
    # Seeds differ, so each has its own.
    assert taught[0].psnr != taught[1].psnr
    # A teacher that is made again is learnt from again.
    (out / "results" / "Multi-Object2-material10--trained-seed1.json").unlink()
    assert quick(collections, variants(specs, None, (0, 1)), out).reused == 8
    # One whose model is gone is made again for those that are to learn from it, not for the rest.
    shutil.rmtree(out / "models")
    assert quick(collections, variants(specs, None, (0, 1)), out).reused == 10
    assert not (out / "models").exists()
    next((out / "results").glob("Multi-Object2-material10--trained_teacher*-seed1.json")).unlink()
    assert quick(collections, variants(specs, None, (0, 1)), out).reused == 8
    assert [path.name for path in (out / "models").iterdir()] == [
        "Multi-Object2-material10--trained-seed1"
    ]


@pytest.mark.slow
@pytest.mark.train
def test_a_teacher_is_fitted_once_for_all_that_it_teaches(root: Path, tmp_path: Path) -> None:
    collections, out = find_collections(root)[2:3], tmp_path / "out"
    specs = [f"{name}:steps=25" for name in ("hyper8", "hyper12")]
    specs += ["hyper12:steps=25,bits=16", "disk10:steps=25,teacher=hsh16"]
    found = quick(collections, variants(specs, "fast", (3,)), out, jobs=2)
    assert not found.failures
    assert [r.codec for r in found.results] == ["hsh16", *specs]
    assert len(list((out / "models").iterdir())) == 3  # two of HyperRTI, one of HSH
    # The same as each of them fitted by itself, its time with that of its teachers.
    train, test = collections[0].open()
    codecs = [(spec, get_codec(spec, {"preset": "fast", "seed": 3})) for spec in specs[1:3]]
    alone = evaluate(codecs, train, test, with_ssim=False).scores
    assert [r.psnr for r in found.results[2:4]] == [score.psnr for score in alone]
    cpu = {path.stem: load_result(path).fit_cpu for path in (out / "results").iterdir()}
    teachers = sum(time for name, time in cpu.items() if "teacher_hyper_" in name)
    assert all(result.fit_cpu > teachers > 0 for result in found.results[1:4])
    assert quick(collections, variants(specs, "fast", (3,)), out, jobs=2).reused == 5
    with pytest.raises(OptionError, match=r"no \+ in its path"):
        quick(collections, variants(specs[:1], "fast"), tmp_path / "a+b")


@pytest.mark.slow
def test_each_process_has_one_thread(tmp_path: Path, root: Path) -> None:
    text = PLUGIN.replace(
        "time.sleep(max(0, self.seconds))",
        "import os; raise FitError(' '.join(os.environ[n + '_NUM_THREADS'] for n in"
        " ('OMP', 'OPENBLAS', 'MKL')), expected='')",
    )
    with installed(tmp_path / "plugins", text):
        collections = find_collections(root / "realrti" / "item5")
        found = quick(collections, variants(["trained"]), tmp_path / "out")
    assert [failure.reason for failure in found.failures] == ["1 1 1"]


def without_times(found: Result) -> dict[str, Any]:
    return found.as_dict() | {"fit_cpu": 0, "fit_wall": 0}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_killed_run_goes_on(plugin: None, root: Path, tmp_path: Path) -> None:
    source, out, codecs = root / "realrti", tmp_path / "out", "trained:seconds=0.3,ptm"
    command = [sys.executable, "-m", "drti_core", "benchmark", "quality", str(source)]
    command += ["--codecs", codecs, "--out", str(out), "--no-ssim"]
    results = out / "results"
    for wanted in (1, 3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(results.glob("*.json"))) < wanted:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (out / "table.md").exists()
    left = len(list(results.glob("*.json")))
    assert left >= 3
    found = quick(find_collections(source), variants(split_specs(codecs)), out)
    assert left - 1 <= found.reused < 6
    whole = quick(find_collections(source), variants(split_specs(codecs)), tmp_path / "new", jobs=2)
    assert [without_times(r) for r in found.results] == [without_times(r) for r in whole.results]
    assert len(found.results) == 6
    assert not [path for path in results.iterdir() if path.suffix != ".json"]


@pytest.mark.slow
@pytest.mark.train
def test_a_training_that_was_broken_off_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = importlib.import_module("drti_core.training.loop").Loop
    options = {"teacher": "none", "steps": "300", "encoder": "16", "threads": "1"}

    def task(name: str) -> dict[str, Any]:
        return {
            **{"source": str(root / "realrti" / "item5"), "test": None, "left_out": 0},
            **{"collection": "RealRTI/item5", "group": "RealRTI", "seed": 0, "ssim": False},
            **{"label": "hyper8", "codec": "hyper8", "options": options, "teachers": []},
            **{"result": str(tmp_path / f"{name}.json"), "model": None},
            **{"checkpoints": str(tmp_path / name)},
        }

    save, run = loop._save, loop.run
    starts: list[int] = []

    def broken(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        if self.step >= 100:
            raise KeyboardInterrupt

    def started(self: Any) -> Any:
        starts.append(self.step)
        return run(self)

    monkeypatch.setattr(loop, "run", started)
    monkeypatch.setattr(fit, "_EVERY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save", broken)
        with pytest.raises(KeyboardInterrupt):
            measure(task("broken"))
    spent = json.loads((tmp_path / "broken" / "spent.json").read_text())
    for name in ("broken", "whole"):
        assert measure(task(name)) == {"status": "measured"}
    assert starts == [0, 102, 0]  # a look is taken every sixth step
    found, whole = (load_result(tmp_path / f"{name}.json") for name in ("broken", "whole"))
    assert without_times(found) == without_times(whole)
    assert found.fit_cpu > spent["cpu"] > 0
    assert found.fit_wall > spent["wall"] > 0


def test_checkpoints_are_of_these_photographs_and_dropped_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, out = tmp_path / "item1", tmp_path / "out"
    write_stack(make_stack((20, 24), 12), copy)

    def broken_off(_executor: Any, tasks: list[dict[str, Any]], *others: Any) -> Any:
        folders.extend(Path(task["checkpoints"]) for task in tasks)
        raise KeyboardInterrupt

    def begun(**options: Any) -> Path:
        with pytest.raises(KeyboardInterrupt):
            quick(find_collections(copy), variants([]), out, **options)
        return folders[-1]

    folders: list[Path] = []
    monkeypatch.setattr(Processes, "run", broken_off)
    first = begun()
    (first / "inside").mkdir(parents=True)
    (first / "spent.json").write_text("{}")
    assert begun() == first
    light_file = next(copy.glob("*.lp"))
    light_file.write_text(light_file.read_text() + "\n")
    assert begun().parent == first.parent
    assert begun() != first
    assert first.is_dir()
    begun(overwrite=True)
    assert not first.parent.exists()


@pytest.mark.slow
def test_a_cluster_finds_what_processes_find(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: None
) -> None:
    """Teachers before those that learn from them, names that are relative to this folder."""
    pytest.importorskip("distributed")
    monkeypatch.chdir(root)
    found = find_collections(Path("realrti/item5"))
    codecs = variants(["ptm", "trained", "trained:seed=9,teacher={trained}", "trained:seconds=-1"])
    here = quick(found, codecs, tmp_path / "here", keep=True)
    there = quick(found, codecs, tmp_path / "there", keep=True, cluster="local", jobs=2)
    told = [
        json.dumps([without_times(each) for each in of.results]).replace(str(tmp_path / name), "")
        for name, of in (("here", here), ("there", there))
    ]
    assert told[0] == told[1]
    assert (len(there.results), len(there.failures)) == (4, 1)
    assert there.failures == here.failures
    assert digest_of([tmp_path / "there/models"]) == digest_of([tmp_path / "here/models"])
    assert quick(found, codecs[:2], tmp_path / "there").reused == 2


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
@pytest.mark.train
def test_a_run_that_was_killed_in_a_training_goes_on(root: Path, tmp_path: Path) -> None:
    source, out = root / "realrti" / "item5", tmp_path / "out"
    codecs = ["hyper8:teacher=none,encoder=16,steps=600"]
    command = [sys.executable, "-m", "drti_core", "benchmark", "quality", str(source)]
    command += ["--codecs", *codecs, "--out", str(out), "--no-ssim"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("checkpoints/*/*/*.safetensors")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    found = quick(find_collections(source), variants(codecs), out)
    assert not (out / "checkpoints").exists()
    whole = quick(find_collections(source), variants(codecs), tmp_path / "new")
    assert [without_times(r) for r in found.results] == [without_times(r) for r in whole.results]
    assert len(found.results) == 2


def test_reports_that_are_in_the_way_are_told_first(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after hours of fits."""
    (tmp_path / "table.md").write_text("mine")
    assert main(["benchmark", "quality", str(root), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'table.md'}: exists already. Choose another name, or ask for it to be "
        "overwritten (--overwrite).\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.slow
def test_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["benchmark", "quality", str(root), "--codecs", "ptm,hsh:terms=4"]
    arguments += ["--out", str(out), "--only", "Multi", "--only", "item5", "--no-ssim"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for text in (
        "Multi/Object2/material10",
        "RealRTI/item5",
        "hsh:terms=4",
        f"wrote {out}/table.md",
    ):
        assert text in said
    assert "Single" not in said
    assert read_picture(out / "quality-time.png").shape[2] == 3
    assert main(arguments) == 0
    assert "6 results are from an earlier run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--seeds", "0,0"], "--seeds: '0,0'; expected numbers from 0, each once: 0,1,2"),
        (["--seeds", "a"], "--seeds: 'a'; expected numbers from 0, each once: 0,1,2"),
        (
            ["--only", "nosuch"],
            "--only: ['nosuch']; expected a part of one of Single/Object1/material4, "
            "Multi/Object2/material10, RealRTI/item5, RealRTI/item10",
        ),
    ],
)
def test_arguments_that_are_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(["benchmark", "quality", str(root), *arguments]) == 1
    assert capsys.readouterr().err == f"error: {text}\n"


@pytest.mark.slow
def test_a_failure_is_an_exit_status(
    plugin: None, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["benchmark", "quality", str(root / "realrti" / "item5")]
    arguments += ["--codecs", "trained:seconds=-1", "--no-ssim"]
    arguments += ["--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "failed: RealRTI/item5, trained:seconds=-1: " in said
    assert (tmp_path / "out" / "table.md").is_file()


def test_files_of_variants_are_names() -> None:
    one = Variant("disk:teacher={a/b},x=1", "", (), 3)
    assert one.file == "disk_teacher=_a_b__x=1-seed3"
