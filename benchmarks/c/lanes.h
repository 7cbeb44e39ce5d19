/* Doubles side by side: LANES of them in one vector register, or a plain double with LANES 1. */
#ifndef LANES_H
#define LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if LANES == 8 && defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define WIDE 1
#else
#define WIDE 0
#endif

#if LANES == 1
typedef double vec;
typedef int64_t ints;
#define LANE(v, l) (*((void)(l), &(v)))
#define AS_DOUBLE(i) ((double)(i))
#define AS_INTS(x) ((int64_t)(x))
#else
typedef double vec __attribute__((vector_size(8 * LANES)));
typedef int64_t ints __attribute__((vector_size(8 * LANES)));
#define LANE(v, l) ((v)[l])
#define AS_DOUBLE(i) __builtin_convertvector(i, vec)
#define AS_INTS(x) __builtin_convertvector(x, ints)
#endif

#define INLINE static inline __attribute__((always_inline))
#define ALL_LANES ((1 << LANES) - 1)

INLINE vec all(double x) { return x - (vec){0}; }
INLINE ints bits_of(vec x) { ints i; memcpy(&i, &x, sizeof i); return i; }
INLINE vec of_bits(ints i) { vec x; memcpy(&x, &i, sizeof x); return x; }

/* A mask has a bit a lane: what comparisons give where registers are wide, and what loops over lanes take. */
#if WIDE
INLINE int less(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ); }
INLINE int at_most(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ); }
INLINE vec choose(int mask, vec yes, vec no) {
    return (vec)_mm512_mask_blend_pd((__mmask8)mask, (__m512d)no, (__m512d)yes);
}
INLINE vec larger(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vec smaller(vec a, vec b) { return (vec)_mm512_min_pd((__m512d)a, (__m512d)b); }
INLINE vec magnitude(vec a) { return (vec)_mm512_abs_pd((__m512d)a); }
#elif LANES > 1
INLINE int mask_of(ints m) {
    int mask = 0;
    for (int l = 0; l < LANES; l++) mask |= (int)(m[l] & 1) << l;
    return mask;
}
INLINE vec select(ints m, vec yes, vec no) { return of_bits((m & bits_of(yes)) | (~m & bits_of(no))); }
INLINE int less(vec a, vec b) { return mask_of(a < b); }
INLINE int at_most(vec a, vec b) { return mask_of(a <= b); }
INLINE vec choose(int mask, vec yes, vec no) {
    ints bits;
    for (int l = 0; l < LANES; l++) bits[l] = 1 << l;
    return select((bits & mask) != 0, yes, no);
}
INLINE vec larger(vec a, vec b) { return select(a > b, a, b); }
INLINE vec smaller(vec a, vec b) { return select(a < b, a, b); }
INLINE vec magnitude(vec a) { return of_bits(bits_of(a) & INT64_MAX); }
#else
INLINE int less(vec a, vec b) { return a < b; }
INLINE int at_most(vec a, vec b) { return a <= b; }
INLINE vec choose(int mask, vec yes, vec no) { return mask ? yes : no; }
INLINE vec larger(vec a, vec b) { return a > b ? a : b; }
INLINE vec smaller(vec a, vec b) { return a < b ? a : b; }
INLINE vec magnitude(vec a) { return fabs(a); }
#endif
INLINE vec positive(vec a) { return larger(a, all(0.0)); }

/* Reciprocal. A divider takes 16 cycles for eight doubles; an estimate to 14 bits and two Newton steps take half. */
#if WIDE
INLINE vec reciprocal(vec x) {
    vec r = (vec)_mm512_rcp14_pd((__m512d)x), e = 1.0 - x * r;
    r += r * e;
    return r + r * (e * e);
}
INLINE vec rough_reciprocal(vec x) { /* to 28 bits */
    vec r = (vec)_mm512_rcp14_pd((__m512d)x);
    return r + r * (1.0 - x * r);
}
#else
INLINE vec reciprocal(vec x) { return 1.0 / x; }
INLINE vec rough_reciprocal(vec x) { return 1.0 / x; }
#endif

#if LANES == 1
INLINE vec v_exp(vec x) { return exp(x); }
INLINE vec v_log(vec x) { return log(x); }
#elif WIDE
/* e^x for |x| below 700: to the nearest sixteenth of ln 2 by a table, from there by a short polynomial. */
INLINE vec v_exp(vec x) {
    static const double sixteenth[16] = {
        0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0, 0x1.306fe0a31b715p+0,
        0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0, 0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0,
        0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0, 0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0,
        0x1.ea4afa2a490dap+0};
    const double shift = 6755399441055744.0; /* 1.5 x 2^52: adding it rounds to a whole number in the low bits */
    vec shifted = x * 23.083120654223414 + shift;
    vec n = shifted - shift;
    vec r = (x - n * 0.04332169867120683) - n * 1.1378974990650914e-10;
    __m512d lower = _mm512_loadu_pd(sixteenth), upper = _mm512_loadu_pd(sixteenth + 8);
    vec table = (vec)_mm512_permutex2var_pd(lower, (__m512i)bits_of(shifted), upper);
    vec p = r * (1.0 / 720) + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    return (vec)_mm512_scalef_pd((__m512d)(table + table * (p * r)), (__m512d)(n * 0.0625));
}
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
#endif

#if LANES > 1
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

/* x^(-1/3) of a positive normal number: a guess from the bits, then two steps of higher order without division. */
INLINE vec inverse_cube_root(vec x) {
    const double third = 1.0 / 3.0;
#if LANES == 1
    vec r = of_bits(0x553EF0FF289DD794LL - bits_of(x) / 3);
#else
    vec r = of_bits(0x553EF0FF289DD794LL - AS_INTS(AS_DOUBLE(bits_of(x)) * third));
#endif
    vec e = 1.0 - x * r * (r * r);
    r += r * e * (third + e * (2.0 / 9.0 + e * (14.0 / 81.0)));
    e = 1.0 - x * r * (r * r);
    return r + r * e * (third + e * (2.0 / 9.0 + e * (14.0 / 81.0)));
}

#endif
