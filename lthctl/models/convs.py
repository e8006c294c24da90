"""Conv-2, Conv-4 and Conv-6 of "The Lottery Ticket Hypothesis" (Frankle & Carbin, ICLR 2019,
Figure 2): scaled-down VGGs without batch norm, for pictures of 32 x 32."""

from typing import TYPE_CHECKING

from lthctl.models.network import as_pictures, entry_of

if TYPE_CHECKING:
    from torch import nn


def _convs(blocks: int, channels: int, size: int, classes: int) -> "nn.Module":
    """Blocks of two convolutions of 3 x 3 and a max-pooling, with 64, 128 and 256 channels; then
    fully connected layers of 256, 256 and `classes`."""
    from torch import Tensor, nn

    class Convs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [channels, *(64 * 2 ** (index // 2) for index in range(2 * blocks))]
            self.num_convs = 2 * blocks
            for index in range(self.num_convs):
                layer = nn.Conv2d(widths[index], widths[index + 1], 3, padding=1)
                setattr(self, f"conv{index + 1}", layer)
            self.fc1 = nn.Linear(widths[-1] * (size // 2**blocks) ** 2, 256)
            self.fc2 = nn.Linear(256, 256)
            self.fc3 = nn.Linear(256, classes)

        def forward(self, images: Tensor) -> Tensor:
            hidden = as_pictures(images, channels)
            for index in range(1, self.num_convs + 1):
                hidden = getattr(self, f"conv{index}")(hidden).relu_()
                if index % 2 == 0:
                    hidden = nn.functional.max_pool2d(hidden, 2)
            hidden = self.fc1(hidden.flatten(1)).relu_()
            logits: Tensor = self.fc3(self.fc2(hidden).relu_())  # (batch, classes)
            return logits

    return Convs()


def conv2(channels: int = 3, size: int = 32, classes: int = 10) -> "nn.Module":
    """Conv-2: 4,300,992 weights, 38,592 of them in convolutions."""
    return _convs(1, channels, size, classes)


def conv4(channels: int = 3, size: int = 32, classes: int = 10) -> "nn.Module":
    """Conv-4: 2,425,024 weights, 259,776 of them in convolutions."""
    return _convs(2, channels, size, classes)


def conv6(channels: int = 3, size: int = 32, classes: int = 10) -> "nn.Module":
    """Conv-6: 2,261,184 weights, 1,144,512 of them in convolutions. The paper prints 1.7M, which
    no fully connected layers of 256 after 256 maps of 4 x 4 give."""
    return _convs(3, channels, size, classes)


CONV2 = entry_of("conv2", conv2, "fc3")
CONV4 = entry_of("conv4", conv4, "fc3")
CONV6 = entry_of("conv6", conv6, "fc3")
