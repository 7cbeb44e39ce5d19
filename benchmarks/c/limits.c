/* What one core of this machine can do: fused multiply-adds, and bytes read or written by level of memory. */
#include <stdint.h>
#include <time.h>

typedef double eight __attribute__((vector_size(64), aligned(64)));

/* CPU seconds of this thread: a loaded machine stretches them less than the clock. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fused multiply-adds of doubles per second, each counted as two operations: 16 independent chains of eight lanes. */
double flops(int64_t rounds) {
    eight a[16];
    for (int k = 0; k < 16; k++) a[k] = (eight){0} + 1.0 + 0.01 * k;
    const eight b = (eight){0} + 0.999999, c = (eight){0} + 1e-6;
    double begun = now();
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) {
            a[k] = a[k] * b + c;
            __asm__ volatile("" : "+v"(a[k])); /* a compiler that sees through the loop would shorten it */
        }
    }
    return (double)rounds * 16 * 8 * 2 / (now() - begun);
}

/* Bytes read a second from `n` doubles (a multiple of 64), so many times over. */
double reading(const double *x, int64_t n, int64_t times) {
    double begun = now();
    for (int64_t t = 0; t < times; t++)
        for (int64_t i = 0; i < n; i += 64) {
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                eight v = *(const eight *)(x + i + 8 * k);
                __asm__ volatile("" : : "v"(v));
            }
        }
    return (double)times * (double)n * 8 / (now() - begun);
}

/* Bytes written a second to `n` doubles. */
double writing(double *x, int64_t n, int64_t times) {
    eight v = (eight){0} + 1.0;
    double begun = now();
    for (int64_t t = 0; t < times; t++) {
        for (int64_t i = 0; i < n; i += 8) *(eight *)(x + i) = v;
        __asm__ volatile("" : "+v"(v) : : "memory");
    }
    return (double)times * (double)n * 8 / (now() - begun);
}

/* Bytes moved a second by a = b + s c, three arrays; what the cache reads before it writes is not counted. */
double triad(double *restrict a, const double *restrict b, const double *restrict c, double s, int64_t n, int64_t times) {
    double begun = now();
    for (int64_t t = 0; t < times; t++) {
        for (int64_t i = 0; i < n; i++) a[i] = b[i] + s * c[i];
        __asm__ volatile("" : : : "memory");
    }
    return (double)times * (double)n * 24 / (now() - begun);
}
