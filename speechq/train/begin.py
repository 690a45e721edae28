"""Begin from the weights of another network: fine-tuning on other speech or text, or for other units."""

from __future__ import annotations

from pathlib import Path

from speechq.errors import ConfigError
from speechq.files import sha256
from speechq.nn.stack import Network
from speechq.progress import say
from speechq.train.checkpoint import NetworkInfo, load_network


def begin_from(path: Path, network: Network, info: NetworkInfo) -> None:
    """Copy the weights of the float network in the checkpoint ``path`` into ``network``.

    All layers must have the same shapes. The output is copied where the units are the same, else it stays
    random. Statistics of batch normalization go along, those of the features do not: they are the new data's.
    ConfigError names what does not fit.
    """
    trained, source = load_network(path)
    if source.scheme != "float":
        raise ConfigError(f"train.start: {path}: a network of {source.scheme}; expected a float network")
    if source.features != info.features:
        raise ConfigError(f"train.start: {path}: was trained on other features: {source.features}")
    same_units = source.units == info.units
    if info.features is None and not same_units:
        raise ConfigError(f"train.start: {path}: reads other characters; expected {info.units.symbols}")
    given, own = (
        {name: value for name, value in one.state_dict().items() if same_units or not name.startswith("out.")}
        for one in (trained, network)
    )
    for name in sorted(given.keys() | own.keys()):
        there, here = (list(one[name].shape) if name in one else "absent" for one in (given, own))
        if there != here:
            raise ConfigError(f"train.start: {path}: {name} is {there} there, {here} here")
    network.load_state_dict(network.state_dict() | given)
    info.provenance["begun_from"] = sha256(path)
    say(f"begun from {path}, {'all of it' if same_units else 'with a new output'}")
