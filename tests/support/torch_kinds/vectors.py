"""Models of vectors (n, 6), of several inputs, with several outputs."""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as f
from torch.nn.utils import spectral_norm  # the newer one has an operator that the older exporter knows not
from torch.nn.utils.parametrizations import weight_norm

from .kind import Kind, Net, Scale, floats

VECTOR = {"x": floats(6)}
ACTIVATIONS = [
    nn.Mish(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Hardswish(), nn.Softsign(), nn.CELU(1.5), nn.ELU(0.7),
    nn.SELU(), nn.Softplus(2.0), nn.LeakyReLU(0.2), nn.PReLU(6), nn.Hardtanh(-0.5, 0.75), nn.Hardsigmoid(),
    nn.LogSigmoid(), nn.Tanhshrink(), nn.Softshrink(0.3), nn.Hardshrink(0.3), nn.Threshold(0.0, 0.0), nn.ReLU6(),
    nn.Tanh(), nn.Sigmoid(),
]  # fmt: skip


def dense(*sizes: int) -> nn.Sequential:
    steps = [(nn.Linear(i, o), nn.ReLU()) for i, o in itertools.pairwise(sizes)]
    return nn.Sequential(*[layer for step in steps for layer in step][:-1])


def layer_norm() -> nn.Module:
    norms = nn.LayerNorm(8), nn.LayerNorm(8, elementwise_affine=False)
    return nn.Sequential(nn.Linear(6, 8), norms[0], nn.ReLU(), nn.Linear(8, 8), norms[1], nn.GELU(), nn.Linear(8, 3))


def rms_norm() -> nn.Module:
    # Written out, as models do it; the older exporter knows nn.RMSNorm not.
    def first(x, scale):  # type: ignore[no-untyped-def]
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * scale()

    def second(x, scale):  # type: ignore[no-untyped-def]
        return scale() * x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)

    norms = Net(first, Scale(8)), Net(second, Scale(8))
    return nn.Sequential(nn.Linear(6, 8), norms[0], nn.ReLU(), nn.Linear(8, 8), norms[1], nn.SiLU(), nn.Linear(8, 3))


def normalised_weights() -> nn.Module:
    return nn.Sequential(
        weight_norm(nn.Linear(6, 8)), nn.ReLU(), spectral_norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 3)
    )


def maxout() -> nn.Module:
    def forward(x, a, b, last):  # type: ignore[no-untyped-def]
        x = a(x).view(x.shape[0], 5, 3).max(dim=2).values
        return last(torch.maximum(*b(x).chunk(2, 1)))

    return Net(forward, nn.Linear(6, 15), nn.Linear(5, 8), nn.Linear(4, 3))


def activations() -> nn.Module:
    def forward(x, a, last, *functions):  # type: ignore[no-untyped-def]
        return last(torch.cat([g(a(x)) for g in functions], 1))

    return Net(forward, nn.Linear(6, 6), nn.Linear(6 * len(ACTIVATIONS), 3), *ACTIVATIONS)


def gated_mlp() -> nn.Module:
    def swiglu(x, gate, value, out):  # type: ignore[no-untyped-def]
        return x + out(f.silu(gate(x)) * value(x))

    block = Net(swiglu, *(nn.Linear(6, 10, bias=False) for _ in range(2)), nn.Linear(10, 6, bias=False))
    return nn.Sequential(block, nn.Linear(6, 3))


def bilinear() -> nn.Module:
    def forward(x, y, weight, shift, last):  # type: ignore[no-untyped-def]
        # Not nn.Bilinear, which the older exporter knows not.
        return last(f.relu(torch.einsum("ni,oij,nj->no", x, weight(), y) + shift()))

    return Net(forward, Scale(5, 6, 4), Scale(5), nn.Linear(5, 3))


def highway() -> nn.Module:
    def forward(x, h, t):  # type: ignore[no-untyped-def]
        gate = torch.sigmoid(t(x))
        return gate * f.relu(h(x)) + (1 - gate) * x

    return nn.Sequential(*(Net(forward, nn.Linear(6, 6), nn.Linear(6, 6)) for _ in range(2)), nn.Linear(6, 3))


def siamese() -> nn.Module:
    def forward(x, y, body, last):  # type: ignore[no-untyped-def]
        return last((body(x) - body(y)).abs())

    return Net(forward, dense(6, 8, 5), nn.Linear(5, 2))


def multi_input() -> nn.Module:
    def forward(picture, table, a, b, last):  # type: ignore[no-untyped-def]
        return last(torch.cat([f.relu(a(picture)).mean((2, 3)), f.relu(b(table))], dim=1))

    return Net(forward, nn.Conv2d(2, 4, 3), nn.Linear(5, 4), nn.Linear(8, 3))


def multi_output() -> nn.Module:
    def forward(x, body, a, b):  # type: ignore[no-untyped-def]
        x = f.relu(body(x))
        return a(x), b(x), x

    return Net(forward, nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 1))


def heads() -> nn.Module:
    def forward(x, body, a, b):  # type: ignore[no-untyped-def]
        x = f.relu(body(x))
        return torch.softmax(a(x), -1), torch.sigmoid(b(x)), torch.log_softmax(a(x), 1), a(x).argmax(1)

    return Net(forward, nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 1))


def einsum() -> nn.Module:
    def forward(x, weight, query, last):  # type: ignore[no-untyped-def]
        h = torch.einsum("nti,hio->nhto", x, weight())
        weights = torch.softmax(torch.einsum("nhto,ho->nht", h, query()), -1)
        return last(torch.einsum("nht,nhto->nho", weights, h).flatten(1))

    return Net(forward, Scale(2, 4, 3), Scale(2, 3), nn.Linear(6, 3))


def prototypes() -> nn.Module:
    def forward(x, body, points, last):  # type: ignore[no-untyped-def]
        x = body(x)
        squared = ((x.unsqueeze(1) - points()) ** 2).sum(-1)
        multiplied_out = (x**2).sum(1, keepdim=True) - 2 * x @ points().T + (points() ** 2).sum(1)
        return last(torch.log((squared + 1) / (squared + 1e-4))), -multiplied_out.clamp(min=1e-6).sqrt()

    return Net(forward, dense(6, 8, 4), Scale(5, 4), nn.Linear(5, 3))


def fourier_features() -> nn.Module:
    def forward(x, directions, body):  # type: ignore[no-untyped-def]
        phase = 2 * math.pi * x @ directions()
        return body(torch.cat([torch.sin(phase), torch.cos(phase)], -1))

    return Net(forward, Scale(6, 5), dense(10, 8, 3))


KINDS = [
    *(
        Kind(make.__name__, make, VECTOR)
        for make in (
            layer_norm, rms_norm, normalised_weights, maxout, activations, gated_mlp, highway, multi_output, heads,
            prototypes, fourier_features,
        )
    ),
    Kind("bilinear", bilinear, {"x": floats(6), "y": floats(4)}),
    Kind("siamese", siamese, {"x": floats(6), "y": floats(6)}),
    Kind("multi_input", multi_input, {"picture": floats(2, 8, 8), "table": floats(5)}),
    Kind("einsum", einsum, {"x": floats(5, 4)}),
]  # fmt: skip
