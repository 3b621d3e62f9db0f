"""What an ONNX file costs: bytes and multiply-accumulates (MACs), counted without running it."""
