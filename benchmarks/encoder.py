"""``python -m benchmarks.encoder``: AttnLRP on a BERT encoder of MiniLM's size, beside lxt, in one run.

The weights are random, the sentences 128 random tokens. Sides, in turns: lrp_ref on the ONNX file that PyTorch's
exporter wrote, with every node's ledger, and lxt's efficient form, gradient times input with factors detached. Without
lxt, torch's own gradient times input takes its place, which is no LRP.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np

from . import timing

TOKENS, FEATURES, CLASSES = 128, 384, 2


def encoder(layers: int, module: Any) -> Any:
    """Return a torch module from embeddings (N, T, 384) and a mask to logits, with weights of a fixed seed."""
    import torch

    torch.manual_seed(0)
    sizes = {"hidden_size": FEATURES, "num_attention_heads": 12, "intermediate_size": 4 * FEATURES}
    config = module.BertConfig(num_hidden_layers=layers, **sizes)
    config._attn_implementation = "sdpa"

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert, self.head = module.BertModel(config, add_pooling_layer=False), torch.nn.Linear(FEATURES, CLASSES)

        def forward(self, embeddings: Any) -> Any:
            return self.head(self.bert(inputs_embeds=embeddings).last_hidden_state.mean(1))

    return Classifier().eval().requires_grad_(False)


def gradient_times_input(model: Any, x: Any) -> Callable[[], Any]:
    """Return a call of torch: forward, backward from the first logit, times the input."""

    def call() -> Any:
        leaf = x.detach().requires_grad_()
        model(leaf)[:, 0].sum().backward()
        return (leaf.grad * leaf).detach().numpy()

    return call


def exported(model: Any, folder: Path) -> Path:
    """Return the model as an ONNX file."""
    import torch

    path = folder / "encoder.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names: dict[str, Any] = {"input_names": ["embeddings"], "output_names": ["logits"]}
        free = {"embeddings": {0: "batch"}}
        torch.onnx.export(
            model, (torch.zeros(2, TOKENS, FEATURES),), str(path), dynamo=False, dynamic_axes=free, **names
        )
    return path


def patched() -> Any:
    """Return BERT's module under lxt's efficient rules, or None without lxt."""
    if importlib.util.find_spec("lxt") is None:
        return None
    import torch
    import transformers.models.bert.modeling_bert as bert

    if importlib.util.find_spec("torchvision") is None:  # lxt names three of torch's own classes by way of torchvision
        names = ("torchvision", "torchvision.models", "torchvision.models.vision_transformer")
        vision, models, transformer = (ModuleType(name) for name in names)
        vars(transformer)["nn"], vars(models)["vision_transformer"] = torch.nn, transformer
        vars(vision)["models"] = models
        sys.modules.update(zip(names, (vision, models, transformer), strict=True))
    from lxt.efficient import monkey_patch

    monkey_patch(bert)
    return bert


@click.command()
@click.option("--layers", type=click.IntRange(1), default=6, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=7, show_default=True, help="Rounds; medians count.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of every side.")
def main(layers: int, batch: int, repeats: int, threads: int) -> None:
    """Time the explanation of one logit per sample, in float32."""
    timing.set_threads(threads)
    import torch
    import transformers.models.bert.modeling_bert as bert

    import lrp_ref as lrp

    torch.set_num_threads(threads)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(batch, TOKENS, FEATURES)).astype("float32"))
    plain = encoder(layers, bert)
    with tempfile.TemporaryDirectory() as folder:
        net = lrp.load(exported(plain, Path(folder)))
    ours = lrp.explain(net, x.numpy(), target=0, composite="attnlrp", epsilon=0.0).relevance
    module = patched()
    if module is None:
        click.echo("lxt is not installed: pip install --no-deps lxt==2.1")
        name, peer = "torch gradient × input", gradient_times_input(plain, x)
    else:
        name, peer = "lxt 2.1 efficient", gradient_times_input(encoder(layers, module), x)
        theirs = peer()
        apart = np.abs(ours - theirs).max() / np.abs(theirs).max()
        click.echo(f"largest difference (lrp_ref with ε = 0): {apart:.1e} of the largest relevance")
    sides = {"lrp_ref attnlrp": lambda: lrp.explain(net, x.numpy(), target=0, composite="attnlrp"), name: peer}
    for side, times in timing.alternate(sides, repeats=repeats).items():
        low, high = times.spread
        click.echo(f"{side:24} {1e3 * times.median:8.1f} ms  ({1e3 * low:.1f} to {1e3 * high:.1f})")


if __name__ == "__main__":
    main()
