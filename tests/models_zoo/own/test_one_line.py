"""Models of the user's own: every one-line form is built, attacked or refused in one line; nothing hostile runs."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import importlib.util
import json
import os
import pickle
import warnings
import weakref
import zipfile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn
from toys import CLASSES, LinearToy, toy_card, toy_data

import fer_bench
from fer_bench.cli.main import main
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import ModelCard, UserFile, WebFile
from fer_bench.errors import FerBenchError, ModelError, UsageError
from models_zoo import select
from models_zoo.catalogue import weights
from models_zoo.inputs import Input, parse_input
from models_zoo.loading import identity, load
from models_zoo.own import added, timm_model
from models_zoo.preprocessing import Prepared
from models_zoo.select import choose_models, find_model, left_out

WORDS = ",".join(CLASSES)
ARCHITECTURE = "test_resnet"  # timm's own small one for tests
IMAGES = toy_data(4, LinearToy(1, 48, 48)).images
MY_FILE = """
import torch
from torch import nn

CLASSES = ("Anger", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def build():
    torch.manual_seed({seed})
    return nn.Sequential(nn.AdaptiveAvgPool3d((1, 4, 4)), nn.Flatten(), nn.Linear(16, 7))
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, an empty shelf, no network."""
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FERBENCH_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def timm_weights(home: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(1)
    network = timm_model.create(ARCHITECTURE, 7)
    save_file(network.state_dict(), home / "weights.safetensors")
    return network, home / "weights.safetensors"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> EvalSet:
    data = toy_data(4, LinearToy(1, 48, 48))
    for verbs in ("benchmark", "models", "replays"):
        monkeypatch.setattr(f"fer_bench.api.{verbs}.open_data", lambda text, n=None: data)
    return data


def refusal(call: object, kind: type[FerBenchError] = FerBenchError) -> str:
    with pytest.raises(kind) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --------------------------------------------------------------------------------------------------------- one line


def test_a_timm_architecture_with_a_file_of_weights(timm_weights: tuple[nn.Module, Path]) -> None:
    network, path = timm_weights
    card = find_model(f"timm:{ARCHITECTURE}@{path}", CLASSES)
    assert card.input == "160x160 RGB, [-1,1]"
    assert card.classes == CLASSES
    assert (card.licence, card.paper) == ("unknown", "unknown")
    model = load(card)
    expected = Prepared(network, Input(160, 160, 3, (0.5,) * 3, (0.5,) * 3))(IMAGES)
    torch.testing.assert_close(model(IMAGES), expected)
    assert not torch.allclose(expected, torch.zeros_like(expected))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_as_training_scripts_write_it(timm_weights: tuple[nn.Module, Path], wrap, prefix: str) -> None:
    network, _ = timm_weights
    torch.save(wrap({prefix + name: value for name, value in network.state_dict().items()}), "w.pth")
    torch.testing.assert_close(
        load(find_model(f"timm:{ARCHITECTURE}@w.pth", CLASSES))(IMAGES),
        load(find_model(f"timm:{ARCHITECTURE}@weights.safetensors", CLASSES))(IMAGES),
    )


def test_torchscript(home: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(LinearToy(3, 16, 16).eval(), torch.rand(2, 3, 16, 16)), "net.pt")
    card = find_model("net.pt", CLASSES, "16x16 RGB [-1,1]")
    assert "runs its own graph" in card.notes[0]
    expected = Prepared(LinearToy(3, 16, 16), parse_input("16x16 RGB [-1,1]"))(IMAGES)
    torch.testing.assert_close(load(card)(IMAGES), expected)


def onnx_model(path: str, external: str = "") -> None:
    toy = LinearToy(1, 8, 8)
    weight = numpy_helper.from_array(toy.weight.detach().numpy().T.copy(), "w")
    bias = numpy_helper.from_array((toy.bias - toy.weight.sum(1) / 2).detach().numpy(), "b")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=external)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 7])],
        [weight, bias],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    Path(path).write_bytes(made.SerializeToString())


def test_onnx_knows_its_size_and_loses_its_softmax() -> None:
    onnx_model("net.onnx")
    card = find_model("net.onnx", CLASSES)
    assert card.input == "8x8 gray, [0,1]"
    expected = Prepared(LinearToy(1, 8, 8), parse_input("8x8 gray"))(IMAGES)
    torch.testing.assert_close(load(card)(IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_onnx_with_its_weights_beside_it_is_known_by_both_files() -> None:
    """As torch.onnx.export leaves it; other weights are another model."""
    onnx_model("net.onnx", external="net.onnx.data")
    weight = LinearToy(1, 8, 8).weight.detach().numpy().T.copy()
    Path("net.onnx.data").write_bytes(weight.tobytes())
    card = find_model("net.onnx", CLASSES)
    expected = Prepared(LinearToy(1, 8, 8), parse_input("8x8 gray"))(IMAGES)
    torch.testing.assert_close(load(card)(IMAGES), expected, rtol=1e-4, atol=1e-4)
    Path("net.onnx.data").write_bytes((2 * weight).tobytes())
    assert find_model("net.onnx", CLASSES).digest != card.digest
    Path("net.onnx.data").write_bytes(weight.tobytes()[:-4])
    assert "cannot be read" in refusal(lambda: load(find_model("net.onnx", CLASSES)), ModelError)
    Path("net.onnx.data").unlink()
    assert "(net.onnx.data), which are not beside it" in refusal(lambda: find_model("net.onnx", CLASSES), ModelError)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "..", "C:secret", "sub\\secret"])
def test_onnx_that_keeps_weights_elsewhere_is_refused(place: str) -> None:
    onnx_model("net.onnx", external=place)
    assert "keeps weights in other files" in refusal(lambda: find_model("net.onnx", CLASSES), ModelError)
    Path("net.onnx").write_text("<html>")
    assert "not an ONNX file" in refusal(lambda: find_model("net.onnx", CLASSES), ModelError)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_a_hugging_face_folder_with_its_preprocessor_and_labels(home: Path) -> None:
    import transformers

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic",
        id2label=dict(enumerate(["Anger", *CLASSES[1:]])),
    )  # fmt: skip
    torch.manual_seed(0)
    network = transformers.ResNetForImageClassification(config).eval()
    network.save_pretrained(home / "hf")
    preprocessor = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 24}}
    preprocessor |= {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (home / "hf" / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    card = find_model(f"hf:{home / 'hf'}")
    assert card.classes == CLASSES
    assert card.input == "32x24 RGB, mean=0.1,0.2,0.3 std=0.4,0.5,0.6"
    pixels = nn.functional.interpolate(IMAGES.expand(-1, 3, -1, -1), (32, 24), mode="bilinear", antialias=True)
    shape = (1, 3, 1, 1)
    pixels = (pixels - torch.tensor([0.1, 0.2, 0.3]).view(shape)) / torch.tensor([0.4, 0.5, 0.6]).view(shape)
    torch.testing.assert_close(load(card)(IMAGES), network(pixels).logits, rtol=1e-4, atol=1e-5)


def test_a_hugging_face_folder_that_is_timms(home: Path, timm_weights: tuple[nn.Module, Path]) -> None:
    network, path = timm_weights
    (home / "hub").mkdir()
    path.rename(home / "hub" / "model.safetensors")
    known = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"architecture": ARCHITECTURE, "num_classes": 7, "label_names": list(CLASSES), "pretrained_cfg": known}
    (home / "hub" / "config.json").write_text(json.dumps(config))
    expected = Prepared(network, parse_input("32x32 RGB [-1,1]"))(IMAGES)
    torch.testing.assert_close(load(find_model(f"hf:{home / 'hub'}"))(IMAGES), expected)
    config["architecture"] = "hf-hub:somebody/something"
    (home / "hub" / "config.json").write_text(json.dumps(config))
    assert "unknown timm architecture" in refusal(lambda: load(find_model(f"hf:{home / 'hub'}")))


# ------------------------------------------------------------------------------------------------------ a Python file


def test_a_python_file_is_benchmarked_by_one_command(home: Path, opened: EvalSet) -> None:
    (home / "my_file.py").write_text(MY_FILE.format(seed=0))
    words = ["run", "--models", "my_file.py:build+bits5", "--attacks", "fgsm", "--eps", "8/255", "--device", "cpu"]
    done = CliRunner().invoke(main, [*words, "--data", "toy"])
    assert done.exit_code == 0, done.output
    assert "my_file:build+bits5" in done.output
    again = CliRunner().invoke(main, [*words, "--data", "toy"])
    assert "0 cells run, 1 were stored already" in again.output
    cells = fer_bench.load("results").cells
    verdict = fer_bench.load("results").verdicts.iloc[0]
    replayed = fer_bench.replay("results", cells["key"].iloc[0], verdict["sample"], device="cpu")
    assert replayed.same


def test_other_weights_or_other_code_are_another_model(home: Path) -> None:
    digests = set()
    for number, seed in enumerate((0, 1)):
        (home / f"f{number}.py").write_text(MY_FILE.format(seed=seed))
        digests.add(identity(find_model(f"f{number}.py:build")))
    (home / "f0.py").write_text((home / "f0.py").read_text() + "# more\n")
    digests.add(identity(find_model("f0.py:build")))
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("x.py", "", "names no builder"),
        ("C:\\x.py", "", "names no builder"),
        ("C:\\absent.py:build", "", "cannot be read"),
        ("x.py:absent", "", "defines no 'absent'"),
        ("x.py:build", "def build(", "cannot be run: SyntaxError"),
        ("x.py:build", "import nothing_like_it", "cannot be run: ModuleNotFoundError"),
        ("x.py:build", "build = 3\nCLASSES = ('a', 'b')", "is a int"),
        ("x.py:build", "def build(): pass", "--classes"),
    ],
)
def test_a_python_file_that_cannot_be_used_is_one_line(home: Path, text: str, content: str, message: str) -> None:
    (home / "x.py").write_text(content)
    assert message in refusal(lambda: find_model(text), UsageError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timm:resnet18", "names no weights"),
        ("timm:resnet17@x.safetensors", "resnet18"),
        ("timm:hf-hub:a/b@x.safetensors", "unknown timm architecture"),
        ("timm:resnet18@absent.safetensors", "cannot be read"),
        ("hf:absent", "is not a folder"),
        ("mini-xceptoin", "mini-xception"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(text: str, message: str) -> None:
    assert message in refusal(lambda: find_model(text, CLASSES), UsageError)


def test_classes_are_for_models_of_ones_own() -> None:
    assert "--classes" in refusal(lambda: choose_models("mini-xception", WORDS), UsageError)


@pytest.mark.parametrize("text", ["9x8 RGB, imagenet", "48x48 gray [-1, 1]", "any size RGB mean=.1,.2,.3 std=1,2,3"])
def test_an_input_is_read_as_it_is_written(text: str) -> None:
    assert parse_input(str(parse_input(text))) == parse_input(text)


@pytest.mark.parametrize("text", ["224", "0x4 RGB", "mean=1,2 RGB", "std=0 gray", "mean=x", "cmyk"])
def test_an_input_that_cannot_be_read_is_one_line(text: str) -> None:
    refusal(lambda: parse_input(text), UsageError)


def test_another_input_is_another_model(timm_weights: tuple[nn.Module, Path]) -> None:
    text = f"timm:{ARCHITECTURE}@weights.safetensors"
    assert len({find_model(text, CLASSES, given).digest for given in ("", "48x48 RGB", "48x48 RGB imagenet")}) == 3


# -------------------------------------------------------------------------------------------------- nothing hostile


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("name", ["net.pt", "w.pth", "plain.bin"])
def test_a_hostile_pickle_does_not_run_and_the_way_out_is_said(home: Path, name: str) -> None:
    if name == "plain.bin":
        Path(name).write_bytes(pickle.dumps(Bomb(), protocol=2))
    else:
        torch.save({"state_dict": Bomb()}, name)
    text = name if name == "net.pt" else f"timm:{ARCHITECTURE}@{name}"
    assert "save_file(torch.load(FILE, weights_only=False)" in refusal(
        lambda: load(find_model(text, CLASSES)), ModelError
    )
    assert not Path("exploded").exists()


def test_a_pickled_module_is_refused_with_the_way_to_convert_it() -> None:
    torch.save(nn.Linear(2, 2), "whole.pth")
    said = refusal(lambda: load(find_model(f"timm:{ARCHITECTURE}@whole.pth", CLASSES)), ModelError)
    assert "holds more than tensors" in said


@pytest.mark.parametrize("name", ["net.pt", "w.pth"])
def test_a_zip_bomb_is_not_unpacked(name: str) -> None:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/code/__torch__.py" if name == "net.pt" else "net/x", "")
        archive.writestr("net/data.pkl", bytes(50 << 20))
    text = name if name == "net.pt" else f"timm:{ARCHITECTURE}@{name}"
    assert "would unpack to" in refusal(lambda: load(find_model(text, CLASSES)), ModelError)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "net.pt"])
@pytest.mark.parametrize("content", [b"", b"<!doctype html><html>", b"PK\x03\x04cut"])
def test_a_file_of_another_kind_is_one_line(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    text = name if name == "net.pt" else f"timm:{ARCHITECTURE}@{name}"
    refusal(lambda: load(find_model(text, CLASSES)), ModelError)


# ----------------------------------------------------------------------------------------------- weights, all, memory


def needy(name: str = "needy") -> ModelCard:
    build = lambda paths: LinearToy(1, 8, 8).eval()  # noqa: E731
    return dataclasses.replace(
        toy_card(name), files=(UserFile("its checkpoint", "https://example.org"),), build=build, own=""
    )


def test_brought_weights_are_the_models_identity_wherever_they_lie(home: Path) -> None:
    digests = []
    for name, content in (("a.pth", b"one"), ("b.pth", b"one"), ("c.pth", b"two")):
        (home / name).write_bytes(content)
        (card,) = choose_models([needy()], weights=[f"needy={name}"])
        digests.append(card.digest)
        assert weights(card) == "own file, on this machine"
        load(card)
    assert digests[0] == digests[1] != digests[2]
    assert "--weights needy=FILE" in refusal(lambda: load(needy()))
    assert weights(needy()) == "bring-your-own: --weights needy=FILE"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("needy", "NAME=FILE"),
        ("needy=absent.pth", "cannot be read"),
        ("other=x.pth", "not among the models"),
        ("plain=x.pth", "needs no file of yours"),
    ],
)
def test_weights_that_cannot_be_given_are_one_line(pair: str, message: str) -> None:
    assert message in refusal(lambda: choose_models([needy(), toy_card("plain")], weights=[pair]), UsageError)


def test_all_is_what_can_be_had_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    far = dataclasses.replace(toy_card("far"), files=(WebFile("https://example.org/x", "0" * 40),))
    monkeypatch.setattr(select, "every_model", lambda: [toy_card("plain"), far, needy()])
    assert [card.name for card in choose_models("all")] == ["plain"]
    assert [card.name for card in choose_models("all-addresses")] == ["plain", "far"]
    said = left_out("all")
    assert "\n" not in said
    assert "not fetched yet: far" in said
    assert "only you can bring: needy" in said
    assert "far" not in left_out("all-addresses")
    assert "far" not in left_out("all,far")
    assert left_out("plain") == ""


@pytest.mark.slow
def test_at_most_two_models_are_in_memory_at_any_time(opened: EvalSet, home: Path) -> None:
    alive: weakref.WeakSet[nn.Module] = weakref.WeakSet()
    most = 0

    def build() -> nn.Module:
        nonlocal most
        model = LinearToy(1, 48, 48)
        alive.add(model)
        gc.collect()
        most = max(most, len(alive))
        return model

    cards = [toy_card(f"toy-{number}", build) for number in range(5)]
    fer_bench.run(models=cards, attacks="fgsm", eps="8/255", out=home / "r", device="cpu")
    assert 1 <= most <= 2
    gc.collect()
    assert len(alive) == 0


# ------------------------------------------------------------------------------------------------------- shared cards


def shared(home: Path, **changes: str) -> Path:
    """A folder with a card and its weights, as somebody would send it."""
    folder = home / "sent"
    folder.mkdir(exist_ok=True)
    torch.manual_seed(2)
    save_file(timm_model.create(ARCHITECTURE, 7).state_dict(), folder / "w.safetensors")
    sha256 = hashlib.sha256((folder / "w.safetensors").read_bytes()).hexdigest()
    fields = {
        "name": '"shared-net"',
        "classes": json.dumps(list(CLASSES)),
        "architecture": f'"timm:{ARCHITECTURE}"',
        "path": '"w.safetensors"',
        "sha256": f'"{sha256}"',
        **changes,
    }
    file = "\n".join(f"{key} = {fields.pop(key)}" for key in ("path", "sha256"))
    text = "\n".join(f"{key} = {value}" for key, value in fields.items() if value)
    (folder / "net.toml").write_text(
        f"{text}\n[[file]]\n{file}\n[[accuracy]]\nvalue = 0.6\ndata = 'x'\nsplit = 'test'\n"
    )
    return folder / "net.toml"


def test_a_shared_card_is_added_listed_used_and_removed(home: Path) -> None:
    card = shared(home)
    run = CliRunner(env={"COLUMNS": "200"})  # a narrow terminal has no room for the last column
    done = run.invoke(main, ["models", "add", str(card)])
    assert done.exit_code == 0, done.output
    for path in card.parent.iterdir():
        path.unlink()  # the shelf has its own copy
    listed = run.invoke(main, ["models", "list"]).output
    (line,) = [line for line in listed.splitlines() if line.startswith("shared-net")]
    assert line.rstrip().endswith("no")  # nobody here has verified it
    found = find_model("shared-net")
    assert (found.licence, found.year, found.accuracy[0].n) == ("unknown", 0, None)
    assert load(found)(IMAGES).shape == (4, 7)
    assert "there already" in run.invoke(main, ["models", "add", str(shared(home))]).output
    assert run.invoke(main, ["models", "remove", "shared-net"]).exit_code == 0
    assert added.cards() == []
    assert run.invoke(main, ["models", "remove", "shared-net"]).exit_code == 2


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", '"../../evil"', "name is '../../evil'"),
        ("name", '"mini-xception"', "there already"),
        ("path", '"../w.safetensors"', "plain name of a file"),
        ("path", "'C:\\\\w.safetensors'", "plain name of a file"),
        ("path", '"absent"', "cannot be read"),
        ("sha256", '"00"', "is not the file of the card"),
        ("architecture", '"my_file.py:build"', "holds no code"),
        ("architecture", '"timm:hf-hub:a/b"', "unknown timm architecture"),
        ("licenze", '"MIT"', "Did you mean licence"),
        ("classes", "3", "a list of texts"),
        ("classes", "", "classes is missing"),
        ("year", '"old"', "a whole number"),
        ("name", "", "name is missing"),
        ("name", "[", "cannot be read"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_in_one_line(home: Path, field: str, value: str, message: str) -> None:
    done = CliRunner().invoke(main, ["models", "add", str(shared(home, **{field: value}))])
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert added.names() == []


def test_a_damaged_card_on_the_shelf_is_named_and_can_be_removed(home: Path) -> None:
    place = added.folder() / "bad"
    place.mkdir(parents=True)
    (place / "card.toml").write_text("name = ")
    assert "ferbench models remove bad" in refusal(added.cards, UsageError)
    added.remove("bad")
    assert added.cards() == []


def test_check_says_what_it_finds(home: Path, opened: EvalSet) -> None:
    (home / "soft.py").write_text(MY_FILE.format(seed=0).replace("Linear(16, 7))", "Linear(16, 7), nn.Softmax(dim=1))"))
    done = CliRunner().invoke(main, ["models", "check", "soft.py:build", "--device", "cpu"])
    assert done.exit_code == 1, done.output
    assert "softmax cut" in done.output
