"""A network with wider layers that computes the same: channels filled up with zeros to the vector width.

    y_c = sum_i W_ci x_i:  further inputs with W_ci = 0 add nothing, further outputs with W_ci = 0 are 0 and 0 stays 0
    through depthwise convolutions, batch normalisation with shift 0, PReLU, gates, sums and upsampling.
Precondition: none. Channels of an AHSP stage are filled up branch by branch, so that its groups stay what they are.
"""

from dataclasses import dataclass, replace
from math import lcm

import torch
from torch import Tensor, nn

from miniseg_edge.architecture import BRANCHES
from miniseg_edge.training.networks.miniseg import AHSPBlock, ConvBlock, DownsamplerBlock, FeatureFusionBlock, MiniSeg

Places = list[int]
"""Where each channel of the narrow network lies in the wide one."""


def padded(network: MiniSeg, multiples: tuple[int, int, int, int]) -> MiniSeg:
    """The network with each stage's channels raised to a multiple (from stage 2 on, a multiple of 4 as well)."""
    old = network.architecture
    steps = (multiples[0], *(lcm(m, BRANCHES) for m in multiples[1:]))
    c1, c2, c3, c4 = (-(-count // step) * step for count, step in zip(old.channels, steps, strict=True))
    if (c1, c2, c3, c4) == old.channels:
        return network
    wide = MiniSeg(replace(old, channels=(c1, c2, c3, c4)), auxiliary=False)
    wide = wide.to(network.up4_conv4.weight.dtype).eval()
    with torch.no_grad():
        _Filler(network, wide).fill()
    return wide


@dataclass(frozen=True)
class _Filler:
    """Copies the narrow network's values to their places in the wide one; all else becomes zero."""

    narrow: MiniSeg
    wide: MiniSeg

    def fill(self) -> None:
        image = list(range(self.narrow.architecture.in_channels))
        before = image
        for stage in range(1, 5):
            places = self._stage(stage)
            for name in (f"down{stage}", f"long{stage}"):
                self._block(name, before, places)
            for name in (f"level{stage}", f"level{stage}_long"):
                for index in range(len(self.narrow.get_submodule(name))):  # type: ignore[arg-type]
                    self._block(f"{name}.{index}", places, places)
            if stage < 4:
                both = places + [place + self.wide.architecture.channels[stage - 1] for place in places]
                self._one(f"cat{stage}.0", both, both)
                self._one(f"cat{stage}.1", both)
            before = places
        self._decoder()

    def _decoder(self) -> None:
        one, two, three, four = (self._stage(stage) for stage in range(1, 5))
        self._point("up4_conv4", "up4_bn4", "up4_act", four)
        self._block("up3_conv4", four, three)
        self._point("up3_conv3", "up3_bn3", "up3_act", three)
        self._block("up2_conv3", three, two)
        self._point("up2_conv2", "up2_bn2", "up2_act", two)
        self._block("up1_conv2", two, one)
        self._point("up1_conv1", "up1_bn1", "up1_act", one)
        self._one("pred1.1", list(range(self.narrow.architecture.classes)), one)

    def _stage(self, stage: int) -> Places:
        old, new = self.narrow.architecture.channels[stage - 1], self.wide.architecture.channels[stage - 1]
        if stage == 1:
            return list(range(old))
        return [branch * (new // BRANCHES) + i for branch in range(BRANCHES) for i in range(old // BRANCHES)]

    def _point(self, conv: str, norm: str, act: str, places: Places) -> None:
        self._one(conv, places, places)
        self._one(norm, places)
        self._one(act, places)

    def _block(self, name: str, inputs: Places, outputs: Places) -> None:
        block = self.narrow.get_submodule(name)
        parts: dict[str, tuple[Places, Places | None]] = {"bn": (outputs, None)}
        if not isinstance(block, FeatureFusionBlock):
            parts["act"] = (outputs, None)
        if isinstance(block, ConvBlock):
            parts["conv"] = (outputs, inputs)
        elif isinstance(block, DownsamplerBlock):
            parts |= {"conv0": (outputs, inputs), "conv1": (outputs, [0])}
        elif isinstance(block, FeatureFusionBlock):
            parts |= {"conv0": (outputs, inputs), "conv1": (outputs, [0]), "conv2": (outputs, [0])}
        elif isinstance(block, AHSPBlock):
            narrow = list(range(block.conv1.out_channels))
            parts |= {f"conv{k}": (narrow, [0]) for k in range(1, BRANCHES + 1)}
            parts |= {"conv1x1_down": (narrow, inputs), "conv1x1_fuse": (outputs, narrow)}
            parts["attention"] = (list(range(BRANCHES)), narrow)
        for part, (rows, columns) in parts.items():
            self._one(f"{name}.{part}", rows, columns)

    def _one(self, name: str, rows: Places, columns: Places | None = None) -> None:
        """A convolution (with columns, counted inside its groups), a normalisation or a PReLU."""
        old, new = self.narrow.get_submodule(name), self.wide.get_submodule(name)
        for key, value in old.state_dict().items():
            if value.ndim:
                _place(new.get_parameter(key) if key not in dict(new.named_buffers()) else new.get_buffer(key),
                       value, rows, columns, zero=isinstance(new, nn.Conv2d))  # fmt: skip


def _place(target: Tensor, value: Tensor, rows: Places, columns: Places | None, *, zero: bool) -> None:
    if zero:
        target.zero_()
    if columns is None or value.ndim == 1:
        target[rows] = value
    else:
        target[torch.tensor(rows)[:, None], torch.tensor(columns)[None]] = value
