/* The implicit diffusion step of kernels/diffusion.py, plane by plane.
 *
 * Same equations in the same order along each line; products and sums are fused where the compiler likes, so results
 * agree to rounding. x is solved for eight rows in one register each, transposed on the way in and out; the
 * elimination along z follows one plane behind, while that plane is in the cache, so that memory is passed twice.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef double eight __attribute__((vector_size(64)));
typedef double eight_any __attribute__((vector_size(64), aligned(8)));
typedef int64_t pick __attribute__((vector_size(64)));

/* Factored system of one axis, see `Axis` of kernels/diffusion.py. */
typedef struct { const double *passed, *kept, *inflow; } Axis;

/* Transpose eight registers of eight doubles. */
static inline void transpose(eight r[8]) {
    eight a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = __builtin_shuffle(r[i], r[i + 1], (pick){0, 8, 2, 10, 4, 12, 6, 14});
        a[i + 1] = __builtin_shuffle(r[i], r[i + 1], (pick){1, 9, 3, 11, 5, 13, 7, 15});
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + j] = __builtin_shuffle(a[i + j], a[i + j + 2], (pick){0, 1, 8, 9, 4, 5, 12, 13});
            b[i + j + 2] = __builtin_shuffle(a[i + j], a[i + j + 2], (pick){2, 3, 10, 11, 6, 7, 14, 15});
        }
    for (int j = 0; j < 4; j++) {
        r[j] = __builtin_shuffle(b[j], b[j + 4], (pick){0, 1, 2, 3, 8, 9, 10, 11});
        r[j + 4] = __builtin_shuffle(b[j], b[j + 4], (pick){4, 5, 6, 7, 12, 13, 14, 15});
    }
}

/* Where fewer rows than lanes are left, the last is solved several times. */
static inline int64_t row_of(int64_t lane, int64_t rows) { return lane < rows ? lane : rows - 1; }

/* Reaction and the solution along x of `GROUPS` times eight rows; chains of several groups hide each other's latency. */
#define GROUPS 4
static inline __attribute__((always_inline)) void solve_x(double *c, const double *loss, const double *gain, double dt,
                                                          int64_t nx, Axis axis, eight *tile, const int groups, int64_t rows) {
    for (int g = 0; g < groups; g++) {
        int64_t x = 0;
        for (; x + 8 <= nx; x += 8) {
            eight r[8];
            for (int i = 0; i < 8; i++) {
                int64_t at = row_of(8 * g + i, rows) * nx + x;
                r[i] = (*(eight_any *)(c + at) + dt * *(eight_any *)(gain + at))
                     / (1.0 + dt * *(eight_any *)(loss + at));
            }
            transpose(r);
            for (int i = 0; i < 8; i++) tile[(x + i) * groups + g] = r[i];
        }
        for (; x < nx; x++)
            for (int i = 0; i < 8; i++) {
                int64_t at = row_of(8 * g + i, rows) * nx + x;
                tile[x * groups + g][i] = (c[at] + dt * gain[at]) / (1.0 + dt * loss[at]);
            }
    }
    eight before[GROUPS];
    for (int g = 0; g < groups; g++) before[g] = (eight){0};
    for (int64_t x = 0; x < nx; x++)
        for (int g = 0; g < groups; g++)
            before[g] = tile[x * groups + g] =
                (tile[x * groups + g] + axis.inflow[x]) + (x ? axis.passed[x - 1] : 0.0) * before[g];
    for (int g = 0; g < groups; g++) before[g] = (eight){0};
    for (int64_t x = nx - 1; x >= 0; x--)
        for (int g = 0; g < groups; g++)
            before[g] = tile[x * groups + g] = axis.kept[x] * tile[x * groups + g] + axis.passed[x] * before[g];
    for (int g = 0; g < groups; g++) {
        int64_t x = 0;
        for (; x + 8 <= nx; x += 8) {
            eight r[8];
            for (int i = 0; i < 8; i++) r[i] = tile[(x + i) * groups + g];
            transpose(r);
            for (int i = 0; i < 8; i++) *(eight_any *)(c + row_of(8 * g + i, rows) * nx + x) = r[i];
        }
        for (; x < nx; x++)
            for (int i = 0; i < 8; i++) c[row_of(8 * g + i, rows) * nx + x] = tile[x * groups + g][i];
    }
}

static inline void gather(double *restrict row, const double *restrict before, double inflow, double passed, int64_t n) {
    for (int64_t i = 0; i < n; i++) row[i] = (row[i] + inflow) + passed * before[i];
}
static inline void settle(double *restrict row, const double *restrict after, double kept, double passed, int64_t n) {
    for (int64_t i = 0; i < n; i++) row[i] = kept * row[i] + passed * after[i];
}

/* One step of one field: reaction, x, y and z. */
void diffuse(double *c, const double *loss, const double *gain, double dt, int64_t nz, int64_t ny, int64_t nx,
             const Axis *axes) {
    Axis ax = axes[0], ay = axes[1], az = axes[2];
    int64_t plane = ny * nx;
    eight *tile = aligned_alloc(64, sizeof(eight) * (size_t)(GROUPS * nx));
    for (int64_t z = 0; z < nz; z++) {
        double *p = c + z * plane;
        int64_t y = 0;
        for (; y < ny; y += 8 * GROUPS) {
            int64_t at = z * plane + y * nx, rows = ny - y;
            if (rows > 8) solve_x(c + at, loss + at, gain + at, dt, nx, ax, tile, GROUPS, rows);
            else solve_x(c + at, loss + at, gain + at, dt, nx, ax, tile, 1, rows);
        }
        for (int64_t x = 0; x < nx; x++) p[x] += ay.inflow[0];
        for (y = 1; y < ny; y++) gather(p + y * nx, p + (y - 1) * nx, ay.inflow[y], ay.passed[y - 1], nx);
        /* down along y, and with it the elimination along z: a row is touched once for both */
        for (y = ny - 1; y >= 0; y--) {
            double *row = p + y * nx;
            if (y == ny - 1)
                for (int64_t x = 0; x < nx; x++) row[x] *= ay.kept[y];
            else
                settle(row, row + nx, ay.kept[y], ay.passed[y], nx);
            if (y < ny - 1) { /* the row above is no longer needed as it is */
                if (z) gather(row + nx, row + nx - plane, az.inflow[z], az.passed[z - 1], nx);
                else for (int64_t x = 0; x < nx; x++) row[nx + x] += az.inflow[0];
            }
        }
        if (z) gather(p, p - plane, az.inflow[z], az.passed[z - 1], nx);
        else for (int64_t x = 0; x < nx; x++) p[x] += az.inflow[0];
    }
    for (int64_t i = 0; i < plane; i++) c[(nz - 1) * plane + i] *= az.kept[nz - 1];
    for (int64_t z = nz - 2; z >= 0; z--)
        settle(c + z * plane, c + (z + 1) * plane, az.kept[z], az.passed[z], plane);
    free(tile);
}
