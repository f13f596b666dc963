"""Train a convolutional network on 1,797 scanned digits: `hatch run train`, or see `train_digits.py --help`.

Writes a checkpoint, metrics.jsonl (one line an epoch), curves.png predictions.png. Ctrl-C saves and leaves
with exit code 130; `--resume` goes on from there as if nothing had happened.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pg_nn as nn
from pg_nn import transforms
from tqdm import tqdm

TRAIN_IMAGES = 1437  # of 1797; the other 360 are for testing
LR_DECAY = 0.9  # for each epoch, so that the rate does not depend on the number of epochs asked for
INTERRUPTED = 130
DEFAULTS = {"batch_size": 64, "lr": 2e-3, "seed": 0}

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


class DigitsNet(nn.StatefulModule):
    """Two convolutions, a pooling, a third convolution and a linear layer; input (N, 1, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10))

    def forward(self, x: pg.Tensor) -> pg.Tensor:
        return self.classifier(self.features(x))


@dataclass
class Progress:
    """Where a run stands; saved with the checkpoint. The three sums are over the epoch in progress."""

    epoch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def add(self, loss: float, correct: int, count: int) -> None:
        self.loss_sum += loss * count
        self.correct += correct
        self.seen += count

    def finish_epoch(self, **measured: float) -> dict[str, float]:
        line = {
            "epoch": self.epoch + 1,
            "train_loss": self.loss_sum / self.seen,
            "train_accuracy": self.correct / self.seen,
            **measured,
        }
        self.history.append(line)
        self.epoch, self.loss_sum, self.correct, self.seen = self.epoch + 1, 0.0, 0, 0
        return line


@dataclass
class Run:
    """Everything that is trained and saved together."""

    model: DigitsNet
    optimizer: nn.AdamW
    loader: nn.DataLoader
    progress: Progress
    settings: dict[str, float]
    out: Path

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.safetensors"

    def parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer}

    def save(self) -> None:
        info = {
            "settings": self.settings,
            "progress": asdict(self.progress),
            "loader": self.loader.state_dict(),
            "random": pg.random.get_state(),
        }
        nn.save_checkpoint(self.checkpoint, self.parts(), info)

    def load(self) -> None:
        info = nn.load_checkpoint(self.checkpoint, self.parts())
        self.progress = Progress(**info["progress"])
        self.loader.load_state_dict(info["loader"])
        pg.random.set_state(info["random"])

    def write_metrics(self) -> None:
        """All lines anew, so that the file agrees with the checkpoint after a resume."""
        lines = "".join(json.dumps(line) + "\n" for line in self.progress.history)
        (self.out / "metrics.jsonl").write_text(lines)


def load_digits() -> tuple[Arrays, Arrays]:
    """Images (N, 8, 8) with values 0 to 16, and labels: the training and the test part, always the same."""
    from sklearn import datasets

    digits = datasets.load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    images, labels = digits.images[order].astype(np.float32), digits.target[order].astype(np.int64)
    return (images[:TRAIN_IMAGES], labels[:TRAIN_IMAGES]), (images[TRAIN_IMAGES:], labels[TRAIN_IMAGES:])


def prepare(images: np.ndarray[Any, Any]) -> pg.Tensor:
    """Images (N, 8, 8) as a tensor (N, 1, 8, 8) with values between -1 and 1."""
    transform = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.JitCompose([transforms.Normalize((8.0,), (8.0,))]),
            transforms.EvalAndDetach(),
        ]
    )
    return transform(images[:, None])


Step = Callable[[pg.Tensor, pg.Tensor], tuple[pg.Tensor, pg.Tensor]]


def make_steps(model: DigitsNet, optimizer: nn.AdamW, use_jit: bool) -> tuple[Step, Step]:
    """A training and a test step; both return the mean loss and the number of right answers."""

    def loss_fn(x: pg.Tensor, y: pg.Tensor) -> tuple[pg.Tensor, pg.Tensor]:
        logits = model(x)
        return nn.cross_entropy(logits, y), (logits.argmax(1) == y).sum()

    def train_step(x: pg.Tensor, y: pg.Tensor) -> tuple[pg.Tensor, pg.Tensor]:
        (loss, correct), grads = nn.value_and_grad(model, loss_fn, has_aux=True)(x, y)
        optimizer.step(grads)
        return loss, correct

    return (pg.jit(train_step), pg.jit(loss_fn)) if use_jit else (train_step, loss_fn)


@contextmanager
def watch_interrupts() -> Iterator[list[bool]]:
    """A list that becomes non-empty on the first Ctrl-C; the second one interrupts as usual."""
    seen: list[bool] = []

    def note(signum: int, frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(True)
        print("\nstopping after this step; Ctrl-C again to stop at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def train(run: Run, test: tuple[pg.Tensor, pg.Tensor], epochs: int, device: str, use_jit: bool) -> bool:
    """Train up to `epochs`, saving after each one and where it stops; False if it was interrupted."""
    train_step, test_step = make_steps(run.model, run.optimizer, use_jit)
    progress, loader = run.progress, run.loader
    with watch_interrupts() as interrupted:
        while progress.epoch < epochs:
            run.model.train()
            run.optimizer.lr = run.settings["lr"] * LR_DECAY**progress.epoch
            start, seen_before = time.perf_counter(), progress.seen
            with tqdm(total=TRAIN_IMAGES, initial=progress.seen, unit="image") as bar:
                bar.set_description(f"epoch {progress.epoch + 1}/{epochs}")
                # A run that stopped after the last batch of an epoch has nothing left to do in it.
                for x, y in loader if progress.seen < TRAIN_IMAGES else ():
                    loss, correct = train_step(x.to(device), y.to(device))
                    progress.add(loss.item(), correct.item(), y.shape[0])
                    rate = (progress.seen - seen_before) / (time.perf_counter() - start)
                    bar.set_postfix_str(
                        f"loss {progress.loss_sum / progress.seen:.4f}, "
                        f"accuracy {progress.correct / progress.seen:.2%}, {rate:,.0f} images/s",
                        refresh=False,
                    )
                    bar.update(y.shape[0])
                    if interrupted:
                        run.save()
                        return False
            seconds = time.perf_counter() - start
            run.model.eval()
            loss, correct = test_step(*test)
            line = progress.finish_epoch(
                test_loss=loss.item(),
                test_accuracy=correct.item() / test[1].shape[0],
                lr=run.optimizer.lr,
                seconds=round(seconds, 3),
                images_per_second=round((TRAIN_IMAGES - seen_before) / seconds, 1),
            )
            tqdm.write(f"test loss {line['test_loss']:.4f}, test accuracy {line['test_accuracy']:.2%}")
            run.save()
            run.write_metrics()
            if interrupted:
                return False
    return True


def draw_curves(history: list[dict[str, float]], path: Path) -> None:
    """Loss and accuracy of every epoch, training beside test."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [line["epoch"] for line in history]
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part in ("train", "test"):
            axes.plot(epochs, [line[f"{part}_{what}"] for line in history], marker=".", label=part)
        axes.set(xlabel="epoch", ylabel=what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def draw_predictions(images: np.ndarray[Any, Any], labels: Any, predicted: Any, path: Path) -> None:
    """Forty test digits, wrong answers before right ones, each with its prediction."""
    from matplotlib.figure import Figure

    shown = np.argsort(labels != predicted, kind="stable")[::-1][:40]
    figure = Figure(figsize=(10, 5), layout="constrained")
    for axes, i in zip(figure.subplots(4, 10).flat, shown, strict=True):
        right = predicted[i] == labels[i]
        axes.imshow(images[i], cmap="gray_r")
        axes.set_title(
            f"{predicted[i]}" if right else f"{predicted[i]}, is {labels[i]}",
            color="black" if right else "red",
        )
        axes.axis("off")
    figure.savefig(path, dpi=120)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a convolutional network on scanned digits.")
    parser.add_argument("--epochs", type=int, default=15, help="epochs in all (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, help=f"images a step (default: {DEFAULTS['batch_size']})")
    parser.add_argument("--lr", type=float, help=f"first learning rate of AdamW (default: {DEFAULTS['lr']})")
    parser.add_argument("--seed", type=int, help=f"seed of everything random (default: {DEFAULTS['seed']})")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/digits"), help="folder for results (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--no-jit", action="store_true", help="run every step eagerly")
    options = parser.parse_args(arguments)
    if options.epochs < 1 or (options.batch_size or 1) < 1:
        parser.error("--epochs and --batch-size must be at least 1")
    if options.lr is not None and not options.lr > 0:
        parser.error("--lr must be greater than 0")
    missing = [name for name in ("sklearn", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        parser.error('this example needs scikit-learn and matplotlib: pip install "pg-nn[examples]"')
    return options


def settle(options: argparse.Namespace) -> dict[str, float]:
    """Batch size, learning rate and seed: what was given, or, when resuming, what the run began with."""
    given = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name) is not None}
    if not options.resume:
        return {**DEFAULTS, **given}
    _, texts = nn.load_safetensors(options.out / "checkpoint.safetensors")
    before = json.loads(texts.get("info", "{}")).get("settings", DEFAULTS)
    changed = [f"--{name.replace('_', '-')} {before[name]}" for name in given if given[name] != before[name]]
    if changed:
        raise nn.errors.CheckpointError(
            f"the run in {options.out} was begun with {', '.join(changed)}; resume it so"
        )
    return before


def build(options: argparse.Namespace, settings: dict[str, float], train_set: Arrays) -> Run:
    pg.random.manual_seed(int(settings["seed"]))
    model = DigitsNet().to(options.device)
    optimizer = nn.AdamW(model, lr=settings["lr"], weight_decay=0.01)
    loader = nn.DataLoader(
        nn.TensorDataset(prepare(train_set[0]).numpy(), train_set[1]),
        batch_size=int(settings["batch_size"]),
        shuffle=True,
        seed=int(settings["seed"]),
    )
    return Run(model, optimizer, loader, Progress(), settings, options.out)


def report(run: Run, test_set: Arrays, test_images: pg.Tensor, seconds: float) -> None:
    run.model.eval()
    predicted = run.model(test_images).argmax(1).numpy()
    draw_curves(run.progress.history, run.out / "curves.png")
    draw_predictions(test_set[0], test_set[1], predicted, run.out / "predictions.png")
    last = run.progress.history[-1]
    count = sum(p.size for p in run.model.parameters())
    print(f"\n{count:,} parameters, {run.progress.epoch} epochs, {seconds:.1f} s")
    wrong = int((predicted != test_set[1]).sum())
    print(f"test accuracy {last['test_accuracy']:.2%} ({wrong} wrong of {len(predicted)})")
    for name in ("checkpoint.safetensors", "metrics.jsonl", "curves.png", "predictions.png"):
        print(f"  {run.out / name}")


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    start = time.perf_counter()
    try:
        settings = settle(options)
        train_set, test_set = load_digits()
        run = build(options, settings, train_set)
        run.out.mkdir(parents=True, exist_ok=True)
        if options.resume:
            run.load()
        test = (prepare(test_set[0]).to(options.device), pg.Tensor(test_set[1]).to(options.device))
        if not train(run, test, options.epochs, options.device, not options.no_jit):
            print(f"interrupted in epoch {run.progress.epoch + 1}; saved {run.checkpoint}", file=sys.stderr)
            print("the same command with --resume continues", file=sys.stderr)
            return INTERRUPTED
        run.write_metrics()
        report(run, test_set, test[0], time.perf_counter() - start)
    except KeyboardInterrupt:
        print("interrupted; the last checkpoint is as it was", file=sys.stderr)
        return INTERRUPTED
    except (pg.errors.PequegradError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
