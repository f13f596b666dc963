"""Fine-tunes an ONNX model on scanned digits: imports it, trains it, exports it, checks it in onnxruntime.

    python finetune_digits.py [--model given.onnx] [--out folder] [--epochs 20]

Without --model it first makes a file to start from: a small network that was trained on negatives of the
digits, and does badly on the digits themselves. The file that is written has the names, the metadata and the
graph of the one that was read; only the weights differ. Needs scikit-learn; without onnxruntime the evaluator
of the onnx package checks the result.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pg_onnx
from sklearn.datasets import load_digits

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits(seed: int = 0) -> Arrays:
    """Images [N, 1, 8, 8] of values 0 ... 1 and labels: for training, and for the test."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order, None] / 16.0).astype(np.float32)
    labels = data.target[order].astype(np.int64)
    return images[:1400], labels[:1400], images[1400:], labels[1400:]


def train(model: nn.StatefulModule, images: np.ndarray, labels: np.ndarray, epochs: int, lr: float) -> float:
    """Trains a module by AdamW; the last loss. One program holds forward, backward and the step."""
    optimizer = nn.AdamW(model, lr=lr)

    @pg.jit
    def step(x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
        loss, grads = nn.value_and_grad(model, lambda x, y: nn.cross_entropy(model(x), y))(x, y)
        optimizer.step(grads)
        return loss

    loss = pg.zeros(())
    loader = nn.DataLoader(
        nn.TensorDataset(images, labels), batch_size=50, shuffle=True, drop_last=True, seed=0
    )
    for _ in range(epochs):
        for x, y in loader:
            loss = step(x, y)
    return float(loss.item())


def accuracy(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose largest score is that of their label."""
    return float(np.mean(predict(images).argmax(1) == labels))


def make_given(path: Path, data: Arrays) -> None:
    """A file to start from: what somebody else trained, on negatives."""
    images, labels, _, _ = data
    pg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    train(model, 1.0 - images, labels, epochs=4, lr=3e-3)
    pg_onnx.export(
        model,
        pg.zeros((2, 1, 8, 8)),
        path,
        dynamic={"image": {0: "batch"}},
        input_names=["image"],
        output_names=["scores"],
        metadata={"labels": "0123456789", "trained on": "negatives"},
    )


def in_other_runtime(path: Path) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """The exported file, run by somebody else's code."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        reference = ReferenceEvaluator(str(path))
        return "the reference evaluator", lambda x: np.asarray(reference.run(None, {"image": x})[0])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return "onnxruntime", lambda x: np.asarray(session.run(None, {"image": x})[0])


def main() -> None:
    """Import, fine-tune, export, check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, help="the ONNX file to start from")
    parser.add_argument("--out", type=Path, help="a folder for the files (default: a temporary one)")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    start = time.monotonic()
    data = digits()
    images, labels, test_images, test_labels = data
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        given = options.model or folder / "given.onnx"
        if options.model is None:
            make_given(given, data)
        model = pg_onnx.load(given)
        print(f"{given.name}: {model.extra_repr()}")
        print(f"parameters: {', '.join(model.params_dict())}")
        ours = pg.jit(lambda x: model(x))
        before = accuracy(lambda x: ours(pg.Tensor(x)).numpy(), test_images, test_labels)
        loss = train(model, images, labels, options.epochs, lr=6e-3)
        after = accuracy(lambda x: ours(pg.Tensor(x)).numpy(), test_images, test_labels)
        print(
            f"test accuracy {before:.3f} before, {after:.3f} after {options.epochs} epochs, loss {loss:.4f}"
        )

        tuned = folder / "tuned.onnx"
        pg_onnx.export(model, None, tuned, metadata={"trained on": "digits"})
        name, theirs = in_other_runtime(tuned)
        gap = float(np.abs(theirs(test_images) - ours(pg.Tensor(test_images)).numpy()).max())
        share = accuracy(theirs, test_images, test_labels)
        print(f"{tuned.name} in {name}: test accuracy {share:.3f}, largest difference {gap:.2g}")
    if after < 0.97 or share != after or gap > 1e-4:
        raise SystemExit("the fine-tuned model is not what it should be")
    print(f"done in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
