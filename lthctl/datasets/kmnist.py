"""KMNIST (Clanuwat et al., 2018): cursive Japanese characters in the place of digits, 28 x 28."""

from lthctl.datasets.archives import gunzipped
from lthctl.datasets.base import Split
from lthctl.datasets.idx import (
    IDX_LIMIT,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx_splits,
)
from lthctl.datasets.known_files import Contents, KnownFiles

KMNIST = {
    f"{TRAIN_IMAGES}.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    f"{TRAIN_LABELS}.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    f"{TEST_IMAGES}.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    f"{TEST_LABELS}.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
}
"""File name -> SHA-256 of the packed file, as it is served. TensorFlow Datasets has recorded them:
`url_checksums/kmnist.txt`."""


def _read(contents: Contents) -> tuple[Split, Split]:
    unpacked = {
        name.removesuffix(".gz"): gunzipped(content, IDX_LIMIT)
        for name, content in contents.items()
    }
    return idx_splits(unpacked)


FILES = KnownFiles(
    "kmnist",
    "KMNIST",
    KMNIST,
    IDX_LIMIT,
    _read,
    lambda: ["https://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
    packed=False,
)

ENTRY = FILES.entry()
