"""The cards of DDAMFN++: what is known of them, and where the weights are."""

from __future__ import annotations

from functools import partial

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, WebFile
from models_zoo.builders import family
from models_zoo.sources import AFFECTNET_7, AFFECTNET_8, FILE_NOT_SEEN, github

_file = partial(github, "SainingZhang/DDAMFN", "cebfe5c5969b7d1fd64ecd775e318d3834ca76bb")


_FOLDER = "DDAMFN++/checkpoints_ver2.0"


def _card(
    data: str, classes: tuple[str, ...], file: WebFile, parameters: int, accuracy: PublishedAccuracy, *notes: str
) -> ModelCard:
    return ModelCard(
        name=f"ddamfn-{accuracy.data}",
        title=f"DDAMFN++ trained on {data}",
        task="expression",
        classes=classes,
        input="112x112 RGB, normalised as for ImageNet",
        parameters=parameters,
        paper="Zhang, Zhang, Zhang and Gao: A Dual-Direction Attention Mixed Feature Network for Facial Expression "
        "Recognition, Electronics 12(17) 3595, 2023",
        year=2023,
        licence="none stated",
        files=(file,),
        build=family("ddamfn", len(classes)),
        accuracy=(accuracy,),
        family="DDAMFN++",
        trained_on=f"{data}; MFN pretrained on MS-Celeb-1M",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition with the same seeded weights on 4 images: names and shapes equal, "
            "largest difference 1.2e-5 of logits up to 5.5; in float64 2.2e-14.",
            "The class order is written in the authors' test scripts; it follows from folders that are not public.",
            "The authors align faces with RetinaFace and chose the epoch on the set that the accuracy is stated for.",
            "The stated number is in the file's name; the README says that this checkpoint is not their best.",
            *notes,
        ),
    )


_SOURCE = "name of the file at github.com/SainingZhang/DDAMFN"


CARDS = (
    _card(
        "RAF-DB",
        AFFECTNET_7,
        _file(f"{_FOLDER}/rafdb_epoch20_acc0.9204_bacc0.8617.pth", "3adfea01f296a4ef56ccd98578ab45a43e73f2eb"),
        4_187_421,
        PublishedAccuracy(0.9204, "rafdb", "test", None, f"{_SOURCE}; balanced accuracy .8617"),
        "No count of RAF-DB's 3,068 test images gives .9204, so the accuracy is stated on some other number of them.",
    ),
    _card(
        "AffectNet-7",
        AFFECTNET_7,
        _file(f"{_FOLDER}/affecnet7_epoch19_acc0.671.pth", "a2399a1346f184f12725b37b3969bcc41529cdec"),
        4_187_421,
        PublishedAccuracy(0.671, "affectnet7", "validation", 3499, f"{_SOURCE}; n from the rounding of .671"),
    ),
    _card(
        "AffectNet-8",
        AFFECTNET_8,
        _file(f"{_FOLDER}/affecnet8_epoch25_acc0.6469.pth", "b8dce63bfc249c270cd09f5adc34cf7948954b1f"),
        4_187_936,
        PublishedAccuracy(0.6469, "affectnet8", "validation", 3999, f"{_SOURCE}; n from the rounding of .6469"),
    ),
)
