"""What applications need of the networks and samples that a clone of the project has in ``models/``."""

from __future__ import annotations

from ..application import Need

HERE, SETS = "models/ of the project", "models/gallery/ of the project"
DIGITS_CNN = Need("digits_cnn.onnx", "a trained network of digits", HERE, "BSD-3-Clause", shipped=True)
FASHION_CNN = Need("fashion_cnn.onnx", "a trained network of garments", HERE, "BSD-3-Clause", shipped=True)
FASHION_DENSE = Need("fashion_dense.onnx", "another network of garments", HERE, "BSD-3-Clause", shipped=True)
LITE0 = Need("efficientnet_lite0.onnx", "a trained network of photos", HERE, "Apache-2.0", shipped=True)
DIGITS = Need("samples/digits_test200.npz", "200 digits", HERE, "MIT", shipped=True)
GARMENTS = Need("samples/fashion_test200.npz", "200 garments", HERE, "MIT", shipped=True)
FASHION = Need("fashion_6000.npz", "6,000 garments", SETS, "MIT", shipped=True)
