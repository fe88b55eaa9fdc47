"""Blocks of transformers as people write and export them: their sequences may have any length."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from .kind import Kind, Net, floats

ROWS, PLACES, WIDTH, HEADS = 11, 16, 8, 2
LOWEST = torch.finfo(torch.float32).min
TIMES = (7, 5, 11)


def words(n: int, time: int) -> Tensor:
    return torch.randint(2, ROWS, (n, time))


def there(n: int, time: int) -> Tensor:
    """A mask, 1 where there is a word: sample k ends k words early."""
    return torch.stack([(torch.arange(time) < max(1, time - k)).long() for k in range(n)])


def vectors(width: int, steps: int | None = None) -> Callable[[int, int], Tensor]:
    return lambda n, time: torch.randn(n, time if steps is None else steps, width)


def heads(number: int) -> Callable[[int, int], Tensor]:
    return lambda n, time: torch.randn(n, number, time, 4)


def apart(x: Tensor, count: int = HEADS) -> Tensor:
    return x.view(x.shape[0], x.shape[1], count, -1).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def later(time: int, value: float = float("-inf")) -> Tensor:
    return torch.triu(torch.full((time, time), value), 1)


# -- modules of torch --------------------------------------------------------------------------------------------------


def encoder_layer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 12, batch_first=True, activation="gelu")
    return Net(lambda x, layer: layer(x), layer)


def encoder_layer_causal() -> nn.Module:
    def forward(x, layer):  # type: ignore[no-untyped-def]
        return layer(x, src_mask=later(x.shape[1]), is_causal=True)

    return Net(forward, nn.TransformerEncoderLayer(WIDTH, HEADS, 12, batch_first=True, norm_first=True))


def decoder_layer() -> nn.Module:
    def forward(x, memory, layer):  # type: ignore[no-untyped-def]
        return layer(x, memory, tgt_mask=later(x.shape[1]), tgt_is_causal=True)

    return Net(forward, nn.TransformerDecoderLayer(WIDTH, HEADS, 12, batch_first=True))


def attention_weights() -> nn.Module:
    def forward(x, mask, attention):  # type: ignore[no-untyped-def]
        return attention(x, x, x, key_padding_mask=mask == 0)

    return Net(forward, nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))


def cross_attention() -> nn.Module:
    def forward(x, y, attention):  # type: ignore[no-untyped-def]
        return attention(x, y, y)

    return Net(forward, nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, kdim=5, vdim=5))


def dot_product() -> nn.Module:
    return Net(lambda q, k, v: f.scaled_dot_product_attention(q, k, v, scale=0.3))


def dot_product_causal() -> nn.Module:
    return Net(lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True))


def dot_product_masked() -> nn.Module:
    return Net(lambda q, k, v, mask: f.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def dot_product_biased() -> nn.Module:
    return Net(lambda q, k, v, bias: f.scaled_dot_product_attention(q, k, v, attn_mask=bias))


def dot_product_grouped() -> nn.Module:
    return Net(lambda q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True))


# -- encoders ----------------------------------------------------------------------------------------------------------


class BertLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.first, self.last = (nn.LayerNorm(WIDTH, eps=1e-12) for _ in range(2))
        self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (apart(part(x)) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        x = self.first(self.out(joined(scores.softmax(-1) @ v)) + x)
        y = self.up(x)
        return self.last(self.down(y * 0.5 * (1.0 + torch.erf(y / math.sqrt(2.0)))) + x)  # type: ignore[no-any-return]


class Bert(nn.Module):
    """Word, position and type embeddings; ``counted``: positions are those of the words that there are."""

    def __init__(self, counted: bool = False) -> None:
        super().__init__()
        self.words, self.types = nn.Embedding(ROWS, WIDTH), nn.Embedding(2, WIDTH)
        self.places = nn.Embedding(PLACES + 2, WIDTH)
        self.norm, self.layers = nn.LayerNorm(WIDTH, eps=1e-12), nn.ModuleList([BertLayer(), BertLayer()])
        self.pool, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.counted = counted
        self.register_buffer("ids", torch.arange(PLACES)[None])

    def forward(self, x: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        ids = torch.cumsum(mask, 1) * mask + 1 if self.counted else self.ids[:, : x.shape[1]]  # type: ignore[index]
        x = self.norm(self.words(x) + self.places(ids) + self.types(types))
        hidden = (1.0 - mask[:, None, None, :].to(x.dtype)) * LOWEST
        for layer in self.layers:
            x = layer(x, hidden)
        return self.last(torch.tanh(self.pool(x[:, 0])))  # type: ignore[no-any-return]


def bert() -> nn.Module:
    return Bert()


def roberta() -> nn.Module:
    return Bert(counted=True)


class ViT(nn.Module):
    """A class token in front of the patches, queries, keys and values of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 17, WIDTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.mlp, self.last = nn.Sequential(nn.Linear(WIDTH, 16), nn.GELU(), nn.Linear(16, WIDTH)), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        n, time, width = x.shape
        packed = self.qkv(self.norms[0](x)).reshape(n, time, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = packed.unbind(0)
        weights = (q * (width // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(-1)
        x = x + self.out(joined(weights @ v))
        x = x + self.mlp(self.norms[1](x))
        return self.last(self.norms[2](x)[:, 0])  # type: ignore[no-any-return]


def vit_fused() -> nn.Module:
    return ViT()


class Swin(nn.Module):
    """Attention in windows of 4 × 4 of 8 × 8 patches, shifted or not, with a table of relative positions."""

    side, window = 8, 4

    def __init__(self, shift: int) -> None:
        super().__init__()
        w = self.window
        self.shift = shift
        self.patches, self.table = nn.Conv2d(3, WIDTH, 2, 2), nn.Parameter(torch.randn((2 * w - 1) ** 2, HEADS))
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 16), nn.GELU(), nn.Linear(16, WIDTH))
        self.third, self.merge = nn.LayerNorm(4 * WIDTH), nn.Linear(4 * WIDTH, 2 * WIDTH, bias=False)
        self.last = nn.Linear(2 * WIDTH, 5)
        places = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(w), indexing="ij")).flatten(1)
        apart_by = places[:, :, None] - places[:, None, :] + w - 1
        self.register_buffer("index", apart_by[0] * (2 * w - 1) + apart_by[1])
        region = torch.arange(self.side).ge(self.side - w).long() + torch.arange(self.side).ge(self.side - shift).long()
        regions = self.windows((3 * region[:, None] + region[None, :])[None, :, :, None].float()).flatten(1)
        self.register_buffer("mask", (regions[:, None] != regions[:, :, None]).float() * -100)

    def windows(self, x: Tensor) -> Tensor:
        n, height, width, channels = x.shape
        w = self.window
        x = x.view(n, height // w, w, width // w, w, channels).permute(0, 1, 3, 2, 4, 5).contiguous()
        return x.view(-1, w * w, channels)

    def together(self, x: Tensor) -> Tensor:
        w, s = self.window, self.side
        n = x.shape[0] // (s * s // w // w)
        return x.view(n, s // w, s // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).contiguous().view(n, s, s, -1)

    def attended(self, x: Tensor) -> Tensor:
        n, size, width = x.shape
        packed = self.qkv(x).reshape(n, size, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = packed[0], packed[1], packed[2]
        scores = q * (width // HEADS) ** -0.5 @ k.transpose(-2, -1)
        scores = scores + self.table[self.index.view(-1)].view(size, size, -1).permute(2, 0, 1).contiguous()[None]  # type: ignore[operator]
        if self.shift:
            count = self.mask.shape[0]  # type: ignore[union-attr, index]
            scores = scores.view(n // count, count, HEADS, size, size) + self.mask.unsqueeze(1).unsqueeze(0)  # type: ignore[operator]
            scores = scores.view(-1, HEADS, size, size)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, size, width))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        n, width, side, _ = x.shape
        x = x.flatten(2).transpose(1, 2)
        y = self.first(x).view(n, side, side, width)
        y = torch.roll(y, (-self.shift, -self.shift), (1, 2)) if self.shift else y
        y = self.together(self.attended(self.windows(y)))
        y = torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y
        x = x + y.view(n, side * side, width)
        x = (x + self.mlp(self.second(x))).view(n, side, side, width)
        x = torch.cat([x[:, a::2, b::2] for b in (0, 1) for a in (0, 1)], -1).view(n, -1, 4 * width)
        return self.last(self.merge(self.third(x)).mean(1))  # type: ignore[no-any-return]


def swin() -> nn.Module:
    return Swin(0)


def swin_shifted() -> nn.Module:
    return Swin(2)


# -- decoders ----------------------------------------------------------------------------------------------------------


class RootMeanSquare(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def turned(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)


def repeated(x: Tensor, times: int) -> Tensor:
    n, count, time, width = x.shape
    return x[:, :, None].expand(n, count, times, time, width).reshape(n, count * times, time, width)


class Llama(nn.Module):
    """RMSNorm, rotary positions, twice as many queries as keys, a causal mask, SwiGLU.

    Args:
        fused: whether torch's own functions are called for norm and attention.
    """

    def __init__(self, fused: bool) -> None:
        super().__init__()
        width, kept = 16, 8
        self.fused, self.words = fused, nn.Embedding(ROWS, width)
        norm = nn.RMSNorm if fused else RootMeanSquare
        self.norms = nn.ModuleList(norm(width) for _ in range(3))
        self.query, self.out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(width, kept, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(width, 24, bias=False) for _ in range(2))
        self.down, self.last = nn.Linear(24, width, bias=False), nn.Linear(width, ROWS, bias=False)
        self.register_buffer("frequencies", 10000.0 ** (-torch.arange(0, 4, 2) / 4))

    def forward(self, x: Tensor) -> Tensor:
        time = x.shape[1]
        angles = torch.arange(time).float()[:, None] * self.frequencies[None]  # type: ignore[index]
        angles = torch.cat([angles, angles], -1)
        x = self.words(x)
        y = self.norms[0](x)
        q, k, v = apart(self.query(y), 4), apart(self.key(y)), apart(self.value(y))
        q, k = (z * angles.cos() + turned(z) * angles.sin() for z in (q, k))
        if self.fused:
            made = f.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            scores = q @ repeated(k, 2).transpose(2, 3) / 2 + later(time, LOWEST)[None, None]
            made = scores.softmax(-1, dtype=torch.float32) @ repeated(v, 2)
        x = x + self.out(joined(made))
        y = self.norms[1](x)
        x = x + self.down(f.silu(self.gate(y)) * self.up(y))
        return self.last(self.norms[2](x))[:, -1]  # type: ignore[no-any-return]


def llama() -> nn.Module:
    return Llama(fused=False)


def llama_fused() -> nn.Module:
    return Llama(fused=True)


def gelu_by_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


class Columns(nn.Module):
    """A dense layer with its weight the other way round, as GPT-2 has it."""

    def __init__(self, outs: int, ins: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(0.3 * torch.randn(ins, outs)), nn.Parameter(torch.zeros(outs))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return flat.view(*x.size()[:-1], self.bias.shape[0])


class GPT2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(ROWS, WIDTH), nn.Embedding(PLACES, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.qkv, self.out = Columns(3 * WIDTH, WIDTH), Columns(WIDTH, WIDTH)
        self.up, self.down = Columns(12, WIDTH), Columns(WIDTH, 12)
        self.register_buffer("seen", torch.tril(torch.ones(PLACES, PLACES, dtype=torch.bool))[None, None])

    def forward(self, x: Tensor) -> Tensor:
        time = x.shape[1]
        x = self.words(x) + self.places(torch.arange(time)[None])
        q, k, v = (apart(part) for part in self.qkv(self.norms[0](x)).split(WIDTH, 2))
        scores = q @ k.transpose(-1, -2) / torch.full([], v.size(-1) ** 0.5)
        scores = torch.where(self.seen[:, :, :time, :time], scores, torch.full([], LOWEST))  # type: ignore[index]
        x = x + self.out(joined(scores.softmax(-1) @ v))
        x = x + self.down(gelu_by_tanh(self.up(self.norms[1](x))))
        return self.norms[2](x)[:, -1] @ self.words.weight.T


def gpt2() -> nn.Module:
    return GPT2()


class Biased(nn.Module):
    """Attention with a bias that depends on how far two words are apart, and a mask of the words that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm, self.last = nn.Embedding(ROWS, WIDTH), RootMeanSquare(WIDTH), nn.Linear(WIDTH, 3)
        self.table, self.qkv = nn.Embedding(8, HEADS), nn.Linear(WIDTH, 3 * WIDTH)
        self.gate, self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)
        self.register_buffer("slopes", torch.tensor([0.25, 0.0625]))

    def attended(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (apart(part) for part in self.qkv(self.norm(x)).chunk(3, -1))
        x = x + joined((q @ k.transpose(-1, -2) + bias).softmax(-1) @ v)
        return self.last((x + self.down(gelu_by_tanh(self.gate(x)) * self.up(x))).mean(1))  # type: ignore[no-any-return]


class T5(Biased):
    def forward(self, x: Tensor) -> Tensor:
        steps = torch.arange(x.shape[1])
        apart_by = steps[None] - steps[:, None]
        far = 2 + (torch.log(apart_by.abs().float() / 2) / math.log(10) * 2).long()
        bucket = torch.where(apart_by.abs() < 2, apart_by.abs(), torch.minimum(far, torch.full_like(far, 3)))
        bucket = bucket + (apart_by > 0).long() * 4
        return self.attended(self.words(x), self.table(bucket).permute(2, 0, 1)[None])


class Alibi(Biased):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        places = ((mask.cumsum(-1) - 1) * mask)[:, None, :].float() * self.slopes[None, :, None]  # type: ignore[index]
        seen = torch.tril(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)) & (mask[:, None, None, :] != 0)
        bias = torch.where(seen, places[:, :, None], torch.full([], LOWEST))
        return self.attended(self.words(x), bias)


def t5() -> nn.Module:
    return T5()


def alibi() -> nn.Module:
    return Alibi()


SENTENCE = {"x": words}
MASKED = {"x": words, "mask": there}
TYPED = {**MASKED, "types": lambda n, time: torch.randint(0, 2, (n, time))}
QKV = {name: heads(2) for name in "qkv"}
DYNAMO = ("dynamo",)  # torch.nn's own layers get the length of the example from the older exporter

KINDS = [
    *(Kind(make.__name__, make, SENTENCE, times=TIMES) for make in (llama, llama_fused, gpt2, t5)),
    *(Kind(make.__name__, make, TYPED, times=TIMES) for make in (bert, roberta)),
    Kind("alibi", alibi, MASKED, times=TIMES),
    *(Kind(make.__name__, make, {"x": floats(3, 16, 16)}) for make in (vit_fused, swin, swin_shifted)),
    *(
        Kind(make.__name__, make, {"x": vectors(WIDTH)}, times=TIMES, follow_time=DYNAMO)
        for make in (encoder_layer, encoder_layer_causal)
    ),
    Kind("decoder_layer", decoder_layer, {"x": vectors(WIDTH), "memory": vectors(WIDTH, 6)}, times=TIMES,
         follow_time=DYNAMO),
    Kind("attention_weights", attention_weights, {"x": vectors(WIDTH), "mask": there}, times=TIMES, follow_time=DYNAMO),
    Kind("cross_attention", cross_attention, {"x": vectors(WIDTH), "y": vectors(5, 6)}, times=TIMES,
         follow_time=DYNAMO),
    *(Kind(make.__name__, make, QKV, times=TIMES) for make in (dot_product, dot_product_causal)),
    Kind("dot_product_masked", dot_product_masked,
         {**QKV, "mask": lambda n, time: torch.randn(n, 1, time, time) > -0.7}, times=TIMES),
    Kind("dot_product_biased", dot_product_biased, {**QKV, "bias": lambda n, time: torch.randn(n, 1, time, time)},
         times=TIMES),
    Kind("dot_product_grouped", dot_product_grouped, {**QKV, "q": heads(4)}, times=TIMES),
]  # fmt: skip
