"""ResNets for pictures of 32 x 32 (He et al., 2016, section 4.2), with 1 x 1 convolutions where
a shortcut changes shape; ResNet-20 is the "ResNet-18" of Frankle & Carbin, ICLR 2019."""

from typing import TYPE_CHECKING

from lthctl.models.network import as_pictures, entry_of

if TYPE_CHECKING:
    from torch import nn


def _resnet(layers: int, channels: int, classes: int) -> "nn.Module":
    """A convolution, three stages of blocks with 16, 32 and 64 channels, the mean, and a fully
    connected layer. The second and the third stage begin with a stride of 2."""
    from torch import Tensor, nn

    class Block(nn.Module):
        def __init__(self, before: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(width)
            self.has_shortcut = stride != 1 or before != width
            if self.has_shortcut:
                self.shortcut = nn.Conv2d(before, width, 1, stride, bias=False)
                self.shortcut_norm = nn.BatchNorm2d(width)

        def forward(self, given: Tensor) -> Tensor:
            hidden = self.norm1(self.conv1(given)).relu()
            hidden = self.norm2(self.conv2(hidden))
            if self.has_shortcut:
                given = self.shortcut_norm(self.shortcut(given))
            sums: Tensor = hidden + given
            return sums.relu()

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(16)
            blocks, before = [], 16
            for width in (16, 32, 64):
                for number in range((layers - 2) // 6):
                    stride = 2 if number == 0 and width != 16 else 1
                    blocks.append(Block(before, width, stride))
                    before = width
            self.blocks = nn.ModuleList(blocks)
            self.fc = nn.Linear(64, classes)

        def forward(self, images: Tensor) -> Tensor:
            hidden = self.norm(self.conv(as_pictures(images, channels))).relu()
            for block in self.blocks:
                hidden = block(hidden)
            logits: Tensor = self.fc(hidden.mean((2, 3)))  # (batch, classes)
            return logits

    return ResNet()


def resnet20(channels: int = 3, classes: int = 10) -> "nn.Module":
    """ResNet-20: 270,896 weights, 270,256 of them in convolutions; 274,042 numbers with those of
    batch norm and the biases, which the paper counts."""
    return _resnet(20, channels, classes)


def resnet32(channels: int = 3, classes: int = 10) -> "nn.Module":
    """ResNet-32."""
    return _resnet(32, channels, classes)


def resnet44(channels: int = 3, classes: int = 10) -> "nn.Module":
    """ResNet-44."""
    return _resnet(44, channels, classes)


def resnet56(channels: int = 3, classes: int = 10) -> "nn.Module":
    """ResNet-56."""
    return _resnet(56, channels, classes)


RESNET20 = entry_of("resnet20", resnet20, "fc")
RESNET32 = entry_of("resnet32", resnet32, "fc")
RESNET44 = entry_of("resnet44", resnet44, "fc")
RESNET56 = entry_of("resnet56", resnet56, "fc")
