"""A toy of jet tagging: 16 substructure observables, five kinds of jet.

The task that hls4ml and its successors are measured on has data of a full simulation, which no
package holds. This stands in for it: the same 16 kinds of number and five classes, from jets that
are drawn here. A jet has one hard prong (gluon, quark), two (W, Z) or three (top), split with the
mass of their parent; each prong radiates soft particles, a gluon more than a quark. The
observables are computed from the particles. Accuracies say nothing about the real data.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

CLASSES = ("gluon", "quark", "W", "Z", "top")
MOMENTUM = 1000.0  # of a jet, in GeV
PARTICLES = 20  # kept of a jet, the hardest first
MASSES = {2: 80.4, 3: 91.2, 4: 173.0}
RADIATED = (7.0, 4.0)  # mean number of emissions: of a gluon, of a quark
SMEARING = 0.12  # of every momentum


def observables(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``count`` jets: float64 ``(count, 16)``, labels ``(count,)`` in 0..4, in turn by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    z, place = np.zeros((count, PARTICLES)), np.zeros((count, PARTICLES, 2))
    for row, label in enumerate(labels):
        share, where = _radiate(rng, *_prongs(rng, label), RADIATED[int(label > 0)])
        share *= rng.normal(1, SMEARING, len(share)).clip(0.5)
        hardest = np.argsort(-share)[:PARTICLES]
        z[row, : len(hardest)], place[row, : len(hardest)] = share[hardest], where[hardest]
    parts = [_measure(*part) for part in zip(np.array_split(z, 1 + count // 500),
                                             np.array_split(place, 1 + count // 500),
                                             strict=True)]  # fmt: skip
    return np.concatenate(parts), labels


def pixels(values: np.ndarray) -> np.ndarray:
    """Observables as 0..255: linear between the 0.5th and 99.5th percentile of each."""
    low, high = np.percentile(values, (0.5, 99.5), axis=0)
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)


def _prongs(rng: np.random.Generator, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the momentum ``(n,)`` and places ``(n, 2)`` in angle of the hard partons."""
    if label < 2:
        return np.ones(1), np.zeros((1, 2))
    share, place = _decay(rng, MASSES[int(label)], 1.0)
    if label == 4:  # t -> b W, W -> q q
        inner, offset = _decay(rng, MASSES[2], share[1])
        share = np.array([share[0], *share[1] * inner])
        place = np.concatenate([place[:1], place[1] + offset])
    return share, place


def _decay(rng: np.random.Generator, mass: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Two prongs of ``share`` of the jet: their distance follows from mass and division."""
    z = rng.uniform(0.15, 0.85)
    distance = mass / (MOMENTUM * share * (z * (1 - z)) ** 0.5)
    turn = rng.uniform(0, 2 * np.pi)
    arm = distance * np.array([np.cos(turn), np.sin(turn)])
    return np.array([z, 1 - z]), np.stack([(1 - z) * arm, -z * arm])


def _radiate(rng: np.random.Generator, share: np.ndarray, place: np.ndarray,
             mean: float) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Add emissions, even in the logarithms of momentum and angle, at their emitters' expense."""
    shares, places = [], []
    for own, at in zip(share, place, strict=True):
        n = rng.poisson(mean)
        given = own * np.exp(rng.uniform(np.log(2e-3), np.log(0.1), n))
        angle, turn = np.exp(rng.uniform(np.log(0.01), np.log(0.5), n)), rng.uniform(0, 7, n)
        shares += [max(own - given.sum(), 0.1 * own), *given]
        places += [at, *(at + angle[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1))]
    total = np.array(shares)
    return total / total.sum(), np.array(places)


def _measure(z: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Energy correlations (Larkoski, Salam, Thaler 2013; Moult, Necib, Thaler 2016), logarithms
    of all but multiplicity and the sum of ``z log z``."""
    gap = np.linalg.norm(place[:, :, None] - place[:, None], axis=3) + 1e-4
    i, j = np.triu_indices(PARTICLES, 1)
    two, angle = z[:, i] * z[:, j], gap[:, i, j]
    a, b, c = np.array(list(combinations(range(PARTICLES), 3))).T
    three = z[:, a] * z[:, b] * z[:, c]
    sides = np.sort(np.stack([gap[:, a, b], gap[:, a, c], gap[:, b, c]]), axis=0)

    def pairs(beta: float) -> np.ndarray:
        return (two * angle**beta).sum(1) + 1e-9

    def triples(beta: float, number: int) -> np.ndarray:
        """With the ``number`` smallest of the three angles."""
        return (three * sides[:number].prod(0) ** beta).sum(1) + 1e-12

    found = [pairs(0), pairs(1), pairs(2)]
    found += [triples(beta, 3) / pairs(beta) ** 2 for beta in (1, 2)]  # C2
    found += [triples(a, 3) / pairs(b) ** (3 * a / b) for a, b in ((1, 1), (2, 2), (1, 2), (2, 1))]
    found += [triples(beta, 1) / pairs(beta) for beta in (1, 2)]  # M2
    found += [triples(beta, 2) / pairs(beta) ** 2 for beta in (1, 2)]  # N2
    mass = MOMENTUM * np.sqrt(pairs(2))
    entropy = (z * np.log(np.maximum(z, 1e-9))).sum(1)
    return np.stack([*np.log([*found, mass]), entropy, (z > 1e-3).sum(1)], axis=1)
