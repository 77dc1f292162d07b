"""torch.backends.quantized: quantised operations is not used."""

engine = "none"
supported_engines = ["none"]
