"""Checkpoints: one safetensors file with the network, the optimizer and all that a resumed run needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from speechq.config import FeatureConfig, LanguageModelConfig, ModelConfig
from speechq.errors import ModelError, SpeechqError
from speechq.files import replacing
from speechq.nn.acoustic import AcousticModel
from speechq.nn.language import make_language_model
from speechq.nn.stack import Network
from speechq.quant.scheme import parse_scheme
from speechq.text.units import Units

_FORMAT = "speechq-checkpoint-1"


@dataclass
class NetworkInfo:
    """What is needed beside the weights to build, feed and pack a network.

    A language network has no features, mean and scale, and its model is a ``LanguageModelConfig``. ``groups``
    (n, k) of structured sparse weights: of n neighbours at most k are not zero.
    """

    model: ModelConfig
    features: FeatureConfig | None
    units: Units
    mean: Tensor | None = None
    scale: Tensor | None = None
    scheme: str = "float"
    rule: str = "fixed"
    per_row: bool = True
    provenance: dict[str, Any] = field(default_factory=dict)
    groups: tuple[int, int] | None = None

    def build(self) -> Network:
        """A network of this shape with quantizers attached, weights not yet set."""
        model: Network
        if self.features is not None:
            model = AcousticModel(self.model, self.features.dim, len(self.units))
        else:
            assert isinstance(self.model, LanguageModelConfig)
            model = make_language_model(self.model, self.units)
        scheme = parse_scheme(self.scheme)
        if not scheme.is_float:
            model.attach(scheme, self.rule, per_row=self.per_row)  # type: ignore[arg-type]
        return model

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model.model_dump(mode="json"),
            "features": None if self.features is None else self.features.model_dump(mode="json"),
            "units": self.units.to_json(),
            "scheme": self.scheme,
            "rule": self.rule,
            "per_row": self.per_row,
            "provenance": self.provenance,
            "groups": self.groups,
        }


def save_checkpoint(
    path: str | Path,
    model: Network,
    info: NetworkInfo,
    progress: dict[str, Any] | None = None,
    extra: dict[str, Tensor] | None = None,
) -> None:
    """Write network, ``extra`` tensors and ``progress`` (JSON) under a temporary name, then rename."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    if info.mean is not None and info.scale is not None:
        tensors |= {"mean": info.mean, "scale": info.scale}
    tensors |= extra or {}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    header = {"format": _FORMAT, "info": json.dumps(info.to_json()), "progress": json.dumps(progress or {})}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, header))


def read_checkpoint(path: str | Path) -> tuple[NetworkInfo, dict[str, Any], dict[str, Tensor]]:
    """``(info, progress, tensors)`` of a checkpoint; ModelError if it is none or is damaged."""
    if not Path(path).is_file():
        raise ModelError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a checkpoint, or damaged ({error})") from error
    if header.get("format") != _FORMAT:
        found = header.get("format", "none")
        raise ModelError(
            f"{path}: not a checkpoint of this speechq: expected format {_FORMAT}, found {found}"
        )
    try:
        tree = json.loads(header["info"])
        speech = tree["features"] is not None
        info = NetworkInfo(
            (ModelConfig if speech else LanguageModelConfig).model_validate(tree["model"]),
            FeatureConfig.model_validate(tree["features"]) if speech else None,
            Units.from_json(tree["units"]),
            tensors.pop("mean") if speech else None,
            tensors.pop("scale") if speech else None,
            tree["scheme"],
            tree["rule"],
            tree["per_row"],
            tree["provenance"],
            tuple(tree["groups"]) if tree.get("groups") else None,  # older checkpoints lack it
        )
        progress = json.loads(header["progress"])
    except (KeyError, ValueError, TypeError, AttributeError, SpeechqError) as error:
        raise ModelError(f"{path}: damaged checkpoint header ({type(error).__name__}: {error})") from error
    return info, progress, tensors


def restore(model: Network, tensors: dict[str, Tensor]) -> None:
    """Set the network's weights and steps from a checkpoint's tensors."""
    own = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    try:
        model.load_state_dict(own)
    except RuntimeError as error:
        raise ModelError(f"the weights of a checkpoint do not fit its network ({error})") from error
    for quantizer in model.quantizers():
        quantizer.thaw_as_saved()


def load_network(path: str | Path) -> tuple[Network, NetworkInfo]:
    """A trained network with its quantizers, ready to run or to pack."""
    info, _, tensors = read_checkpoint(path)
    try:
        model = info.build()
        restore(model, tensors)
    except SpeechqError as error:
        raise ModelError(f"{path}: {error}") from error
    return model.eval(), info
