"""Draws masks.png beside this file: FAAT's landmark mask, and its control, over a photograph of a real face.

The photograph is NASA's of Eileen Collins (public domain, https://flic.kr/p/r9qvLn), taken out of the scikit-image
package. Run it from the repository: `python docs/faat/make_pictures.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image

from fer_bench.core.model_card import PackageFile
from fer_bench.data.collect import pixel_digest
from fer_bench.faces import landmarks
from fer_bench.fetch.packages import package_file
from fer_bench.training.masks import landmark_masks, moved, with_floor

PHOTOGRAPH = PackageFile(
    registry="pypi",
    package="scikit-image",
    version="0.26.0",
    member="skimage/data/astronaut.png",
    sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    size=791555,
)
#: The face in the photograph (left, top, right, bottom), and the side of FER2013's images.
FACE, SIDE = (158, 38, 302, 182), 48
FLOOR = 0.3


def main() -> None:
    """Fetches the photograph, finds the landmarks, draws four panels."""
    picture = Image.open(package_file(PHOTOGRAPH)).convert("L").crop(FACE).resize((SIDE, SIDE), Image.Resampling.BOX)
    gray = np.asarray(picture, dtype=np.float32) / 255
    image = torch.from_numpy(gray)[None, None]
    found = landmarks.find(image, [pixel_digest(np.asarray(picture))])
    assert bool(found.detected[0]), "dlib found no face"
    mask = landmark_masks(found.points, SIDE, SIDE)
    elsewhere = moved(mask, torch.Generator().manual_seed(3))
    panels = {
        "68 landmarks (dlib)": None,
        "landmark mask M": mask,
        f"budget in eps: {FLOOR} + {1 - FLOOR} M": with_floor(mask, FLOOR),
        "control: random area": elsewhere,
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 3.4), layout="constrained")
    for axis, (title, shown) in zip(axes, panels.items(), strict=True):
        axis.imshow(gray, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=11)
        axis.set_axis_off()
        if shown is None:
            points = found.points[0]
            axis.scatter(points[:17, 0], points[:17, 1], s=14, c="white", edgecolors="black", linewidths=0.6)
            axis.scatter(points[17:, 0], points[17:, 1], s=14, c="gold", edgecolors="black", linewidths=0.6)
        else:
            drawn = axis.imshow(shown[0, 0], cmap="inferno", vmin=0, vmax=1, alpha=0.6)
    figure.colorbar(drawn, ax=axes, shrink=0.8)
    figure.savefig(Path(__file__).with_name("masks.png"), dpi=100)
    print(f"area of the mask: {float(mask.mean()):.3f} of the image; of the control: {float(elsewhere.mean()):.3f}")


if __name__ == "__main__":
    main()
