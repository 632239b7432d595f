"""The landmark warp: sampling in closed form, its bound, and its optimum on an image that is a ramp."""

from __future__ import annotations

import pytest
import torch
from observed import SEED, assert_alike, attack, in_batches, shard_of
from toys import SmallConvToy, seeded, toy_images

from attacks.face.warp import into_discs, warped, weights
from fer_bench.engine.judge import evaluate_shard
from fer_bench.faces import landmarks
from fer_bench.faces.landmarks import mean_face

SIDE = 24
#: Rise of the ramp's gray value per pixel.
SLOPE = 0.02


class Ramp(torch.nn.Module):
    """Two classes in reach: z_1 - z_0 = w . image + b, w zero near the edges, where a warp repeats them."""

    def __init__(self) -> None:
        super().__init__()
        weight = seeded((SIDE, SIDE), 2, -1, 1)
        weight[:3], weight[-3:], weight[:, :3], weight[:, -3:] = 0, 0, 0, 0
        self.weight = torch.nn.Parameter(weight)
        self.bias = 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = (images[:, 0] * self.weight).sum((1, 2)) - self.bias
        logits = torch.full((len(images), 7), -50.0, dtype=images.dtype)
        logits[:, 0], logits[:, 1] = -score, score
        return logits


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image has the mean face."""
    monkeypatch.setattr(
        landmarks, "points", lambda images, ids: mean_face(*images.shape[2:]).expand(len(images), -1, -1)
    )


def test_a_constant_flow_shifts_the_image_and_none_leaves_it():
    images = toy_images(2, (3, 7, 9)).double()
    flow = torch.zeros(2, 7, 9, 2, dtype=torch.float64)
    assert torch.allclose(warped(images, flow), images, atol=1e-12)
    flow[..., 0] = 1
    assert torch.allclose(warped(images, flow), torch.cat([images[..., 1:], images[..., -1:]], 3), atol=1e-12)
    flow[..., 0], flow[..., 1] = 0, -2
    assert torch.allclose(warped(images, flow)[:, :, 2:], images[:, :, :-2], atol=1e-12)
    flow[..., 1] = 0.5
    assert torch.allclose(warped(images, flow)[:, :, :-1], (images[:, :, 1:] + images[:, :, :-1]) / 2, atol=1e-12)


def test_every_pixel_moves_by_a_mean_of_the_landmarks_and_fades_to_rest():
    face = mean_face(48, 48)[None].double()
    following = weights(face, 0.2, 48, 48)
    assert following.shape == (1, 48 * 48, 68)
    assert float(following.min()) >= 0
    assert float(following.sum(2).max()) < 1
    tip = face[0, 30].round().long()
    assert float(following[0, int(tip[1]) * 48 + int(tip[0])].sum()) > 0.9
    corner = weights(face, 0.05, 48, 48)[0, 0]
    assert float(corner.sum()) < 1e-3
    longest = into_discs(seeded((3, 68, 2), 1, -5, 5), 1.5).norm(dim=2)
    assert float(longest.max()) <= 1.5 * (1 + 1e-12)
    short = seeded((3, 68, 2), 1, -0.5, 0.5)
    assert torch.allclose(into_discs(short, 1.5), short, atol=1e-12)


def test_on_a_ramp_the_warp_reaches_its_optimum_and_not_more(faces):
    """A ramp of slope a moved by f becomes itself plus a f: linear, with optimum eps a sum_l |sum_p w_p F_pl|."""
    model = Ramp()
    x = torch.arange(SIDE).double() * SLOPE
    shades = torch.linspace(0.1, 0.4, 12).double()
    images = (x + shades[:, None, None, None]).expand(12, 1, SIDE, SIDE).contiguous()
    with torch.no_grad():
        model.bias = float(model(images)[:, 1].mean())
    shard = shard_of(model, images)
    following = weights(mean_face(SIDE, SIDE)[None].double(), 0.2, SIDE, SIDE)[0]
    gain = 2 * SLOPE * float((model.weight.detach().reshape(1, -1) @ following).abs().sum())
    with torch.no_grad():
        logits = model(images)
    smallest = (logits[:, 1] - logits[:, 0]).abs() / gain
    eps = float(smallest.median())
    spec, program = attack("warp", eps, steps=20)
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert 0.05 < eps < 2
    assert bool(fooled[smallest * 1.05 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 12
    # The stated size is that of the flow: on a ramp it can be read off the image, row by row.
    for i, verdict in enumerate(done.result.verdicts):
        if verdict.fooled:
            across = ((done.images[i] - images[i])[0, 3:-3, 3:-3] / SLOPE).abs().max()
            assert float(across) - 1e-9 <= verdict.norm <= eps * (1 + 1e-6)


def test_the_batch_changes_no_verdict_and_the_bound_holds(faces):
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(8, (1, 16, 16)).double())
    nine, two = (in_batches(model, shard, size, "warp", 0.12, steps=4) for size in (9, 2))
    assert_alike(nine, two, rel=1e-7)
    assert len({v.fooled for v in nine}) == 2
    assert all(v.norm <= 0.12 * (1 + 1e-9) for v in nine if v.fooled)
