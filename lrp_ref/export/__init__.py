"""The explanation as a graph: exported to ONNX, and run by onnxruntime."""
