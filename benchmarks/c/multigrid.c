/* Newton's step and multigrid cycle of kernels/steady.py and kernels/multigrid.py.
 *
 * Same equations; products and sums are fused where the compiler likes, so results agree to rounding. What ours does
 * in five passes over a level is three here: coefficients; a sweep with the residual two planes behind it; the
 * correction with a sweep one plane behind it. One sweep before and one after.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lattice.h" /* Hierarchy of kernels/multigrid.py, written by yardstick.py */

typedef double eight_any __attribute__((vector_size(64), aligned(8)));
typedef double eight __attribute__((vector_size(64)));
typedef int64_t pick __attribute__((vector_size(64)));

enum { X, Y, Z };
#define REACH 2.5 /* see held_loss of kernels/steady.py */

/* One level of a hierarchy. */
typedef struct {
    int64_t nx, ny, nz;
    double *value, *right, *inverse, *sink; /* sink: levels from 1 on */
    const double *below[3], *above[3], *own[3], *inflow[3], *fill[3], *near[3], *far[3];
    const int64_t *other[3];
} Level;

static Level open_level(double *c, const Hierarchy *h, int64_t level) {
    const int64_t *shape = h->shape + 3 * level, lower = h->offset[level] - h->offset[1];
    Level l = {shape[X], shape[Y], shape[Z], level ? h->value + lower : c, h->right + h->offset[level],
               h->inverse + h->offset[level], level ? h->sink + lower : NULL};
    for (int axis = 0; axis < 3; axis++) {
        int64_t at = h->edge[3 * level + axis];
        l.below[axis] = h->below + at, l.above[axis] = h->above + at, l.own[axis] = h->own + at;
        l.inflow[axis] = h->inflow + at, l.fill[axis] = h->fill + at, l.near[axis] = h->near + at;
        l.far[axis] = h->far + at, l.other[axis] = h->other + at;
    }
    return l;
}

static inline double inverted(double x) { return x > 0.0 ? 1.0 / x : 0.0; }

/* A row and its neighbours. */
typedef struct {
    const double *south, *north, *down, *up;
    double s, n, d, u;
} Around;

static inline Around around(const Level *l, int64_t z, int64_t y) {
    const double *row = l->value + (z * l->ny + y) * l->nx;
    int64_t plane = l->nx * l->ny;
    return (Around){y ? row - l->nx : row, y < l->ny - 1 ? row + l->nx : row, z ? row - plane : row,
                    z < l->nz - 1 ? row + plane : row, l->below[Y][y], l->above[Y][y], l->below[Z][z], l->above[Z][z]};
}

/* One colour of one row: right-hand side and six neighbours times the reciprocal diagonal. The other colour is worked
 * out too and dropped: eight at a time that is cheaper than every second by itself. */
static inline void smooth_row(double *row, const double *right, const double *inverse, const double *west,
                              const double *east, Around a, int64_t nx, int odd) {
    const pick even_lanes = {-1, 0, -1, 0, -1, 0, -1, 0};
    int64_t x = 1;
    if (odd == 0)
        row[0] = (right[0] + ((a.s * a.south[0] + a.n * a.north[0]) + (a.d * a.down[0] + a.u * a.up[0]))
                  + (nx > 1 ? east[0] * row[1] : 0.0)) * inverse[0];
#define AT(p, k) (*(const eight_any *)((p) + x + (k)))
    if (nx >= 10) {
        eight beside = AT(row, -1);
        for (;;) {
            pick take = (x & 1) == odd ? even_lanes : ~even_lanes;
            eight old = AT(row, 0);
            eight outside = (a.s * AT(a.south, 0) + a.n * AT(a.north, 0)) + (a.d * AT(a.down, 0) + a.u * AT(a.up, 0));
            eight new = (AT(right, 0) + outside + (AT(west, 0) * beside + AT(east, 0) * AT(row, 1))) * AT(inverse, 0);
            /* the last eight may overlap: what is done twice comes out the same, for it hangs on the other colour */
            int64_t next = x + 16 < nx ? x + 8 : nx - 9;
            /* the next neighbours before they are half written: a load that straddles a store waits for it */
            beside = *(const eight_any *)(row + next - 1);
            *(eight_any *)(row + x) = (eight)(((pick)new & take) | ((pick)old & ~take));
            if (next == x) break;
            x = next;
        }
        x = nx - 1;
    }
    for (; x < nx; x++)
        if ((x & 1) == odd)
            row[x] = (right[x] + ((a.s * a.south[x] + a.n * a.north[x]) + (a.d * a.down[x] + a.u * a.up[x]))
                      + (west[x] * row[x - 1] + (x + 1 < nx ? east[x] * row[x + 1] : 0.0))) * inverse[x];
}

static void smooth_plane(const Level *l, int64_t z, int colour) {
    for (int64_t y = 0; y < l->ny; y++) {
        int64_t at = (z * l->ny + y) * l->nx;
        smooth_row(l->value + at, l->right + at, l->inverse + at, l->below[X], l->above[X], around(l, z, y), l->nx,
                   (int)((colour + y + z) & 1));
    }
}

/* Right-hand side and neighbours of a row, into `out`. */
static inline void balance_row(double *restrict out, const Level *l, const double *restrict row,
                               const double *restrict right, Around a) {
    const double *restrict west = l->below[X], *restrict east = l->above[X];
    int64_t nx = l->nx;
    for (int64_t x = 0; x < nx; x++)
        out[x] = right[x] + ((a.s * a.south[x] + a.n * a.north[x]) + (a.d * a.down[x] + a.u * a.up[x]));
    for (int64_t x = 1; x < nx - 1; x++) out[x] += west[x] * row[x - 1] + east[x] * row[x + 1];
    if (nx > 1) out[0] += east[0] * row[1], out[nx - 1] += west[nx - 1] * row[nx - 2];
}

/* Add a row to the coarse one it belongs to, by volume. */
static inline void average_row(double *restrict coarse, const double *restrict row, const double *restrict fill,
                               double weight, int64_t nx) {
    for (int64_t k = 0; k < nx / 2; k++)
        coarse[k] += weight * (fill[2 * k] * row[2 * k] + fill[2 * k + 1] * row[2 * k + 1]);
    if (nx % 2) coarse[nx / 2] += weight * (fill[nx - 1] * row[nx - 1]);
}

/* One red-black sweep; black follows one plane behind. */
void smooth(double *c, const Hierarchy *h, int64_t level) {
    Level l = open_level(c, h, level);
    for (int64_t z = 0; z <= l.nz; z++) {
        if (z < l.nz) smooth_plane(&l, z, 0);
        if (z) smooth_plane(&l, z - 1, 1);
    }
}

static void residual_plane(const Level *l, const Level *coarse, int64_t z, double *restrict out) {
    for (int64_t y = 0; y < l->ny; y++) {
        int64_t at = (z * l->ny + y) * l->nx;
        const double *restrict row = l->value + at, *restrict inverse = l->inverse + at;
        balance_row(out, l, row, l->right + at, around(l, z, y));
        for (int64_t x = 0; x < l->nx; x++) {
            double whole = 1.0 / inverse[x];
            out[x] -= inverse[x] > 0.0 ? row[x] * whole : 0.0;
        }
        average_row(coarse->right + (z / 2 * coarse->ny + y / 2) * coarse->nx, out, l->fill[X],
                    l->fill[Y][y] * l->fill[Z][z], l->nx);
    }
}

/* A sweep, and what it leaves to the next level, two planes behind. */
static void down(double *c, const Hierarchy *h, int64_t level, double *scratch) {
    Level l = open_level(c, h, level), coarse = open_level(c, h, level + 1);
    size_t bytes = sizeof(double) * (size_t)(coarse.nx * coarse.ny * coarse.nz);
    memset(coarse.right, 0, bytes), memset(coarse.value, 0, bytes);
    for (int64_t z = 0; z < l.nz + 2; z++) {
        if (z < l.nz) smooth_plane(&l, z, 0);
        if (z >= 1 && z <= l.nz) smooth_plane(&l, z - 1, 1);
        if (z >= 2) residual_plane(&l, &coarse, z - 2, scratch);
    }
}

static void correct_plane(const Level *l, const Level *coarse, int64_t z, double *scratch) {
    int64_t n = coarse->nx, plane = n * coarse->ny, nx = l->nx;
    double *restrict mixed = scratch + 1; /* a zero on either side: their weights are zero */
    const double *restrict near = l->near[X], *restrict far = l->far[X];
    for (int64_t y = 0; y < l->ny; y++) {
        double a = l->near[Z][z] * l->near[Y][y], b = l->near[Z][z] * l->far[Y][y];
        double d = l->far[Z][z] * l->near[Y][y], e = l->far[Z][z] * l->far[Y][y];
        const double *restrict p = coarse->value + z / 2 * plane + y / 2 * n;
        const double *restrict q = coarse->value + z / 2 * plane + l->other[Y][y] * n;
        const double *restrict r = coarse->value + l->other[Z][z] * plane + y / 2 * n;
        const double *restrict s = coarse->value + l->other[Z][z] * plane + l->other[Y][y] * n;
        double *restrict row = l->value + (z * l->ny + y) * nx;
        for (int64_t k = 0; k < n; k++) mixed[k] = (a * p[k] + b * q[k]) + (d * r[k] + e * s[k]);
        scratch[0] = mixed[n] = 0.0;
        for (int64_t k = 0; k < nx / 2; k++) {
            row[2 * k] += near[2 * k] * mixed[k] + far[2 * k] * mixed[k - 1];
            row[2 * k + 1] += near[2 * k + 1] * mixed[k] + far[2 * k + 1] * mixed[k + 1];
        }
        if (nx % 2) row[nx - 1] += near[nx - 1] * mixed[n - 1] + far[nx - 1] * mixed[n - 2 < 0 ? 0 : n - 2];
    }
}

/* The correction of the next level, and a sweep behind it. */
static void up(double *c, const Hierarchy *h, int64_t level, double *scratch) {
    Level l = open_level(c, h, level), coarse = open_level(c, h, level + 1);
    for (int64_t z = 0; z < l.nz + 2; z++) {
        if (z < l.nz) correct_plane(&l, &coarse, z, scratch);
        if (z >= 1 && z <= l.nz) smooth_plane(&l, z - 1, 0);
        if (z >= 2) smooth_plane(&l, z - 2, 1);
    }
}

/* Reciprocal diagonals of a row, and its losses as a coarser lattice feels them, into `sink`. */
static inline void invert_row(double *restrict inverse, double *restrict sink, double *restrict diagonal,
                              const double *restrict own, double others, int64_t nx) {
    for (int64_t x = 0; x < nx; x++) {
        double coupling = own[x] + others, reach = REACH * coupling, whole = coupling + sink[x], held = sink[x] + reach;
        diagonal[x] = whole;
        inverse[x] = whole > 0.0 ? 1.0 / whole : 0.0;
        sink[x] = reach > 0.0 ? sink[x] * reach / held : sink[x];
    }
}

/* Coefficients of all levels about `c`; returns the sum of squares of the residual, and of all supply in `supplied`. */
double linearise(double *c, const Hierarchy *h, int64_t levels, const double *loss, const double *gain,
                 const double *highest, double half, double *supplied) {
    Level l = open_level(c, h, 0);
    int64_t nx = l.nx, plane = nx * l.ny;
    double *restrict sink = malloc(sizeof(double) * (size_t)nx), *restrict out = malloc(sizeof(double) * (size_t)nx);
    double *restrict diagonal = malloc(sizeof(double) * (size_t)nx), rest = 0.0, all = 0.0, per_half = 1.0 / half;
    for (int64_t level = 0; level < levels - 1; level++) {
        Level at = open_level(c, h, level), coarse = open_level(c, h, level + 1);
        memset(coarse.sink, 0, sizeof(double) * (size_t)(coarse.nx * coarse.ny * coarse.nz));
        for (int64_t z = 0; z < at.nz; z++)
            for (int64_t y = 0; y < at.ny; y++) {
                int64_t here = (z * at.ny + y) * at.nx;
                double others = at.own[Y][y] + at.own[Z][z];
                if (level == 0) {
                    double brought = at.inflow[Y][y] + at.inflow[Z][z];
                    const double *restrict value = at.value + here, *restrict into = at.inflow[X];
                    const double *restrict lost = loss + z * plane + y * nx, *restrict given = gain + z * plane + y * nx;
                    const double *restrict most = highest + z * plane + y * nx;
                    double *restrict right = at.right + here;
                    for (int64_t x = 0; x < nx; x++) {
                        double positive = value[x] < 0.0 ? 0.0 : value[x], share = positive / (positive + half);
                        double supply = given[x] + (into[x] + brought);
                        right[x] = (given[x] - most[x] * (share * share)) + (into[x] + brought);
                        sink[x] = lost[x] + most[x] * ((1.0 - share) * (1.0 - share)) * per_half;
                        out[x] = supply * supply;
                    }
                    for (int64_t x = 0; x < nx; x++) all += out[x];
                } else {
                    memcpy(sink, at.sink + here, sizeof(double) * (size_t)at.nx);
                }
                invert_row(at.inverse + here, sink, diagonal, at.own[X], others, at.nx);
                if (level == 0) {
                    balance_row(out, &at, at.value + here, at.right + here, around(&at, z, y));
                    for (int64_t x = 0; x < nx; x++) out[x] -= diagonal[x] * at.value[here + x];
                    for (int64_t x = 0; x < nx; x++) rest += out[x] * out[x];
                }
                average_row(coarse.sink + (z / 2 * coarse.ny + y / 2) * coarse.nx, sink, at.fill[X],
                            at.fill[Y][y] * at.fill[Z][z], at.nx);
            }
    }
    Level last = open_level(c, h, levels - 1);
    last.inverse[0] = inverted(last.own[X][0] + last.own[Y][0] + last.own[Z][0] + last.sink[0]);
    free(sink), free(out), free(diagonal);
    *supplied = all;
    return rest;
}

/* One V-cycle with one sweep before and after the correction of each level. */
void cycle(double *c, const Hierarchy *h, int64_t levels) {
    double *scratch = malloc(sizeof(double) * (size_t)(h->shape[X] + 8));
    for (int64_t level = 0; level < levels - 1; level++) down(c, h, level, scratch);
    smooth(c, h, levels - 1);
    for (int64_t level = levels - 2; level >= 0; level--) up(c, h, level, scratch);
    free(scratch);
}
