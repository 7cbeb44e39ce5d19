/* One step of the agents of the lattice: lymphocytes move, hold and kill; tumour cells divide, change and die.
 *
 * The rules, the random numbers and the order of phases are those of src/tumorsim/kernels (motility.py, contact.py,
 * cycle.py, chance.py, random.py) and outcomes agree bit for bit: compile without -ffast-math and with
 * -ffp-contract=off. Only how voxels are found differs: bytes are scanned 64 at a time for what needs work.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"  /* records of kernels/layout.py and kernels/tissue.py, */
#include "lattice.h" /* State, Clock and Bids of kernels/lattice.py and motility.py, written by yardstick.py */

enum { STROMA, TUMOUR, DEAD, VESSEL };
enum { RESISTANT = 1, ANTIGEN_LOW = 2, MHC_LOW = 4 };
enum { ALIVE, BY_TURNOVER, BY_DRUG, BY_HYPOXIA, BY_DEPOT, BY_MEMORY, BY_PRODUCT, FATES };
enum { FREE, ENGAGED, EXHAUSTED, GONE };
enum { NOBODY = -1, NO_WAY = 0, ROOM = 8, ROOM_BESIDE = 1, SWITCHES = 64 };
enum { STREAM_CELL = 24, STREAM_MUTATION = 25, STREAM_CLEARANCE = 27, STREAM_MOTION = 29, STREAM_CONTACT = 30 };
enum { KILL, LET_GO, EXHAUST, DIE };
enum { DIRECTIONS = 26 };

/* 26 neighbours: faces, edges, corners, each in order of z, y, x. */
static int DZ[DIRECTIONS], DY[DIRECTIONS], DX[DIRECTIONS], OPPOSITE[DIRECTIONS];

__attribute__((constructor)) static void make_directions(void) {
    int n = 0;
    for (int length = 1; length <= 3; length++)
        for (int z = -1; z <= 1; z++)
            for (int y = -1; y <= 1; y++)
                for (int x = -1; x <= 1; x++)
                    if (z * z + y * y + x * x == length) DZ[n] = z, DY[n] = y, DX[n] = x, n++;
    for (int i = 0; i < DIRECTIONS; i++)
        for (int j = 0; j < DIRECTIONS; j++)
            if (DZ[i] == -DZ[j] && DY[i] == -DY[j] && DX[i] == -DX[j]) OPPOSITE[i] = j;
}

/* --- random numbers ---------------------------------------------------------------- */
#define MULTIPLIER_0 0xD2E7470EE14C6C93u
#define MULTIPLIER_1 0xCA5A826395121157u
#define WEYL_0 0x9E3779B97F4A7C15u
#define WEYL_1 0xBB67AE8584CAA73Bu

typedef struct { uint64_t w[4]; } Words;
typedef unsigned __int128 wide;

/* Philox 4x64-10: each product of 64 by 64 bits is one instruction here. */
static inline Words philox(uint64_t k0, uint64_t k1, uint64_t who, uint64_t when, uint64_t item) {
    uint64_t c0 = who + 1, c1 = when, c2 = item, c3 = 0;
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        wide a = (wide)MULTIPLIER_0 * c0, b = (wide)MULTIPLIER_1 * c2;
        c0 = (uint64_t)(b >> 64) ^ c1 ^ k0, c1 = (uint64_t)b;
        c2 = (uint64_t)(a >> 64) ^ c3 ^ k1, c3 = (uint64_t)a;
        k0 += WEYL_0, k1 += WEYL_1;
    }
    return (Words){{c0, c1, c2, c3}};
}

static inline double unit(uint64_t bits) { return ((double)(int64_t)(bits >> 12) + 0.5) * 0x1p-52; }

/* Bits from which on `unit` reaches a limit: draws can be compared before they become doubles. */
static uint64_t bits_at(double limit) {
    if (!(limit > unit(0))) return 0;
    if (limit > unit(~0ull)) return ~0ull;
    uint64_t low = 0, high = (1ull << 52) - 1; /* unit(high << 12) >= limit > unit(low << 12) */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (unit(middle << 12) >= limit) high = middle; else low = middle;
    }
    return high << 12;
}

#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(PLAIN_PHILOX)
#include <immintrin.h>
/* Upper and lower word of eight products by one constant, from products of 32 by 32 bits. */
static inline __m512i multiply(__m512i a, uint64_t constant, __m512i *lower) {
    __m512i b = _mm512_set1_epi64((long long)constant), b_high = _mm512_set1_epi64((long long)(constant >> 32));
    __m512i a_high = _mm512_srli_epi64(a, 32), mask = _mm512_set1_epi64(0xFFFFFFFFll);
    __m512i ll = _mm512_mul_epu32(a, b), lh = _mm512_mul_epu32(a, b_high);
    __m512i hl = _mm512_mul_epu32(a_high, b), hh = _mm512_mul_epu32(a_high, b_high);
    __m512i middle = _mm512_add_epi64(hl, _mm512_srli_epi64(ll, 32));
    __m512i low = _mm512_add_epi64(lh, _mm512_and_si512(middle, mask));
    *lower = _mm512_or_si512(_mm512_slli_epi64(low, 32), _mm512_and_si512(ll, mask));
    return _mm512_add_epi64(_mm512_add_epi64(hh, _mm512_srli_epi64(middle, 32)), _mm512_srli_epi64(low, 32));
}
/* Words 0 and 2 for eight cells. */
static inline void philox8(uint64_t k0, uint64_t k1, __m512i who, uint64_t when, __m512i *w0, __m512i *w2) {
    __m512i c0 = _mm512_add_epi64(who, _mm512_set1_epi64(1)), c1 = _mm512_set1_epi64((long long)when);
    __m512i c2 = _mm512_setzero_si512(), c3 = c2, la, lb;
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        __m512i ha = multiply(c0, MULTIPLIER_0, &la), hb = multiply(c2, MULTIPLIER_1, &lb);
        c0 = _mm512_ternarylogic_epi64(hb, c1, _mm512_set1_epi64((long long)k0), 0x96), c1 = lb;
        c2 = _mm512_ternarylogic_epi64(ha, c3, _mm512_set1_epi64((long long)k1), 0x96), c3 = la;
        k0 += WEYL_0, k1 += WEYL_1;
    }
    *w0 = c0, *w2 = c2;
}
#define EIGHT 1
#endif

/* --- places ------------------------------------------------------------------------- */
static inline int64_t neighbour(int64_t z, int64_t y, int64_t x, int way, const Grid *g) {
    int64_t zz = z + DZ[way], yy = y + DY[way], xx = x + DX[way];
    int inside = (uint64_t)zz < (uint64_t)g->nz && (uint64_t)yy < (uint64_t)g->ny && (uint64_t)xx < (uint64_t)g->nx;
    return inside ? (zz * g->ny + yy) * g->nx + xx : NOBODY;
}
static inline void place_of(int64_t voxel, const Grid *g, int64_t *z, int64_t *y, int64_t *x) {
    uint32_t rest = (uint32_t)voxel / (uint32_t)g->nx; /* lattices have fewer than 2^32 voxels: a short division */
    *x = voxel - (int64_t)rest * g->nx;
    *z = rest / (uint32_t)g->ny;
    *y = rest - *z * g->ny;
}
static inline int64_t block_of(int64_t z, int64_t y, int64_t x, const Grid *g) {
    uint32_t f = (uint32_t)g->factor;
    return ((uint32_t)z / f * g->by + (uint32_t)y / f) * g->bx + (uint32_t)x / f;
}
static inline int room(int kind) { return kind == TUMOUR || kind == DEAD ? ROOM_BESIDE : ROOM; }

/* Numbers of the bytes that are not zero, in order; returns how many. */
static int64_t find_set(const uint8_t *bytes, int64_t first, int64_t last, int64_t *found) {
    int64_t n = 0, i = first;
    for (; i + 8 <= last; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, 8);
        if (eight == 0) continue;
        for (int j = 0; j < 8; j++) found[n] = i + j, n += bytes[i + j] != 0;
    }
    for (; i < last; i++)
        if (bytes[i]) found[n++] = i;
    return n;
}

/* --- laws --------------------------------------------------------------------------- */
typedef struct {
    const Traits *traits;
    const Tissue *tissue;
    const Depot *depot;
    const Product *products;
    int64_t count;
} Rules;

static inline double larger(double a, double b) { return a > b ? a : b; } /* fmax is a call */
static inline double half_saturation(double amount, double half) { return amount / (amount + half); }
static inline double emax(double ceiling, double amount, double half) { return ceiling * half_saturation(amount, half); }
static inline double stress_of(const double *e) { return 1.0 - (1.0 - e[0]) * (1.0 - e[4]); }
static inline double to_resistant(double divisions, double stress, const Resistance *r) {
    return r->mutation_probability * divisions + r->switch_on_rate * stress;
}
static inline double birth_rate(double rate, double factor, double inhibition) { return rate * factor * (1.0 - inhibition); }
static inline double birth_factor(double oxygen, double normal, double half) {
    return half_saturation(oxygen, half) / half_saturation(normal, half);
}
static inline double probability(double rate, double dt) { return -expm1(-rate * dt); }

static int first_event(double u, const double *rates, int n, double dt) {
    double total = 0.0;
    for (int i = 0; i < n; i++) total += rates[i];
    if (u >= total * dt) return -1;
    double happens = probability(total, dt);
    if (u >= happens) return -1;
    double left = u / happens * total;
    int last = -1;
    for (int i = 0; i < n; i++) {
        if (rates[i] > 0.0) {
            last = i;
            if (left < rates[i]) return i;
        }
        left -= rates[i];
    }
    return last;
}

/* --- tumour cells ------------------------------------------------------------------- */
/* What the rates of all cells nowhere exceed, as bits of a draw: most cells are spared the rest. The sums are in the
 * order of the rates, so that rounding cannot put a rate above its bound. */
typedef struct { uint64_t event, hypoxic, change; } Bounds;

static Bounds bounds_of(const State *s, const Rules *r, double dt) {
    const Growth *g = &r->traits->growth;
    const Signals *q = &r->tissue->signals;
    int64_t blocks = s->grid.bz * s->grid.by * s->grid.bx;
    double drug = 0.0, stress = 0.0, level = 0.0, interferon = 0.0;
    for (int64_t b = 0; b < blocks; b++) {
        const double *e = s->fields.effects + 8 * b;
        drug = larger(drug, larger(e[2], e[3])), stress = larger(stress, stress_of(e));
        level = larger(level, s->fields.depot[b]), interferon = larger(interferon, s->fields.interferon[b]);
    }
    double normal = half_saturation(1.0, r->traits->vessels.half_perfusion);
    double plenty = birth_factor(1.0, normal, g->hypoxia_half_effect), depot = emax(r->depot->kill_rate, level, r->depot->ec50);
    double both = birth_rate(g->growth_rate, plenty, 0.0) + g->turnover_rate + g->turnover_rate + drug;
    double switching = larger(r->traits->resistance.switch_off_rate, to_resistant(0.0, stress, &r->traits->resistance));
    double change = switching + q->mhc_restoration_rate * half_saturation(interferon, q->interferon_half_effect);
    return (Bounds){bits_at((both + 0.0 + depot) * dt), bits_at((both + r->tissue->oxygen.necrosis_rate + depot) * dt),
                    bits_at(change * dt)};
}

static int is_free(const State *s, int64_t voxel) {
    return voxel != NOBODY && s->voxels.kind[voxel] == STROMA && s->voxels.load[voxel] <= ROOM_BESIDE;
}
static int free_way(double u, int64_t z, int64_t y, int64_t x, const State *s) {
    int ways[DIRECTIONS], n = 0;
    for (int way = 0; way < DIRECTIONS; way++)
        if (is_free(s, neighbour(z, y, x, way, &s->grid))) ways[n++] = way;
    int chosen = (int)(u * n);
    return chosen < n ? 1 + ways[chosen] : NO_WAY;
}

/* What one cell does whose draws may let something happen. */
static void decide_cell(int64_t voxel, const State *s, const Clock *clock, const Rules *r, uint8_t *fates) {
    const Growth *g = &r->traits->growth;
    const Oxygen *o2 = &r->tissue->oxygen;
    Words words = philox(clock->seed, STREAM_CELL, s->voxels.ident[voxel], (uint64_t)clock->step, 0);
    int64_t z, y, x;
    place_of(voxel, &s->grid, &z, &y, &x);
    int64_t block = block_of(z, y, x, &s->grid);
    const double *e = s->fields.effects + 8 * block;
    int own = s->voxels.traits[voxel], resistant = own & RESISTANT;
    double oxygen = s->fields.oxygen[voxel], half = r->traits->vessels.half_perfusion;
    double rate = g->growth_rate, inhibition = e[0], drug = e[2];
    if (resistant) rate *= 1.0 - r->traits->resistance.fitness_cost, inhibition = e[1], drug = e[3];
    double local = half_saturation(oxygen / o2->normal_oxygen, half), normal = half_saturation(1.0, half);
    double factor = birth_factor(local, normal, g->hypoxia_half_effect);
    double rates[5] = {birth_rate(rate, factor, inhibition) + g->turnover_rate, g->turnover_rate, drug,
                       oxygen < o2->necrosis_oxygen ? o2->necrosis_rate : 0.0,
                       emax(r->depot->kill_rate, s->fields.depot[block], r->depot->ec50)};
    int event = first_event(unit(words.w[0]), rates, 5, clock->dt);
    if (event > 0) {
        fates[voxel] = (uint8_t)event;
        return;
    }
    if (event == 0) s->voxels.intent[voxel] = (uint8_t)free_way(unit(words.w[1]), z, y, x, s);
    double change[2] = {r->traits->resistance.switch_off_rate, 0.0};
    if (!resistant) change[0] = to_resistant(0.0, stress_of(e), &r->traits->resistance);
    if (own & MHC_LOW) {
        const Signals *q = &r->tissue->signals;
        change[1] = q->mhc_restoration_rate * half_saturation(s->fields.interferon[block], q->interferon_half_effect);
    }
    event = first_event(unit(words.w[2]), change, 2, clock->dt);
    if (event >= 0) fates[voxel] = (uint8_t)(SWITCHES + event);
}

static void decide_cells(const State *s, const Clock *clock, const Rules *r, uint8_t *fates, int64_t *list) {
    int64_t plane = s->grid.ny * s->grid.nx;
    const uint8_t *kind = s->voxels.kind;
    const uint32_t *ident = s->voxels.ident;
    const double *oxygen = s->fields.oxygen;
    uint64_t seed = clock->seed, step = (uint64_t)clock->step;
    Bounds bound = bounds_of(s, r, clock->dt);
    double starving = r->tissue->oxygen.necrosis_oxygen;
    memset(s->voxels.intent, NO_WAY, (size_t)(plane * s->grid.nz));
    memset(fates, ALIVE, (size_t)(plane * s->grid.nz));
    int32_t *cells = malloc(sizeof(int32_t) * (size_t)(plane + 16));
    uint32_t *names = malloc(sizeof(uint32_t) * (size_t)(plane + 16));
    for (int64_t z = 0; z < s->grid.nz; z++) {
        int64_t start = z * plane, n = 0, few = 0, i = 0, v = start;
#ifdef EIGHT
        __m512i number = _mm512_add_epi32(_mm512_set1_epi32((int)start), _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6,
                                                                                          5, 4, 3, 2, 1, 0));
        for (; v + 16 <= start + plane; v += 16, number = _mm512_add_epi32(number, _mm512_set1_epi32(16))) {
            __m512i kinds = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(kind + v)));
            __mmask16 is = _mm512_cmpeq_epi32_mask(kinds, _mm512_set1_epi32(TUMOUR));
            _mm512_storeu_si512(cells + n, _mm512_maskz_compress_epi32(is, number));
            _mm512_storeu_si512(names + n, _mm512_maskz_compress_epi32(is, _mm512_loadu_si512(ident + v)));
            n += __builtin_popcount(is);
        }
#endif
        for (; v < start + plane; v++) { /* without a branch: it would be guessed wrong too often */
            cells[n] = (int32_t)v, names[n] = ident[v];
            n += kind[v] == TUMOUR;
        }
#ifdef EIGHT
        __m512i event8 = _mm512_set1_epi64((long long)bound.event), change8 = _mm512_set1_epi64((long long)bound.change);
        __m512i hypoxic8 = _mm512_set1_epi64((long long)bound.hypoxic), w0, w2;
        for (; i + 8 <= n; i += 8) {
            __m512i who = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(names + i)));
            philox8(seed, STREAM_CELL, who, step, &w0, &w2);
            unsigned sure = _mm512_cmplt_epu64_mask(w0, event8) | _mm512_cmplt_epu64_mask(w2, change8);
            unsigned hit = sure | _mm512_cmplt_epu64_mask(w0, hypoxic8);
            for (; hit; hit &= hit - 1) {
                int lane = __builtin_ctz(hit);
                list[few] = cells[i + lane];
                few += (sure >> lane & 1) || oxygen[list[few]] < starving;
            }
        }
#endif
        for (; i < n; i++) {
            Words words = philox(seed, STREAM_CELL, names[i], step, 0);
            list[few] = cells[i];
            few += (words.w[0] < bound.event) || (words.w[2] < bound.change)
                || (words.w[0] < bound.hypoxic && oxygen[cells[i]] < starving);
        }
        for (i = 0; i < few; i++) decide_cell(list[i], s, clock, r, fates);
    }
    free(cells), free(names);
}

static int goes_first(uint64_t one, uint64_t other, const Clock *clock) {
    uint64_t a = philox(clock->seed, STREAM_CELL, one, (uint64_t)clock->step, 0).w[3];
    uint64_t b = philox(clock->seed, STREAM_CELL, other, (uint64_t)clock->step, 0).w[3];
    return a > b || (a == b && one < other);
}

/* Returns the births. */
static int64_t place_daughters(const State *s, const Clock *clock, uint8_t *winners, int64_t *list) {
    const Grid *g = &s->grid;
    int64_t voxels = g->nz * g->ny * g->nx, births = 0, n = find_set(s->voxels.intent, 0, voxels, list);
    memset(winners, NO_WAY, (size_t)voxels);
    for (int64_t i = 0; i < n; i++) {
        int64_t voxel = list[i], z, y, x;
        place_of(voxel, g, &z, &y, &x);
        int way = s->voxels.intent[voxel] - 1;
        int64_t target = neighbour(z, y, x, way, g);
        if (winners[target] == NO_WAY) {
            births++;
        } else {
            int64_t rival = neighbour(z + DZ[way], y + DY[way], x + DX[way], winners[target] - 1, g);
            if (!goes_first(s->voxels.ident[voxel], s->voxels.ident[rival], clock)) continue;
        }
        winners[target] = (uint8_t)(1 + OPPOSITE[way]);
    }
    return births;
}

static void settle_daughters(const State *s, const Clock *clock, const Rules *r, const uint8_t *winners, int64_t child,
                             int64_t *list) {
    const Grid *g = &s->grid;
    const Resistance *p = &r->traits->resistance;
    int64_t n = find_set(winners, 0, g->nz * g->ny * g->nx, list);
    for (int64_t i = 0; i < n; i++, child++) {
        int64_t voxel = list[i], z, y, x;
        place_of(voxel, g, &z, &y, &x);
        int64_t mother = neighbour(z, y, x, winners[voxel] - 1, g);
        Words words = philox(clock->seed, STREAM_MUTATION, (uint64_t)child, (uint64_t)clock->step, 0);
        uint8_t born = s->voxels.traits[mother];
        if (unit(words.w[0]) < p->mutation_probability) born |= RESISTANT;
        if (unit(words.w[1]) < p->antigen_loss_probability) born |= ANTIGEN_LOW;
        s->voxels.kind[voxel] = TUMOUR, s->voxels.traits[voxel] = born, s->voxels.ident[voxel] = (uint32_t)child;
        s->lineage.parent[child] = s->voxels.ident[mother], s->lineage.clone[child] = born;
        s->lineage.birth[child] = (int32_t)clock->step, s->lineage.death[child] = NOBODY;
        s->lineage.fate[child] = ALIVE, s->lineage.last_clone[child] = born;
    }
}

static void settle_cells(const State *s, const Clock *clock, const Rules *r, const uint8_t *fates, const uint8_t *killed,
                         int64_t *tally, int64_t *list) {
    int64_t plane = s->grid.ny * s->grid.nx;
    uint8_t *kind = s->voxels.kind, *traits = s->voxels.traits;
    double cleared = probability(r->traits->growth.dead_clearance_rate, clock->dt);
    uint8_t *busy = malloc((size_t)plane);
    for (int64_t z = 0; z < s->grid.nz; z++) {
        int64_t *found = tally + z * (FATES + 1), start = z * plane, alive = 0;
        for (int k = 0; k <= FATES; k++) found[k] = 0;
        for (int64_t v = start; v < start + plane; v++) {
            int tumour = kind[v] == TUMOUR;
            busy[v - start] = (uint8_t)(kind[v] == DEAD) | (uint8_t)(tumour & ((fates[v] | killed[v]) != 0));
        }
        for (int64_t v = start; v < start + plane; v++) alive += kind[v] == TUMOUR;
        int64_t n = find_set(busy, 0, plane, list);
        for (int64_t i = 0; i < n; i++) {
            int64_t v = start + list[i];
            if (kind[v] == DEAD) {
                if (unit(philox(clock->seed, STREAM_CLEARANCE, (uint64_t)v, (uint64_t)clock->step, 0).w[0]) < cleared)
                    kind[v] = STROMA, found[FATES]++;
                continue;
            }
            int end = killed[v] ? (killed[v] < BY_PRODUCT ? killed[v] : BY_PRODUCT) : fates[v];
            uint32_t cell = s->voxels.ident[v];
            if (end >= SWITCHES) {
                traits[v] ^= end == SWITCHES ? RESISTANT : MHC_LOW;
                s->lineage.last_clone[cell] = traits[v];
                continue;
            }
            kind[v] = end == BY_TURNOVER ? STROMA : DEAD;
            s->lineage.death[cell] = (int32_t)clock->step, s->lineage.fate[cell] = (uint8_t)end;
            s->lineage.last_clone[cell] = traits[v];
            found[end]++;
            alive--;
        }
        found[ALIVE] = alive;
    }
    free(busy);
}

/* Division, death, change and clearance; returns the births. `tally` is (nz, FATES + 1). */
int64_t turn_over(const State *s, const Clock *clock, const Rules *r, uint8_t *fates, uint8_t *winners,
                  const uint8_t *killed, int64_t *tally, int64_t first_child) {
    int64_t voxels = s->grid.nz * s->grid.ny * s->grid.nx;
    int64_t *list = malloc(sizeof(int64_t) * (size_t)(voxels + 8));
    decide_cells(s, clock, r, fates, list);
    uint8_t *restrict intent = s->voxels.intent;
    for (int64_t v = 0; v < voxels; v++) intent[v] = killed[v] ? NO_WAY : intent[v];
    int64_t births = place_daughters(s, clock, winners, list);
    settle_daughters(s, clock, r, winners, first_child, list);
    settle_cells(s, clock, r, fates, killed, tally, list);
    free(list);
    return births;
}

/* --- lymphocytes -------------------------------------------------------------------- */
static inline void bid(int64_t row, int64_t voxel, uint64_t priority, const Bids *b) {
    b->goal[row] = (int32_t)voxel, b->priority[row] = priority;
    b->before[row] = b->first[voxel], b->first[voxel] = (int32_t)row;
}
static int bids_ahead(int64_t row, const int64_t *ident, const Bids *b) {
    int ahead = 0;
    uint64_t own = b->priority[row];
    for (int32_t other = b->first[b->goal[row]]; other != NOBODY; other = b->before[other])
        ahead += b->priority[other] > own || (b->priority[other] == own && ident[other] < ident[row]);
    return ahead;
}

static double jump_probability(const Motility *m, const Grid *g, double dt) {
    double dimensions = g->nz == 1 ? 2.0 : 3.0, axis = 1.0 + 2.0 * 0.25;
    double straight = (1.0 + m->persistence) / (1.0 - m->persistence);
    double mean = dimensions * 2.0 * 0.25 * pow(axis, dimensions - 1) / (pow(axis, dimensions) - 1.0);
    return 2.0 * dimensions * m->coefficient * dt / (mean * (g->spacing * g->spacing) * straight);
}
static double slope(const double *field, int64_t at, int64_t index, int64_t size, int64_t stride) {
    int64_t low = index < 1 ? index : 1, high = size - 1 - index < 1 ? size - 1 - index : 1;
    return low + high == 0 ? 0.0 : (field[at + high * stride] - field[at - low * stride]) / (double)(low + high);
}
static int choose_direction(double u, double bias_z, double bias_y, double bias_x, const Grid *g) {
    double bias[3] = {bias_z, bias_y, bias_x}, w[3][3];
    for (int a = 0; a < 3; a++) w[a][0] = 0.25 * exp(-bias[a]), w[a][1] = 1.0, w[a][2] = 0.25 * exp(bias[a]);
    if (g->nz == 1) w[0][0] = 0.0, w[0][2] = 0.0;
    double total = (w[0][0] + 1.0 + w[0][2]) * (w[1][0] + 1.0 + w[1][2]) * (w[2][0] + 1.0 + w[2][2]);
    double left = u * (total - 1.0);
    int last = 0;
    for (int way = 0; way < DIRECTIONS; way++) {
        double weight = w[0][1 + DZ[way]] * w[1][1 + DY[way]] * w[2][1 + DX[way]];
        if (weight > 0.0) {
            last = way;
            if (left < weight) return way;
        }
        left -= weight;
    }
    return last;
}

/* All sub-steps of motility. */
void move(const State *s, int64_t count, int64_t substeps, const Bids *b, const Clock *clock, const Rules *r) {
    const Grid *g = &s->grid;
    const Motility *m = &r->tissue->motility;
    const Lymphocytes *p = &s->lymphocytes;
    const double *chemokine = s->fields.chemokine;
    double jump = jump_probability(m, g, clock->dt / (double)substeps);
    for (int64_t substep = 0; substep < substeps; substep++) {
        for (int64_t row = 0; row < count; row++) {
            b->goal[row] = NOBODY;
            if (p->state[row] != FREE && p->state[row] != EXHAUSTED) continue;
            Words words = philox(clock->seed, STREAM_MOTION, (uint64_t)p->ident[row], (uint64_t)clock->step,
                                 (uint64_t)substep);
            double u = unit(words.w[0]);
            if (u >= jump) continue;
            int64_t z, y, x;
            place_of(p->voxel[row], g, &z, &y, &x);
            int heading = p->heading[row];
            if (heading == NO_WAY || unit(words.w[1]) >= m->persistence) {
                int64_t f = g->factor, at = block_of(z, y, x, g);
                double scale = 1.0 / ((double)f * (chemokine[at] + 0.01));
                double gz = slope(chemokine, at, z / f, g->bz, g->by * g->bx) * scale;
                double gy = slope(chemokine, at, y / f, g->by, g->bx) * scale;
                double gx = slope(chemokine, at, x / f, g->bx, 1) * scale;
                double felt = 1.0 / (1.0 + sqrt(gz * gz + gy * gy + gx * gx)), chi = m->chemotaxis;
                heading = 1 + choose_direction(unit(words.w[2]), chi * (gz * felt), chi * (gy * felt), chi * (gx * felt), g);
            }
            int64_t target = neighbour(z, y, x, heading - 1, g);
            if (target == NOBODY) {
                p->heading[row] = NO_WAY;
                continue;
            }
            int kind = s->voxels.kind[target];
            if (u < jump * (kind == TUMOUR || kind == DEAD ? m->tumour_entry : 1.0)) {
                b->way[row] = (uint8_t)heading;
                bid(row, target, words.w[3], b);
            }
        }
        for (int64_t row = 0; row < count; row++)
            if (b->goal[row] != NOBODY) {
                int left = room(s->voxels.kind[b->goal[row]]) - s->voxels.load[b->goal[row]];
                if (bids_ahead(row, p->ident, b) >= left) b->way[row] = NO_WAY;
            }
        for (int64_t row = 0; row < count; row++) {
            int32_t goal = b->goal[row];
            if (goal == NOBODY) continue;
            b->first[goal] = NOBODY;
            p->heading[row] = b->way[row];
            if (b->way[row] != NO_WAY) s->voxels.load[p->voxel[row]]--, s->voxels.load[goal]++, p->voxel[row] = goal;
        }
    }
}

static int holders_at_most(int64_t product, const Rules *r) {
    if (product == r->count) return 1;
    int most = (int)floor(r->products[product].half_e_to_t + 0.5);
    return most > 1 ? most : 1;
}
static int attacks(int64_t product, int traits, const Rules *r) {
    if (product == r->count) return !(traits & MHC_LOW);
    const Product *p = &r->products[product];
    return !((traits & RESISTANT && p->resistant_activity <= 0.0) || (traits & ANTIGEN_LOW && p->antigen_low_activity <= 0.0));
}
static void release(int64_t row, int becomes, const State *s) {
    int32_t *target = &s->lymphocytes.target[row];
    if (*target != NOBODY) s->voxels.held[*target]--, *target = NOBODY;
    s->lymphocytes.state[row] = (uint8_t)becomes;
}

static void engage(const State *s, int64_t count, const Bids *b, const Clock *clock, const Rules *r) {
    const Lymphocytes *p = &s->lymphocytes;
    const Grid *g = &s->grid;
    double takes = probability(r->tissue->contact.engagement_rate, clock->dt);
    for (int64_t row = 0; row < count; row++) {
        b->goal[row] = NOBODY;
        if (p->state[row] != FREE) continue;
        /* the draw first: who does not seek need not look around */
        Words words = philox(clock->seed, STREAM_CONTACT, (uint64_t)p->ident[row], (uint64_t)clock->step, 0);
        if (unit(words.w[0]) >= takes) continue;
        int64_t found[DIRECTIONS + 1], z, y, x, product = p->product[row];
        int n = 0, most = holders_at_most(product, r);
        place_of(p->voxel[row], g, &z, &y, &x);
        for (int way = -1; way < DIRECTIONS; way++) {
            int64_t at = way < 0 ? p->voxel[row] : neighbour(z, y, x, way, g);
            if (at == NOBODY || s->voxels.kind[at] != TUMOUR || s->voxels.held[at] >= most) continue;
            if (attacks(product, s->voxels.traits[at], r)) found[n++] = at;
        }
        if (n > 0) bid(row, found[(int)(unit(words.w[1]) * n)], words.w[2], b);
    }
    for (int64_t row = 0; row < count; row++)
        if (b->goal[row] != NOBODY) {
            int ahead = s->voxels.held[b->goal[row]] + bids_ahead(row, p->ident, b);
            b->way[row] = ahead >= holders_at_most(p->product[row], r) ? NO_WAY : 1;
        }
    for (int64_t row = 0; row < count; row++) {
        int32_t goal = b->goal[row];
        if (goal == NOBODY) continue;
        b->first[goal] = NOBODY;
        if (b->way[row] != NO_WAY) p->state[row] = ENGAGED, p->target[row] = goal, s->voxels.held[goal]++;
    }
}

static double killing_rate(int64_t product, int cell, int64_t voxel, int64_t block, const State *s, const Rules *r) {
    const Suppression *q = &r->traits->suppression;
    const Vessels *v = &r->traits->vessels;
    const double *e = s->fields.effects + 8 * block;
    double oxygen = half_saturation(s->fields.oxygen[voxel] / r->tissue->oxygen.normal_oxygen, v->half_perfusion);
    double hypoxic = 1.0 - q->hypoxic * (1.0 - oxygen);
    double vegf = half_saturation(s->fields.vegf[block], v->vegf_half_effect);
    double filters = (1.0 - q->baseline * s->fields.suppressors[block]) * hypoxic * (1.0 - q->vegf * vegf);
    if (product == r->count) return cell & MHC_LOW ? 0.0 : r->tissue->contact.memory_kill_rate * filters;
    const Product *p = &r->products[product];
    double low = p->kill_rate * (filters * (1.0 - e[6]) / p->half_e_to_t);
    double adcc = p->adcc_gain * p->cd16_fraction * e[7], high = low * (1.0 + 1.0 * (adcc + p->car_gain));
    double hazards[4] = {high, p->resistant_activity * high, p->antigen_low_activity * low,
                         p->antigen_low_activity * p->resistant_activity * low};
    return (1.0 - p->cytostatic_share) * hazards[cell & 3];
}

static void meet_fates(const State *s, int64_t count, const Bids *b, const Clock *clock, const Rules *r) {
    const Lymphocytes *p = &s->lymphocytes;
    for (int64_t row = 0; row < count; row++) {
        b->goal[row] = NOBODY;
        if (p->state[row] == GONE) continue;
        int64_t product = p->product[row];
        int memory = product == r->count;
        double rates[4] = {0.0, 0.0, 0.0,
                           memory ? r->tissue->contact.memory_death_rate : r->products[product].tumour_death_rate};
        if (p->state[row] == ENGAGED) {
            int64_t voxel = p->target[row], z, y, x;
            place_of(voxel, &s->grid, &z, &y, &x);
            rates[KILL] = killing_rate(product, s->voxels.traits[voxel], voxel, block_of(z, y, x, &s->grid), s, r);
            rates[LET_GO] = r->tissue->contact.release_rate;
            rates[EXHAUST] = memory ? 0.0 : r->products[product].exhaustion_rate;
        }
        Words words = philox(clock->seed, STREAM_CONTACT, (uint64_t)p->ident[row], (uint64_t)clock->step, 1);
        int event = first_event(unit(words.w[0]), rates, 4, clock->dt);
        if (event == KILL) bid(row, p->target[row], words.w[1], b);
        else if (event == LET_GO) release(row, FREE, s);
        else if (event == EXHAUST) release(row, EXHAUSTED, s);
        else if (event == DIE) release(row, GONE, s), s->voxels.load[p->voxel[row]]--;
    }
}

/* Lymphocytes take hold, kill, let go, exhaust and die, and the table is closed up; returns the rows in use. */
int64_t engage_and_kill(const State *s, int64_t count, uint8_t *killed, int64_t *kills, const Bids *b, const Clock *clock,
                        const Rules *r) {
    const Lymphocytes *p = &s->lymphocytes;
    memset(killed, 0, (size_t)(s->grid.nz * s->grid.ny * s->grid.nx));
    for (int64_t row = 0; row < count; row++)
        if (p->state[row] == ENGAGED && s->voxels.kind[p->target[row]] != TUMOUR) release(row, FREE, s);
    engage(s, count, b, clock, r);
    meet_fates(s, count, b, clock, r);
    for (int64_t row = 0; row < count; row++)
        if (b->goal[row] != NOBODY && bids_ahead(row, p->ident, b) == 0) {
            int32_t product = p->product[row];
            killed[b->goal[row]] = (uint8_t)(product == r->count ? BY_MEMORY : BY_PRODUCT + product);
            kills[product]++;
            p->kills[row]++;
        }
    for (int64_t row = 0; row < count; row++) {
        if (b->goal[row] != NOBODY) b->first[b->goal[row]] = NOBODY;
        if (p->state[row] == ENGAGED && killed[p->target[row]] != ALIVE) release(row, FREE, s);
    }
    int64_t last = 0;
    for (int64_t row = 0; row < count; row++) {
        if (p->state[row] == GONE) continue;
        p->ident[last] = p->ident[row], p->product[last] = p->product[row], p->voxel[last] = p->voxel[row];
        p->heading[last] = p->heading[row], p->state[last] = p->state[row], p->target[last] = p->target[row];
        p->born[last] = p->born[row], p->kills[last] = p->kills[row];
        last++;
    }
    return last;
}
