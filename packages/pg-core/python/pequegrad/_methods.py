"""Methods of Tensor, attached to the raw type when the package is imported."""


class TensorMethods:
    """Filled in by the modules below `_ops`."""
