"""VGG with batch norm for pictures of 32 x 32 (Simonyan & Zisserman, 2015; as VGG-19 in Frankle &
Carbin, ICLR 2019): the mean over the last maps, and one fully connected layer."""

from typing import TYPE_CHECKING

from lthctl.models.network import as_pictures, entry_of

if TYPE_CHECKING:
    from torch import nn

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Layers -> convolutions before each pooling, with 64, 128, 256, 512 and 512 channels."""


def _vgg(layers: int, channels: int, classes: int) -> "nn.Module":
    from torch import Tensor, nn

    class VGG(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pooled_after = []
            index, before = 0, channels
            for width, number in zip((64, 128, 256, 512, 512), CONVOLUTIONS[layers], strict=True):
                for _ in range(number):
                    index += 1
                    # Batch norm has a bias of its own.
                    layer = nn.Conv2d(before, width, 3, padding=1, bias=False)
                    setattr(self, f"conv{index}", layer)
                    setattr(self, f"norm{index}", nn.BatchNorm2d(width))
                    before = width
                self.pooled_after.append(index)
            self.fc = nn.Linear(before, classes)

        def forward(self, images: Tensor) -> Tensor:
            hidden = as_pictures(images, channels)
            last = self.pooled_after[-1]
            for index in range(1, last + 1):
                convolved = getattr(self, f"conv{index}")(hidden)
                hidden = getattr(self, f"norm{index}")(convolved).relu()
                if index in self.pooled_after and index != last:
                    hidden = nn.functional.max_pool2d(hidden, 2)
            logits: Tensor = self.fc(hidden.mean((2, 3)))  # (batch, classes)
            return logits

    return VGG()


def vgg11(channels: int = 3, classes: int = 10) -> "nn.Module":
    """VGG-11: 9.2M weights."""
    return _vgg(11, channels, classes)


def vgg13(channels: int = 3, classes: int = 10) -> "nn.Module":
    """VGG-13: 9.4M weights."""
    return _vgg(13, channels, classes)


def vgg16(channels: int = 3, classes: int = 10) -> "nn.Module":
    """VGG-16: 14.7M weights."""
    return _vgg(16, channels, classes)


def vgg19(channels: int = 3, classes: int = 10) -> "nn.Module":
    """VGG-19: 20,024,000 weights, 20,018,880 of them in convolutions."""
    return _vgg(19, channels, classes)


VGG11 = entry_of("vgg11", vgg11, "fc")
VGG13 = entry_of("vgg13", vgg13, "fc")
VGG16 = entry_of("vgg16", vgg16, "fc")
VGG19 = entry_of("vgg19", vgg19, "fc")
