"""Networks of the usual kinds in plain torch, small, with random weights, and their files from both exporters of torch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

from peers import need

torch = need("torch")
nn, F = torch.nn, torch.nn.functional
torch.set_num_threads(1)


def mlp() -> Any:
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 5))


class AlexNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.LocalResponseNorm(3),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 12, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 7))

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class Residual(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.down = None
        if stride != 1 or a != b:
            self.down = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x: Any) -> Any:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.down is None else self.down(x)))


class ResNet18(nn.Module):
    def __init__(self, w: int = 6) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, w, 7, 2, 3, bias=False), nn.BatchNorm2d(w)
        blocks: list[Any] = []
        a = w
        for k in range(4):
            b = w * 2**k
            blocks += [Residual(a, b, 1 if k == 0 else 2), Residual(b, b, 1)]
            a = b
        self.layers, self.fc = nn.Sequential(*blocks), nn.Linear(a, 10)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.layers(x), 1), 1))


class Inverted(nn.Module):
    """A block of MobileNet v3: expand, depthwise, squeeze and excite, project."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        m = 3 * a
        self.expand = nn.Sequential(nn.Conv2d(a, m, 1, bias=False), nn.BatchNorm2d(m), nn.Hardswish())
        self.depth = nn.Sequential(
            nn.Conv2d(m, m, 3, stride, 1, groups=m, bias=False), nn.BatchNorm2d(m), nn.ReLU6()
        )
        self.squeeze, self.excite = nn.Conv2d(m, 4, 1), nn.Conv2d(4, m, 1)
        self.project = nn.Sequential(nn.Conv2d(m, b, 1, bias=False), nn.BatchNorm2d(b))
        self.same = stride == 1 and a == b

    def forward(self, x: Any) -> Any:
        y = self.depth(self.expand(x))
        y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        y = self.project(y)
        return x + y if self.same else y


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.Hardswish())
        self.blocks = nn.Sequential(Inverted(6, 6, 1), Inverted(6, 8, 2), Inverted(8, 8, 1))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.causal = heads, causal

    def forward(self, x: Any, mask: Any = None) -> Any:
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in self.qkv(x).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, t, c))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool, before: bool, gelu: str = "none") -> None:
        super().__init__()
        self.attention = Attention(width, heads, causal)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.before, self.gelu = before, gelu

    def forward(self, x: Any, mask: Any = None) -> Any:
        if self.before:
            x = x + self.attention(self.norm1(x), mask)
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate=self.gelu))
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.down(F.gelu(self.up(x), approximate=self.gelu)))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.place = nn.Parameter(torch.randn(1, 17, 16) * 0.1)
        self.block, self.norm, self.head = Layer(16, 4, False, True), nn.LayerNorm(16), nn.Linear(16, 6)

    def forward(self, x: Any) -> Any:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.head(self.norm(self.block(x))[:, 0])


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(50, 16), nn.Embedding(12, 16), nn.Embedding(2, 16)
        self.norm = nn.LayerNorm(16, eps=1e-12)
        self.layers = nn.ModuleList([Layer(16, 2, False, False) for _ in range(2)])
        self.pooler, self.out = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, ids: Any, mask: Any) -> Any:
        place = torch.arange(ids.shape[1])[None]
        x = self.norm(self.words(ids) + self.places(place) + self.kinds(torch.zeros_like(ids)))
        added = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, added)
        return x, self.out(torch.tanh(self.pooler(x[:, 0])))


class Gpt2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(40, 16), nn.Embedding(10, 16)
        self.layers = nn.ModuleList([Layer(16, 4, True, True, "tanh") for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 40, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Any) -> Any:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(12, 4)

    def forward(self, ids: Any) -> Any:
        y, _ = self.lstm(self.words(ids))
        return self.head(y[:, -1])


def _twice(a: int, b: int) -> Any:
    return nn.Sequential(
        nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU()
    )


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = _twice(2, 4), _twice(4, 8), _twice(8, 12)
        self.up1, self.d = nn.ConvTranspose2d(12, 8, 2, 2), _twice(16, 8)
        self.e, self.out = _twice(12, 4), nn.Conv2d(4, 2, 1)

    def forward(self, x: Any) -> Any:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        d = self.d(torch.cat([self.up1(c), b], 1))
        d = F.interpolate(d, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.out(self.e(torch.cat([d, a], 1))))


def _images(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (torch.randn(*shape),)


def _ids(high: int, *shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (torch.randint(0, high, shape),)


def _ids_and_mask() -> tuple[Any, ...]:
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    return torch.randint(0, 50, (2, 7)), mask


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, ...]]]] = {
    "mlp": (mlp, _images(3, 12)),
    "alexnet": (AlexNet, _images(2, 3, 32, 32)),
    "resnet18": (ResNet18, _images(2, 3, 32, 32)),
    "mobilenet": (MobileNet, _images(2, 3, 16, 16)),
    "vit": (ViT, _images(2, 3, 16, 16)),
    "bert": (Bert, _ids_and_mask),
    "gpt2": (Gpt2, _ids(40, 2, 6)),
    "lstm": (Lstm, _ids(30, 3, 5)),
    "unet": (UNet, _images(1, 2, 8, 8)),
}


def make(name: str) -> tuple[Any, tuple[Any, ...]]:
    """A network in evaluation mode, with statistics that are not those of the start, and inputs."""
    torch.manual_seed(7)
    build, inputs = MODELS[name]
    model = build()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    with torch.no_grad():  # the exporters make one of equal tensors, whose gradient is then a sum
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval(), inputs()


def exported(model: Any, inputs: tuple[Any, ...], exporter: str, fold: bool = False) -> bytes:
    """The file that one of torch's exporters makes; without folding, parameters keep their names."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "legacy":
            torch.onnx.export(
                model,
                inputs,
                file,
                dynamo=False,
                opset_version=17,
                do_constant_folding=fold,
                training=torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE,
            )
        else:
            made = torch.onnx.export(model, inputs, dynamo=True, optimize=fold, verbose=False)
            file.write(made.model_proto.SerializeToString())
    return file.getvalue()
