/* Doubles side by side: LANES of them in one vector register, or a plain double with LANES 1. */
#ifndef LANES_H
#define LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if LANES == 1
typedef double vec;
typedef int64_t ints;
#define LANE(v, l) (*((void)(l), &(v)))
#define AS_DOUBLE(i) ((double)(i))
#else
typedef double vec __attribute__((vector_size(8 * LANES)));
typedef int64_t ints __attribute__((vector_size(8 * LANES)));
#define LANE(v, l) ((v)[l])
#define AS_DOUBLE(i) __builtin_convertvector(i, vec)
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE vec all(double x) { return x - (vec){0}; }
INLINE ints bits_of(vec x) { ints i; memcpy(&i, &x, sizeof i); return i; }
INLINE vec of_bits(ints i) { vec x; memcpy(&x, &i, sizeof x); return x; }

/* One of two values in each lane; `mask` is what a comparison of vectors gives. */
INLINE vec choose(ints mask, vec yes, vec no) {
#if LANES == 1
    return mask ? yes : no;
#else
    return of_bits((mask & bits_of(yes)) | (~mask & bits_of(no)));
#endif
}
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }
INLINE vec smaller(vec a, vec b) { return choose(a < b, a, b); }
INLINE vec magnitude(vec a) { return larger(a, -a); }
INLINE vec positive(vec a) { return larger(a, all(0.0)); }

/* Reciprocal. A divider takes 16 cycles for eight doubles; an estimate and two Newton steps take half of that. */
#if LANES == 8 && defined(__AVX512F__)
#include <immintrin.h>
INLINE vec reciprocal(vec x) {
    vec r = (vec)_mm512_rcp14_pd((__m512d)x);
    r = r + r * (1.0 - x * r);
    return r + r * (1.0 - x * r);
}
#else
INLINE vec reciprocal(vec x) { return 1.0 / x; }
#endif

#if LANES == 1
INLINE vec v_exp(vec x) { return exp(x); }
INLINE vec v_log(vec x) { return log(x); }
#else
/* e^x for |x| below 700: 2^n times a Taylor polynomial on half of ln 2 to either side. */
INLINE vec v_exp(vec x) {
    const double shift = 6755399441055744.0; /* 1.5 x 2^52: adding it rounds to a whole number in the low bits */
    vec shifted = x * 1.4426950408889634 + shift;
    vec n = shifted - shift;
    vec r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
    static const double c[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
                               1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0};
    vec p = all(c[0]);
    for (int k = 1; k < 13; k++) p = p * r + c[k];
    p = p * r + 1.0;
    return of_bits(bits_of(p) + (bits_of(shifted) << 52));
}

/* Natural logarithm of a positive normal number: exponent, and the series of artanh on (sqrt(1/2), sqrt(2)). */
INLINE vec v_log(vec x) {
    ints i = bits_of(x);
    ints e = (i - 0x3FE6A09E667F3BCDLL) >> 52;
    vec m = of_bits(i - (e << 52));
    vec s = (m - 1.0) * reciprocal(m + 1.0), q = s * s;
    vec p = all(1.0 / 21.0);
    for (int k = 19; k >= 1; k -= 2) p = p * q + 1.0 / k;
    return AS_DOUBLE(e) * 0.6931471805599453 + 2.0 * s * p;
}
#endif

/* x^(-1/3) of a positive normal number: a guess from the bits, then two steps of fourth order without division. */
INLINE vec inverse_cube_root(vec x) {
    const double third = 1.0 / 3.0;
#if LANES == 1
    vec r = of_bits(0x553EF0FF289DD794LL - bits_of(x) / 3);
#else
    vec i = AS_DOUBLE(bits_of(x)) * third;
    vec r = of_bits(0x553EF0FF289DD794LL - __builtin_convertvector(i, ints));
#endif
    for (int k = 0; k < 2; k++) {
        vec e = 1.0 - x * r * r * r;
        r = r + r * e * (third + e * (2.0 / 9.0 + e * (14.0 / 81.0)));
    }
    vec e = 1.0 - x * r * r * r;
    return r + r * e * third;
}

#endif
