/* What one core of this machine can do: fused multiply-adds, and bytes moved by level of memory. */
#include <stdint.h>
#include <time.h>

typedef double eight __attribute__((vector_size(64), aligned(64)));

/* CPU seconds of this thread: a loaded machine stretches them less than the clock. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fused multiply-adds of doubles per second, each counted as two operations: 16 independent chains of eight lanes.
 * Named one by one, since an array of registers goes to memory; the empty instruction keeps the loop as it is. */
#define CHAINS(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h) DO(i) DO(j) DO(k) DO(l) DO(m) DO(n) DO(o) DO(p)

double flops(int64_t rounds) {
    const eight factor = (eight){0} + 0.999999, term = (eight){0} + 1e-6;
#define START(x) eight x = term;
#define STEP(x) x = x * factor + term; __asm__ volatile("" : "+v"(x));
    CHAINS(START)
    double begun = now();
    for (int64_t round = 0; round < rounds; round++) { CHAINS(STEP) }
    return (double)rounds * 16 * 8 * 2 / (now() - begun);
}

/* Bytes read and written a second by adding to `n` doubles (a multiple of 8), so many times over; both are counted. */
double update(double *x, int64_t n, int64_t times) {
    const eight a = (eight){0} + 1e-9;
    double begun = now();
    for (int64_t t = 0; t < times; t++) {
        for (int64_t i = 0; i < n; i += 8) *(eight *)(x + i) += a;
        __asm__ volatile("" : : : "memory");
    }
    return (double)times * (double)n * 16 / (now() - begun);
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
