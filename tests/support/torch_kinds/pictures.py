"""Models of pictures, (n, 3, 16, 16) in most cases, and of volumes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as f

from .kind import Kind, Net, Scale, conv, floats

PICTURE = {"x": floats(3, 16, 16)}


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def residual() -> nn.Module:
    def block(i: int, o: int, stride: int) -> nn.Module:
        inside = nn.Sequential(
            nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
            nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o),
        )  # fmt: skip
        beside: nn.Module = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        beside = beside if i != o else nn.Identity()
        return Net(lambda x, a, b: f.relu(a(x) + b(x)), inside, beside)

    return nn.Sequential(
        conv(2, 3, 8, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1), block(8, 8, 1), block(8, 12, 2), head(12)
    )


def dense_blocks() -> nn.Module:
    def layer(i: int) -> nn.Module:
        inside = nn.Sequential(nn.BatchNorm2d(i), nn.ReLU(), nn.Conv2d(i, 4, 3, padding=1, bias=False))
        return Net(lambda x, a: torch.cat([x, a(x)], 1), inside)

    between = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1, bias=False), nn.AvgPool2d(2))
    blocks = [layer(8), layer(12), between, layer(8), layer(12)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *blocks, nn.BatchNorm2d(16), nn.ReLU(), head(16))


def inception() -> nn.Module:
    pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(2, 8, 3, 1))
    five = nn.Sequential(conv(2, 8, 3, 1), conv(2, 3, 4, 5))
    branches = (conv(2, 8, 4, 1), nn.Sequential(conv(2, 8, 4, 1), conv(2, 4, 6, 3)), five, pool)
    mixed = Net(lambda x, *parts: torch.cat([p(x) for p in parts], 1), *branches)
    return nn.Sequential(conv(2, 3, 8, 3, stride=2), mixed, nn.AvgPool2d(3, 2, ceil_mode=True), head(17))


def unet_transposed() -> nn.Module:
    def forward(x, a, b, up, c, last):  # type: ignore[no-untyped-def]
        x = a(x)
        return last(c(torch.cat([x, up(b(f.max_pool2d(x, 2)))], 1)))

    up = nn.ConvTranspose2d(12, 6, 2, 2)
    return Net(forward, conv(2, 3, 6, 3), conv(2, 6, 12, 3), up, conv(2, 12, 6, 3), nn.Conv2d(6, 2, 1))


def unet_bilinear() -> nn.Module:
    def forward(x, a, b, c, last):  # type: ignore[no-untyped-def]
        x = a(x)
        low = f.interpolate(b(f.max_pool2d(x, 2)), scale_factor=2, mode="bilinear", align_corners=True)
        return last(c(torch.cat([x, low], 1)))

    return Net(forward, conv(2, 3, 6, 3), conv(2, 6, 6, 3), conv(2, 12, 6, 3), nn.Conv2d(6, 2, 1))


def mobile() -> nn.Module:
    def step(i: int, o: int, k: int, **options: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(i, o, k, bias=False, **options), nn.BatchNorm2d(o), nn.ReLU6())

    inverted = nn.Sequential(
        step(8, 24, 1), step(24, 24, 3, padding=1, groups=24), nn.Conv2d(24, 8, 1, bias=False), nn.BatchNorm2d(8)
    )
    added = Net(lambda x, a: x + a(x), inverted)
    return nn.Sequential(step(3, 8, 3, stride=2, padding=1), added, step(8, 16, 1), nn.Dropout(0.2), head(16))


def squeeze_excitation() -> nn.Module:
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid())
    weighed = Net(lambda x, g: x * g(x), gate)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish(), weighed, head(8))


def shuffle() -> nn.Module:
    def mix(x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)

    def forward(x, branch):  # type: ignore[no-untyped-def]
        a, b = x.chunk(2, dim=1)
        return mix(torch.cat([a, branch(b)], 1))

    branch = nn.Sequential(conv(2, 4, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=4), conv(2, 4, 4, 1))
    return nn.Sequential(conv(2, 3, 8, 3, stride=2), Net(forward, branch), head(8))


def pixel_shuffle() -> nn.Module:
    return nn.Sequential(
        conv(2, 3, 8, 3), nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2), nn.PixelUnshuffle(4), head(48)
    )


def convnext() -> nn.Module:
    def forward(x, deep, norm, wide, narrow, scale):  # type: ignore[no-untyped-def]
        y = norm(deep(x).permute(0, 2, 3, 1))
        return x + (scale() * narrow(f.gelu(wide(y)))).permute(0, 3, 1, 2)

    deep = nn.Conv2d(8, 8, 7, padding=3, groups=8)
    block = Net(forward, deep, nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 16), nn.Linear(16, 8), Scale(8))
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 5)
    )


def vit() -> nn.Module:
    def forward(x, patches, first, place, encoder, last):  # type: ignore[no-untyped-def]
        x = patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([first().expand(x.shape[0], -1, -1), x], 1) + place()
        return last(encoder(x)[:, 0])

    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)
    return Net(forward, nn.Conv2d(3, 8, 8, 8), Scale(1, 1, 8), Scale(1, 5, 8), encoder, nn.Linear(8, 5))


def separable_dilated() -> nn.Module:
    def step(i: int, o: int, dilation: int) -> nn.Sequential:
        deep = nn.Conv2d(i, i, 3, padding=dilation, dilation=dilation, groups=i)
        return nn.Sequential(deep, nn.Conv2d(i, o, 1), nn.BatchNorm2d(o), nn.ReLU())

    return nn.Sequential(step(3, 8, 1), step(8, 8, 2), nn.MaxPool2d(2), step(8, 12, 3), head(12))


def group_norm() -> nn.Module:
    first, second = nn.GroupNorm(2, 8), nn.GroupNorm(8, 8)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), first, nn.ReLU(), nn.Conv2d(8, 8, 3), second, nn.SiLU(), head(8))


def instance_norm() -> nn.Module:
    return nn.Sequential(
        nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 8, 3, 2), nn.InstanceNorm2d(8), nn.ReLU(), head(8),
    )  # fmt: skip


def alexnet_lrn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.LocalResponseNorm(5, k=2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.ReLU(), nn.LocalResponseNorm(3), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5),
    )  # fmt: skip


def channel_attention() -> nn.Module:
    def forward(x, dense, plane):  # type: ignore[no-untyped-def]
        x = x * torch.sigmoid(dense(f.adaptive_avg_pool2d(x, 1)) + dense(f.adaptive_max_pool2d(x, 1)))
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(plane(seen))

    dense = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1))
    return nn.Sequential(conv(2, 3, 8, 3), Net(forward, dense, nn.Conv2d(2, 1, 7, padding=3)), head(8))


def mlp_mixer() -> nn.Module:
    def forward(x, a, over_places, b, over_channels):  # type: ignore[no-untyped-def]
        x = x + over_places(a(x).transpose(1, 2)).transpose(1, 2)
        return x + over_channels(b(x))

    def dense(i: int, o: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(i, o), nn.GELU(), nn.Linear(o, i))

    cut = Net(lambda x, c: c(x).flatten(2).transpose(1, 2), nn.Conv2d(3, 8, 4, 4))
    mixer = Net(forward, nn.LayerNorm(8), dense(16, 12), nn.LayerNorm(8), dense(8, 12))
    return nn.Sequential(cut, mixer, Net(lambda x, norm: norm(x).mean(1), nn.LayerNorm(8)), nn.Linear(8, 5))


def volumes() -> nn.Module:
    last = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 3))
    return nn.Sequential(conv(3, 2, 6, 3), nn.MaxPool3d(2), conv(3, 6, 8, 2, padding=0), *last)


KINDS = [
    *(
        Kind(make.__name__, make, PICTURE)
        for make in (
            residual, dense_blocks, inception, unet_transposed, unet_bilinear, mobile, squeeze_excitation, shuffle,
            pixel_shuffle, convnext, vit, separable_dilated, group_norm, instance_norm, alexnet_lrn, channel_attention,
            mlp_mixer,
        )
    ),
    Kind("volumes", volumes, {"x": floats(2, 6, 8, 8)}),
]  # fmt: skip
