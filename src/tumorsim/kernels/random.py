"""Counter-based random numbers: Philox 4x64-10.

A draw is a pure function of (seed, stream, patient, occasion, item), so neither
threads, nor order, nor the other draws of a run can change it. Equal bit for bit
to ``numpy.random.Philox`` with ``key=(seed, stream)`` and
``counter=(patient, occasion, item, 0)``.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

import math

import numpy as np

from tumorsim.kernels._jit import kernel, wide_product

# --- the list of streams: one number a purpose, never reused -------------------
STREAM_COVARIATES = 1
STREAM_ENROLMENT = 2
STREAM_ALLOCATION = 3
STREAM_PARAMETERS = 4
STREAM_DEPOSITS = 5
STREAM_DE_NOVO = 6
STREAM_LESION_BIOLOGY = 7
STREAM_CLONES = 8
STREAM_DETECTABILITY = 9
STREAM_MEASUREMENT = 10
STREAM_VISIT_JITTER = 11
STREAM_DEATH = 12
STREAM_DROPOUT = 13
STREAM_EXTINCTION = 14
STREAM_SALVAGE = 15
STREAM_TACE = 16
STREAM_ADHERENCE = 17
STREAM_TOXICITY = 18
STREAM_MANUFACTURE = 19
STREAM_INFUSION = 20
STREAM_RESAMPLING = 21
# the lattice; numbered by cell, vessel or voxel, with the step as occasion
STREAM_REPLICATE = 22
STREAM_SEEDING = 23
STREAM_TUMOUR_CELL = 24
STREAM_MUTATION = 25
STREAM_CLEARANCE = 27
STREAM_RECRUITMENT = 28
STREAM_MOTION = 29
STREAM_CONTACT = 30
STREAM_SPROUTING = 32
STREAM_VESSEL = 33
STREAM_EMBOLISATION = 34

_MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
_MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
_WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
_WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
_SHIFT12 = np.uint64(12)
_LOW_HALF, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_TO_UNIT = 1.0 / 4503599627370496.0  # 2**-52
ROUNDS = 10


@kernel(entry=True)
def philox(seed, stream, patient, occasion, item):
    """Four uint64 of Philox 4x64-10 for one key and counter."""
    k0 = np.uint64(seed)
    k1 = np.uint64(stream)
    # numpy increments the counter before its first block; so do we.
    c0 = np.uint64(patient) + np.uint64(1)
    c1 = np.uint64(occasion)
    c2 = np.uint64(item)
    c3 = np.uint64(0)
    for _ in range(ROUNDS):
        h0, l0 = wide_product(_MULTIPLIER_0, c0)
        h1, l1 = wide_product(_MULTIPLIER_1, c2)
        c0 = h1 ^ c1 ^ k0
        c1 = l1
        c2 = h0 ^ c3 ^ k1
        c3 = l0
        k0 = k0 + _WEYL_0
        k1 = k1 + _WEYL_1
    return c0, c1, c2, c3


@kernel
def product_of_halves(low, high, b):
    """As `wide_product`, of a multiplier given as its halves: the compiler makes vector code of it."""
    b_low, b_high = b & _LOW_HALF, b >> _HALF
    lowest = low * b_low
    middle = low * b_high + (lowest >> _HALF)
    rest = high * b_low + (middle & _LOW_HALF)
    return high * b_high + (middle >> _HALF) + (rest >> _HALF), (rest << _HALF) | (lowest & _LOW_HALF)


@kernel
def one_round(c0, c1, c2, c3, k0, k1):
    """Counter after one round."""
    h0, l0 = product_of_halves(_MULTIPLIER_0 & _LOW_HALF, _MULTIPLIER_0 >> _HALF, c0)
    h1, l1 = product_of_halves(_MULTIPLIER_1 & _LOW_HALF, _MULTIPLIER_1 >> _HALF, c2)
    return h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0


@kernel(inline=True)
def philox_by_halves(seed, stream, patient, occasion, item):
    """As `philox`; in a loop over patients the compiler draws for several side by side."""
    k0, k1 = np.uint64(seed), np.uint64(stream)
    c0, c1, c2, c3 = np.uint64(patient) + np.uint64(1), np.uint64(occasion), np.uint64(item), np.uint64(0)
    for _ in range(ROUNDS):
        c0, c1, c2, c3 = one_round(c0, c1, c2, c3, k0, k1)
        k0 = k0 + _WEYL_0
        k1 = k1 + _WEYL_1
    return c0, c1, c2, c3


@kernel(entry=True)
def even_words(seed, stream, patients, occasion, item):
    """The first and the third word of `philox` for many numbers, several side by side. Shapes (n,).

    ``patients`` is (n,) int64. They take half of the time of as many calls, which wait for each other.
    """
    first, third = np.empty(patients.size, np.uint64), np.empty(patients.size, np.uint64)
    for i in range(patients.size):
        first[i], _, third[i], _ = philox_by_halves(seed, stream, patients[i], occasion, item)
    return first, third


@kernel
def all_words(seed, stream, patients, occasion, item):
    """The four words of `philox` for many numbers, several side by side. Shapes (n,)."""
    first, second = np.empty(patients.size, np.uint64), np.empty(patients.size, np.uint64)
    third, fourth = np.empty(patients.size, np.uint64), np.empty(patients.size, np.uint64)
    for i in range(patients.size):
        words = philox_by_halves(seed, stream, patients[i], occasion, item)
        first[i], second[i], third[i], fourth[i] = words
    return first, second, third, fourth


@kernel
def to_unit(bits):
    """A uint64 as a double in the open interval (0, 1): the middle of one of 2**52 cells, exact."""
    return (float(bits >> _SHIFT12) + 0.5) * _TO_UNIT


@kernel(entry=True)
def uniform(seed, stream, patient, occasion, item):
    """One uniform draw in (0, 1)."""
    return to_unit(philox(seed, stream, patient, occasion, item)[0])


@kernel
def exponential(seed, stream, patient, occasion, item):
    """One draw of the standard exponential distribution."""
    return -math.log(uniform(seed, stream, patient, occasion, item))


@kernel
def normal(seed, stream, patient, occasion, item):
    """One standard normal draw (Box-Muller on the first two words)."""
    words = philox(seed, stream, patient, occasion, item)
    radius = math.sqrt(-2.0 * math.log(to_unit(words[0])))
    return radius * math.cos(2.0 * math.pi * to_unit(words[1]))


@kernel(entry=True)
def uniforms(seed, stream, patients, occasion, item):
    """One uniform draw for each patient number. Shape (n,)."""
    out = np.empty(patients.size)
    for i in range(patients.size):
        out[i] = uniform(seed, stream, patients[i], occasion, item)
    return out


@kernel(entry=True)
def normals(seed, stream, patients, occasion, item):
    """One standard normal draw for each patient number. Shape (n,)."""
    out = np.empty(patients.size)
    for i in range(patients.size):
        out[i] = normal(seed, stream, patients[i], occasion, item)
    return out


@kernel(entry=True)
def pair_uniforms(seed, stream, patients, occasion, items):
    """One uniform draw for each (patient, item) pair. Shape (n,)."""
    out = np.empty(patients.size)
    for i in range(patients.size):
        out[i] = uniform(seed, stream, patients[i], occasion, items[i])
    return out
