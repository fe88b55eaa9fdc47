"""Small models of every layer that Keras files are read with; each is a function from Keras's module to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Build = Callable[[Any], Any]


def chain(shape: tuple[int | None, ...], *layers: Callable[[Any], Any], dtype: str = "float32") -> Build:
    """A Sequential of layers, each a function from ``keras.layers`` to the layer."""

    def build(keras: Any) -> Any:
        made = [keras.Input(shape, dtype=dtype), *(one(keras.layers) for one in layers)]
        return keras.Sequential(made)

    return build


def two(shape: tuple[int, ...], merge: Callable[[Any], Any], other: tuple[int, ...] | None = None) -> Build:
    def build(keras: Any) -> Any:
        a, b = keras.Input(shape, name="a"), keras.Input(other or shape, name="b")
        return keras.Model([a, b], merge(keras.layers)([a, b]))

    return build


IMAGE, SOUND, VIDEO, ROW = (9, 8, 3), (11, 4), (5, 6, 5, 2), (6,)


def conv(kind: str, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
    return lambda layers: getattr(layers, kind)(*arguments, **{"bias_initializer": "normal", **settings})


def of(kind: str, *arguments: Any, **settings: Any) -> Callable[[Any], Any]:
    return lambda layers: getattr(layers, kind)(*arguments, **settings)


def residual(keras: Any) -> Any:
    k, x = keras.layers, keras.Input(IMAGE)
    y = k.Conv2D(4, 3, padding="same", strides=2, activation="relu")(x)
    z = k.BatchNormalization()(k.Conv2D(4, 3, padding="same", use_bias=False)(y))
    y = k.ReLU()(k.Add()([y, z]))
    gate = k.Dense(4, activation="sigmoid")(k.Reshape((1, 1, 4))(k.GlobalAveragePooling2D()(y)))
    y = k.Multiply()([y, gate])
    y = k.Concatenate()([k.MaxPooling2D(2)(y), k.AveragePooling2D(2, padding="valid")(y)])
    return keras.Model(x, k.Dense(3, activation="softmax")(k.Dropout(0.5)(k.Flatten()(y))))


def nested(keras: Any) -> Any:
    """Models in models, one of them used twice, and a dense layer used twice."""
    k = keras.layers
    i = keras.Input(IMAGE)
    inner = keras.Model(i, k.BatchNormalization()(k.Conv2D(4, 3, activation="relu")(i)), name="inner")
    block = keras.Sequential(
        [keras.Input((7, 6, 4)), inner_pool(k), k.Conv2D(2, 2), k.BatchNormalization()], name="block"
    )
    j = keras.Input((7, 6, 4))
    outer = keras.Model(j, block(j), name="outer")
    a, b = keras.Input(IMAGE, name="left"), keras.Input(IMAGE, name="right")
    dense = k.Dense(3, name="dense_2")
    left, right = (dense(k.Flatten()(outer(inner(x)))) for x in (a, b))
    return keras.Model([a, b], [k.Subtract()([left, right]), k.Dense(2, name="dense")(left)])


def inner_pool(k: Any) -> Any:
    return k.MaxPooling2D(2)


def states(keras: Any) -> Any:
    k, x = keras.layers, keras.Input((5, 3))
    y, h, c = k.LSTM(4, return_sequences=True, return_state=True)(x)
    z = k.LSTM(4)(y, initial_state=[h, c])
    return keras.Model(x, [z, h, c])


def gru_states(keras: Any) -> Any:
    k, x = keras.layers, keras.Input((5, 3))
    y, h = k.GRU(4, return_sequences=True, return_state=True)(x)
    return keras.Model(x, k.SimpleRNN(4, return_sequences=True)(y, initial_state=h))


MASKED = {
    "lstm": (of("LSTM", 3),),
    "gru": (of("Dropout", 0.1), of("GRU", 4, return_sequences=True), of("BatchNormalization"), of("GRU", 3)),
    "gru_before": (of("GRU", 4, reset_after=False, recurrent_activation="hard_sigmoid"), of("Dense", 2)),
    "backwards": (of("LSTM", 3, go_backwards=True), of("Dense", 2)),
    "sequence": (of("LSTM", 3, return_sequences=True), of("Flatten"), of("Dense", 2)),
    "repeated": (of("GRU", 3, return_sequences=True, zero_output_for_mask=False), of("Flatten")),
    "both": (lambda k: k.Bidirectional(k.LSTM(3, return_sequences=True)), lambda k: k.Bidirectional(k.GRU(2))),
    "both_sum": (lambda k: k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode="sum"), of("SimpleRNN", 2)),
    "image": (of("Flatten"), of("Dense", 2)),
    "dense": (of("Dense", 3, activation="tanh"), of("LSTM", 2)),
}


def functions(keras: Any) -> Any:
    x = keras.Input(ROW)
    y = keras.layers.Dense(6)(x)
    z = (1.0 - y * 2.0 + x) / 3.0 - 0.5
    return keras.Model(x, [z * x, 2.0 / (keras.ops.relu(z) + 1.0), y / (keras.ops.relu(x) + 1.0)])


def by_name(keras: Any) -> Any:
    x = keras.Input(ROW, name="a")
    return keras.Model({"a": x}, {"y": keras.layers.Dense(2)(x)}, name="by_name")


def itself(keras: Any) -> Any:
    x = keras.Input(ROW, name="a")
    return keras.Model(x, [x, keras.layers.Dropout(0.2)(x), keras.layers.Dense(1)(x)])


ACTIVATIONS = (
    "elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "swish", "tanh", "log_softmax", "celu", "hard_shrink", "hard_tanh", "log_sigmoid", "mish",
    "soft_shrink", "softsign", "tanh_shrink",
)  # fmt: skip

CASES: dict[str, Build] = {
    "dense": chain(ROW, of("Dense", 5, activation="relu"), of("Dense", 3, use_bias=False), of("Dense", 2, "softmax")),
    "dense_steps": chain(SOUND, of("Dense", 5, activation="tanh"), of("Flatten"), of("Dense", 2)),
    "time_distributed": chain(
        SOUND, lambda k: k.TimeDistributed(k.Dense(3, activation="relu")), of("GlobalMaxPooling1D")
    ),
    "conv1d": chain(SOUND, conv("Conv1D", 5, 3, padding="same", strides=2), of("ReLU"), conv("Conv1D", 2, 2)),
    "conv1d_causal": chain(
        SOUND, conv("Conv1D", 5, 3, padding="causal", dilation_rate=2), of("GlobalAveragePooling1D")
    ),
    "conv2d_same": chain(IMAGE, conv("Conv2D", 5, (3, 2), padding="same", strides=(2, 3), activation="relu")),
    "conv2d_dilated": chain(IMAGE, conv("Conv2D", 4, 3, padding="same", dilation_rate=(2, 1)), of("Flatten")),
    "conv2d_groups": chain((8, 8, 4), conv("Conv2D", 6, 3, groups=2), conv("Conv2D", 3, 3, use_bias=False)),
    "conv3d": chain(VIDEO, conv("Conv3D", 3, (2, 3, 2), padding="same", strides=2), of("Flatten"), of("Dense", 2)),
    "transpose_same": chain(IMAGE, conv("Conv2DTranspose", 4, 3, strides=2, padding="same", activation="relu")),
    "transpose_valid": chain(IMAGE, conv("Conv2DTranspose", 4, (2, 3), strides=(3, 2), padding="valid")),
    "transpose_even": chain(IMAGE, conv("Conv2DTranspose", 2, (4, 5), strides=(2, 3), padding="same")),
    "transpose_small": chain(IMAGE, conv("Conv2DTranspose", 2, 1, strides=(2, 3), padding="same")),
    "transpose_added": chain(IMAGE, conv("Conv2DTranspose", 2, 3, strides=2, padding="same", output_padding=1)),
    "transpose_added_none": chain(IMAGE, conv("Conv2DTranspose", 2, 3, strides=2, padding="same", output_padding=0)),
    "transpose_added_valid": chain(IMAGE, conv("Conv2DTranspose", 2, 4, strides=3, output_padding=(1, 2))),
    "transpose_1d": chain(SOUND, conv("Conv1DTranspose", 3, 4, strides=2, padding="same")),
    "transpose_3d": chain(VIDEO, conv("Conv3DTranspose", 2, 3, strides=2, padding="same")),
    "depthwise": chain(IMAGE, conv("DepthwiseConv2D", 3, depth_multiplier=2, padding="same", activation="relu6")),
    "depthwise_1d": chain(SOUND, conv("DepthwiseConv1D", 3, strides=2)),
    "separable": chain(IMAGE, conv("SeparableConv2D", 5, 3, padding="same", depth_multiplier=2, activation="relu")),
    "separable_1d": chain(SOUND, conv("SeparableConv1D", 5, 3, strides=2, use_bias=False)),
    "max_same": chain(IMAGE, of("MaxPooling2D", 3, strides=2, padding="same")),
    "max_1d": chain(SOUND, of("MaxPooling1D", 3, padding="same"), of("MaxPooling1D", 2)),
    "max_3d": chain(VIDEO, of("MaxPooling3D", (2, 3, 2), strides=2)),
    "average_same": chain(IMAGE, of("AveragePooling2D", (3, 2), strides=(2, 1), padding="same")),
    "average_1d": chain(SOUND, of("AveragePooling1D", 3, strides=2, padding="same")),
    "average_3d": chain(VIDEO, of("AveragePooling3D", 2, padding="same")),
    "global": chain(IMAGE, of("GlobalAveragePooling2D", keepdims=True), of("GlobalMaxPooling2D")),
    "global_1d": chain(SOUND, of("GlobalAveragePooling1D", keepdims=True), of("Flatten")),
    "global_1d_max": chain(SOUND, of("GlobalMaxPooling1D", keepdims=True)),
    "global_3d": chain(VIDEO, of("GlobalAveragePooling3D")),
    "batch_norm": chain(IMAGE, conv("Conv2D", 4, 3), of("BatchNormalization"), of("Flatten"), of("BatchNormalization")),
    "batch_norm_axis": chain(
        IMAGE, of("BatchNormalization", axis=1), conv("Conv2D", 2, 3), of("BatchNormalization", axis=2)
    ),
    "batch_norm_plain": chain(
        SOUND, of("BatchNormalization", scale=False), of("BatchNormalization", center=False, epsilon=0.1)
    ),
    "rescaling": chain(IMAGE, of("Rescaling", 1 / 127.5, offset=-1), conv("Conv2D", 2, 3)),
    "rescaling_channels": chain(IMAGE, of("Rescaling", [0.5, 2.0, 3.0], offset=[1.0, 0.0, -1.0])),
    "normalization": chain(
        IMAGE, of("Normalization", mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 0.25]), conv("Conv2D", 2, 3)
    ),
    "normalization_kept": chain(ROW, of("Normalization"), of("Dense", 2)),
    "normalization_inverted": chain(ROW, of("Normalization", mean=1.5, variance=4.0, invert=True, axis=None)),
    "lstm": chain((7, 4), of("LSTM", 5, return_sequences=True), of("LSTM", 3, use_bias=False), of("Dense", 2)),
    "lstm_backwards": chain(
        (7, 4), of("LSTM", 5, return_sequences=True, go_backwards=True), of("LSTM", 3, go_backwards=True)
    ),
    "lstm_free": chain((None, 4), of("LSTM", 5, return_sequences=True), of("GlobalMaxPooling1D")),
    "bidirectional": chain(
        (7, 4), lambda k: k.Bidirectional(k.LSTM(3, return_sequences=True)), lambda k: k.Bidirectional(k.LSTM(2))
    ),
    "bidirectional_sum": chain((7, 4), lambda k: k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode="sum")),
    "bidirectional_ave": chain((7, 4), lambda k: k.Bidirectional(k.LSTM(3), merge_mode="ave")),
    "bidirectional_mul": chain((7, 4), lambda k: k.Bidirectional(k.LSTM(3), merge_mode="mul")),
    "states": states,
    "gru": chain((7, 4), of("GRU", 5, return_sequences=True), of("GRU", 3, reset_after=False), of("Dense", 2)),
    "gru_plain": chain((7, 4), of("GRU", 5, return_sequences=True, use_bias=False), of("GRU", 3, go_backwards=True)),
    "gru_hard": chain((7, 4), of("GRU", 5, recurrent_activation="hard_sigmoid", reset_after=False, activation="relu")),
    "gru_both": chain((7, 4), lambda k: k.Bidirectional(k.GRU(3, return_sequences=True)), of("GRU", 2)),
    "lstm_hard": chain((7, 4), of("LSTM", 5, recurrent_activation="hard_sigmoid", activation="elu")),
    "rnn": chain((7, 4), of("SimpleRNN", 5, return_sequences=True, activation="relu"), of("SimpleRNN", 3)),
    "rnn_both": chain((7, 4), lambda k: k.Bidirectional(k.SimpleRNN(3), merge_mode="sum")),
    "gru_states": gru_states,
    **{
        f"masked_{name}": chain((7,), of("Embedding", 10, 4, mask_zero=True), *layers, dtype="int32")
        for name, layers in MASKED.items()
    },
    "embedding": chain((6,), of("Embedding", 10, 4), of("Flatten"), of("Dense", 2), dtype="int32"),
    "text_cnn": chain(
        (None,),
        of("Embedding", 10, 4),
        conv("Conv1D", 3, 3, activation="relu"),
        of("GlobalMaxPooling1D"),
        dtype="int32",
    ),
    "subtract": two(ROW, of("Subtract")),
    "average": two(IMAGE, of("Average")),
    "multiply": two((3, 4), of("Multiply"), (1, 4)),
    "multiply_ranks": two((3, 4), of("Multiply"), (4,)),
    "maximum": two(ROW, of("Maximum")),
    "minimum": two(IMAGE, of("Minimum")),
    "maximum_images": two(IMAGE, of("Maximum")),
    "concatenate": two((4, 3), of("Concatenate", axis=1), (2, 3)),
    "concatenate_last": two((4, 3), of("Concatenate"), (4, 2)),
    "flatten_first": chain((4, 3, 2), of("Flatten", data_format="channels_first")),
    "reshape": chain(IMAGE, conv("Conv2D", 2, 3), of("Reshape", (-1, 6)), of("Permute", (2, 1)), of("Flatten")),
    "repeat": chain(ROW, of("RepeatVector", 3), of("LSTM", 2)),
    "padding": chain(
        IMAGE, of("ZeroPadding2D", ((1, 2), (0, 3))), of("Cropping2D", ((0, 1), (2, 0))), conv("Conv2D", 2, 3)
    ),
    "padding_1d": chain(SOUND, of("ZeroPadding1D", (1, 2)), of("Cropping1D", 2)),
    "padding_3d": chain(VIDEO, of("ZeroPadding3D", 1), of("Cropping3D", (1, 2, 1))),
    "upsampling": chain(IMAGE, of("UpSampling2D", (2, 3)), conv("Conv2D", 2, 3)),
    "upsampling_bilinear": chain(IMAGE, conv("Conv2D", 2, 3), of("UpSampling2D", (2, 3), interpolation="bilinear")),
    "upsampling_1d": chain(SOUND, of("UpSampling1D", 2)),
    "upsampling_3d": chain(VIDEO, of("UpSampling3D", (2, 1, 2))),
    "prelu": chain(IMAGE, conv("Conv2D", 2, 3), of("PReLU", shared_axes=[1, 2]), of("PReLU")),
    "prelu_row": chain(ROW, of("Dense", 4), of("PReLU")),
    "relu_layers": chain(
        ROW,
        of("ReLU", negative_slope=0.1),
        of("LeakyReLU", negative_slope=0.2),
        of("ELU", alpha=0.5),
        of("ReLU", max_value=1.0),
    ),
    "softmax_axis": chain((3, 4), of("Softmax", axis=1)),
    "softmax_image": chain(IMAGE, conv("Conv2D", 4, 3), of("Softmax"), conv("Conv2D", 4, 1, activation="softmax")),
    "noise": chain(ROW, of("Dropout", 0.5), of("GaussianNoise", 1.0), of("GaussianDropout", 0.1), of("Dense", 2)),
    "layer_as_activation": chain(
        ROW,
        lambda k: k.Dense(4, activation=k.LeakyReLU(negative_slope=0.3)),
        lambda k: k.Dense(2, activation=k.ReLU(max_value=2.0)),
    ),
    "free_images": chain(
        (None, None, 3),
        conv("Conv2D", 4, 3, padding="same"),
        of("MaxPooling2D"),
        of("GlobalAveragePooling2D"),
        of("Dense", 2),
    ),
    "residual": residual,
    "nested": nested,
    "functions": functions,
    "by_name": by_name,
    "itself": itself,
    **{f"activation_{name}": chain(ROW, of("Dense", 4, activation=name)) for name in ACTIVATIONS},
}
FREE = 9  # the size of an axis that a model leaves free


def randomised(model: Any, seed: int = 0) -> Any:
    """The model with weights none of which is 0; those of a variance are positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(size=tuple(weight.shape)) * 0.6
        if "variance" in weight.path:
            values = np.abs(values) + 0.5
        if "seed" not in weight.path and "count" not in weight.path:
            weight.assign(values.astype(np.asarray(weight).dtype))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # of a Normalization, which computes with what it made of its weights
            layer.finalize_state()
    return model


def samples(model: Any, n: int = 3, seed: int = 1) -> list[np.ndarray[Any, Any]]:
    """An array for each input of a model; rows of a table for integers."""
    rng = np.random.default_rng(seed)
    found = []
    for tensor in model.inputs:
        shape = (n, *(FREE if size is None else size for size in tensor.shape[1:]))
        whole = "int" in str(tensor.dtype)
        found.append(rng.integers(0, 10, shape) if whole else rng.normal(size=shape).astype(np.float32))
    return found
