"""ONNX models: sessions, features, training."""
