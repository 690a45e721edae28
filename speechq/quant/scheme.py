"""Scheme strings: which tensor gets how many bits.

``w6a8`` is 6-bit weights and 8-bit signals; ``w2a8,first=w8,out=w8,gate=a8,cell=a16`` overrides single
groups. Weight groups are ``l<k>.in``, ``l<k>.rec``, ``l<k>.conv``, ``l<k>.skip``, ``l<k>.proj`` and ``out``;
signal groups are ``feat``, ``h``, ``gate`` and ``cell``, each also per layer (``l<k>.h``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from speechq.errors import ConfigError

WEIGHT_ROLES = ("in", "rec", "conv", "skip", "proj")
SIGNAL_ROLES = ("h", "gate", "cell")
_BASE = re.compile(r"(?:w(\d+))?(?:a(\d+))?")
_ITEM = re.compile(r"([a-z0-9.]+)=([wa])(\d+)")
_LAYER = re.compile(r"l(\d+)\.(\w+)")


@dataclass(frozen=True)
class Scheme:
    """A parsed scheme. ``overrides`` maps a group or wildcard to (kind, bits), in the order written."""

    text: str
    weight_bits: int | None
    signal_bits: int | None
    overrides: tuple[tuple[str, str, int], ...] = ()

    def weight(self, group: str) -> int | None:
        """Bits of a weight group such as ``l0.in`` or ``out``; None: float. A full name beats a wildcard."""
        return self._look("w", group, self.weight_bits)

    def signal(self, group: str) -> int | None:
        """Bits of a signal group such as ``feat``, ``l1.h`` or ``l1.cell``; None: float."""
        role = group.rpartition(".")[2]
        return self._look("a", group, self.signal_bits if role in ("feat", "h") else None)

    def _look(self, kind: str, group: str, default: int | None) -> int | None:
        names = {group, group.rpartition(".")[2]}
        if group == "l0.in":
            names.add("first")
        found = default
        exact = False
        for name, item_kind, bits in self.overrides:
            if item_kind == kind and name in names and (name == group or not exact):
                found, exact = bits, name == group
        return None if found == 32 else found

    @property
    def is_float(self) -> bool:
        return self.weight_bits is None and self.signal_bits is None and not self.overrides


def _check_bits(text: str, kind: str, bits: int) -> int:
    low, high = (2, 8) if kind == "w" else (2, 16)
    if not (low <= bits <= high or bits == 32):
        raise ConfigError(f"scheme {text!r}: {kind}{bits}: expected {low} to {high} bits, or 32 for float")
    return bits


def _check_group(text: str, name: str, kind: str) -> None:
    layer = _LAYER.fullmatch(name)
    role = layer.group(2) if layer else name
    weights = WEIGHT_ROLES if layer else (*WEIGHT_ROLES, "first", "out")
    signals = SIGNAL_ROLES if layer else (*SIGNAL_ROLES, "feat")
    allowed = weights if kind == "w" else signals
    if role not in allowed:
        what = "weights" if kind == "w" else "signals"
        names = ", ".join(allowed)
        raise ConfigError(f"scheme {text!r}: {name}: not a group of {what}; expected one of {names}")


def parse_scheme(text: str) -> Scheme:
    """Parse a scheme string; ConfigError names the part that is wrong."""
    parts = [part.strip() for part in text.strip().split(",")]
    if parts[0] == "float":
        weight: int | None = None
        signal: int | None = None
    else:
        base = _BASE.fullmatch(parts[0])
        if not base or not parts[0]:
            wanted = "expected float, or w<bits>a<bits> such as w6a8"
            raise ConfigError(f"scheme {text!r}: {parts[0]!r}: {wanted}")
        weight = _check_bits(text, "w", int(base.group(1))) if base.group(1) else None
        signal = _check_bits(text, "a", int(base.group(2))) if base.group(2) else None
    overrides = []
    for part in parts[1:]:
        item = _ITEM.fullmatch(part)
        if not item:
            wanted = "expected group=w<bits> or group=a<bits>, such as out=w8"
            raise ConfigError(f"scheme {text!r}: {part!r}: {wanted}")
        name, kind, bits = item.group(1), item.group(2), int(item.group(3))
        _check_group(text, name, kind)
        overrides.append((name, kind, _check_bits(text, kind, bits)))
    return Scheme(",".join(parts), weight, signal, tuple(overrides))
