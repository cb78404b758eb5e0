"""Networks as safetensors and as ONNX graphs."""
