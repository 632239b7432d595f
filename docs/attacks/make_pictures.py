"""Draws fer.png and corruptions.png beside this file: the attacks of fer.md, over a face that is itself drawn.

No photograph is used: FER2013 may not be passed on. Run it from the repository: `python docs/attacks/make_pictures.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from attacks.corruptions.cards import corrupted
from attacks.corruptions.functions import CORRUPTIONS
from attacks.face.band_pgd import band, band_pgd
from attacks.face.cam import grad_cam, masked_pgd
from attacks.face.pyramid import pyramid
from attacks.face.warp import landmark_warp, weights
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import Norm, ThreatModel
from fer_bench.engine.goals import Goal
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard
from fer_bench.faces.landmarks import mean_face
from fer_bench.faces.regions import parse_region, region_mask

SIDE, SCALE = 96, 2
#: Large, so that it is seen; the table of the page says so.
EPS = 24 / 255


class Net(torch.nn.Module):
    """A seeded random convolutional net: something with gradients; what it predicts means nothing."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 5, 2, 2), torch.nn.SiLU(), torch.nn.Conv2d(8, 16, 3, 2, 1), torch.nn.SiLU()
        )
        self.head = torch.nn.Linear(16 * 64, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        logits: torch.Tensor = self.head(F.adaptive_avg_pool2d(self.conv(images * 2 - 1), 8).flatten(1))
        return logits


def face() -> tuple[torch.Tensor, torch.Tensor]:
    """A drawn face `(1, 1, SIDE, SIDE)` on the mean face's landmarks `(1, 68, 2)`."""
    points = mean_face(SIDE, SIDE)
    wide = SIDE * 4
    picture = Image.new("L", (wide, wide), 70)
    draw = ImageDraw.Draw(picture)
    at = [(float(x) * 4 + 2, float(y) * 4 + 2) for x, y in points]
    draw.ellipse((wide * 0.08, -wide * 0.05, wide * 0.92, wide * 1.02), fill=190)
    draw.pieslice((wide * 0.05, -wide * 0.2, wide * 0.95, wide * 0.55), 180, 360, fill=40)
    for brow in (at[17:22], at[22:27]):
        draw.line(brow, fill=50, width=9, joint="curve")
    for eye in (at[36:42], at[42:48]):
        draw.polygon(eye, fill=245, outline=60)
        x, y = (sum(values) / 6 for values in zip(*eye, strict=True))
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=30)
    draw.line(at[27:31], fill=150, width=6)
    draw.line(at[31:36], fill=120, width=6)
    draw.polygon(at[48:60], fill=110)
    draw.polygon(at[60:68], fill=235)
    small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pixels = torch.tensor(list(small.tobytes()), dtype=torch.float32).reshape(1, 1, SIDE, SIDE) / 255
    return pixels, points[None]


def attacked(call: Callable[[Observer, torch.Tensor, torch.Tensor], torch.Tensor], norm: Norm = "Linf") -> torch.Tensor:
    """What `call` makes of the drawn face, whether the net is fooled or not."""
    images, _ = face()
    net = Net().eval().requires_grad_(False)
    labels = net(images).argmax(1)
    spec = AttackSpec("picture", ThreatModel(norm, 5.0), (), 1)
    observer = Observer(net, Shard(images, labels, ("drawn",)), Goal(labels), spec, 0, freeze=False)
    made: list[torch.Tensor] = []
    observer.attack(lambda x, y: made.append(call(observer, x, y)))
    return made[0]


def tile(image: torch.Tensor, title: str) -> Image.Image:
    """One enlarged image with its name above it."""
    pixels = (image[0, 0] * 255).round().to(torch.uint8).numpy()
    sheet = Image.new("L", (SIDE * SCALE + 8, SIDE * SCALE + 24), 255)
    sheet.paste(Image.fromarray(pixels).resize((SIDE * SCALE, SIDE * SCALE), Image.Resampling.NEAREST), (4, 20))
    ImageDraw.Draw(sheet).text((5, 4), title, fill=0)
    return sheet


def main() -> None:
    """Writes fer.png and corruptions.png beside this file."""
    images, points = face()

    def region(name: str) -> torch.Tensor:
        return region_mask(points, parse_region(name), SIDE, SIDE).float()

    def pgd(mask: torch.Tensor, eps: float = EPS) -> torch.Tensor:
        return attacked(lambda o, x, y: masked_pgd(o, x, y, mask, eps, eps / 4, 20, random_start=True))

    def banded(radius: float, high: bool) -> torch.Tensor:
        kept = band(SIDE, SIDE, radius, high, images)
        return attacked(lambda o, x, y: band_pgd(o, x, y, EPS, EPS / 4, 20, kept))

    following = weights(points, 0.2, SIDE, SIDE)
    tiles = [
        tile(images, "the drawn face"),
        tile(pgd(torch.ones_like(images)), "pgd, 24/255"),
        tile(attacked(lambda o, x, y: grad_cam(o, x)), "the map of *-cam"),
        tile(
            attacked(lambda o, x, y: masked_pgd(o, x, y, grad_cam(o, x), EPS, EPS / 4, 20, random_start=True)),
            "pgd-cam, 24/255",
        ),
        tile(attacked(lambda o, x, y: pyramid(o, x, y, EPS, EPS / 4, 20)), "pyramid, 24/255"),
        tile(banded(0.25, high=False), "pgd-low, 24/255"),
        tile(banded(0.5, high=True), "pgd-high, 24/255"),
        tile(attacked(lambda o, x, y: landmark_warp(o, x, y, following, 4.0, 1.0, 20), "flow"), "warp, 4 pixels"),
        tile(pgd(region("core")), "pgd(region=core)"),
        tile(pgd(region("outside-core")), "region=outside-core"),
        tile(pgd(region("glasses"), 1.0), "region=glasses, eps=1"),
        tile(pgd(region("forehead"), 1.0), "region=forehead, eps=1"),
    ]
    sheet(tiles, 4).save(Path(__file__).with_name("fer.png"), optimize=True)
    seeds = torch.tensor([1])
    levels = [tile(corrupted(name, images, 4, seeds), f"{name}, 4") for name in CORRUPTIONS]
    sheet(levels, 6).save(Path(__file__).with_name("corruptions.png"), optimize=True)


def sheet(tiles: list[Image.Image], columns: int) -> Image.Image:
    """The tiles in rows of `columns`."""
    width, height = tiles[0].size
    whole = Image.new("L", (width * columns, height * -(-len(tiles) // columns)), 255)
    for number, picture in enumerate(tiles):
        whole.paste(picture, (width * (number % columns), height * (number // columns)))
    return whole


if __name__ == "__main__":
    main()
