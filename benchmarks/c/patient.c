/* The patient model between two events, LANES patients side by side, written for speed.
 *
 * Laws, tableau, weights of modes, tolerances and step controller are those of src/tumorsim/kernels (derivatives.py and
 * the laws it calls, decay.py, integrate.py); the names are theirs. Every lane has its own time, step and number of
 * lesions; a lane that has finished a segment takes the next one. Drugs, products and lanes are fixed when this is
 * compiled. What the product does beside integrating (deaths, small lesions, trajectories, visits) is left out, but not
 * that a hundredth of an effector or a millionth of a milligram is none: it decides how long steps are (advance.py).
 *
 * Two things that the laws do not show save most:
 * - What the decay of modes leaves over enters a substance by its first compartment alone, the blood. So one number a
 *   stage is kept of a drug or a product, each mode takes its share of it, and of the inner stages only what the laws
 *   ask for is worked out: the first compartment, and the helpers.
 * - Nothing depends on the cumulative hazards. They are a quadrature, worked out after the stages, and not at all at
 *   the second, to which the tableau gives no weight.
 */
#include "layout.h" /* records of kernels/layout.py, written by yardstick.py */
#include "lanes.h"

/* As in the state vectors that are given. */
#define BODY (2 * DRUGS + 4 * PRODUCTS + 5)
#define WIDTH (10 + 2 * PRODUCTS)
#define STATES (BODY + WIDTH * MOST_LESIONS)
#define TAIL (BODY - 5)
enum { DEAD = 4, CAPACITY, MATURITY, EMBOLISED, VEGF_PULSE, EXTINCTION, HEAD };

/* As they are kept here: rows that go through the stages. No lesion is small, so its extinction integral rests. */
enum { MEMORY, RESERVE, TWO };
#define HELD EXTINCTION /* effectors in a lesion begin here */
#define LESION (WIDTH - 1)
#define ROWS (TWO + LESION * MOST_LESIONS)
#define HAZARDS 3

#define STAGES 7
#define SUBSTANCES (DRUGS + PRODUCTS)
#define SOME(n) ((n) > 0 ? (n) : 1) /* length of an array of so many */
#define MOST 4 /* compartments of a substance */
#define WEIGHED 3 /* of them modes that take from what is left over; the lung only empties */
#define CAUTION 300.0
#define SERIES 0.1
#define RISEN 0.02 /* share of its clearance by which that of a drug may rise before its modes are found anew */

/* Constants of the patients in the lanes; what depends on parameters alone is worked out once. */
typedef struct {
    vec clearance, rise, per_rise_time, start, per_volume, saturable, half, input, to_level;
    vec prolif, prolif_half, cytotoxic, cytotoxic_half, vessel, vessel_half, suppress, suppress_half, opsonise;
    vec opsonise_half, residual;
} DrugLanes;
typedef struct {
    vec tumour_death, exhaustion, kill, half, resistant, antigen_low, adcc, car, cytostatic;
} ProductLanes;
typedef struct {
    DrugLanes drug[SOME(DRUGS)];
    ProductLanes product[SOME(PRODUCTS)];
    vec plenty_flow, plenty_half, per_normal_factor, turnover, dead_clearance, per_density;
    vec mutation, switch_on, switch_off, resistant_share, antigen_loss;
    vec capacity_growth, vegf_half, capacity_loss, embolised_loss, maturation, pruning, pruning_half4, relaxation;
    vec baseline_maturity, flow_level, flow_slope, half_perfusion, recanalisation, secretion, hypoxic_gain, pulse_decay;
    vec recruitment, gain_level, maturity_gain, adhesion_half, access_scale;
    vec filter, hypoxic, vegf;
    vec expansion, half_antigen, helper_gain, helper_half, memory_loss, memory_kill;
    vec decline, tumour_cost, reserve;
    vec other, tumour_rate, per_half_burden, tumour_exponent, liver_rate, liver_slope;
    vec rate[MOST_LESIONS], present[MOST_LESIONS]; /* present: 1 or 0 */
} Constants;

/* Modes of a drug or a product in the lanes. A lane without it has modes that stay zero. */
typedef struct {
    vec rate[MOST], into[MOST], from[MOST][MOST]; /* from: compartment, mode */
    vec decline; /* when they were found: of a drug its clearance, of a product what lesions take of it a day */
    vec start[MOST], now[MOST];
    vec left[5][MOST];              /* of each mode at the five nodes after the start */
    vec weight[STAGES][6][WEIGHED]; /* by stage and slope, with the step and the share of the mode in it */
    vec error[WEIGHED];
    vec surplus[STAGES]; /* what is left over, at the stages */
} Modes;

typedef struct {
    vec y[ROWS], y_new[ROWS], k[STAGES][ROWS];
    vec body[SOME(TAIL)], body_new[SOME(TAIL)]; /* compartments */
    vec hazard[HAZARDS], hazard_new[2], hazard_slope[2], hazard_last[2]; /* slopes at start and end of the step */
    vec volume[STAGES], reserve[STAGES]; /* of tumour and of liver, at the stages */
    vec uptake;                          /* of effectors in blood by all lesions, 1/day */
    Modes modes[SOME(SUBSTANCES)];
    Constants c;
    int some[SOME(SUBSTANCES)]; /* lanes that have it: a mask */
    int lesions;                /* most in any lane */
} Lanes;

INLINE int compartments(int substance) { return substance < DRUGS ? 2 : 4; }
INLINE int first_of(int substance) { return substance < DRUGS ? 2 * substance : 2 * DRUGS + 4 * (substance - DRUGS); }

INLINE vec clearance_at(vec t, const DrugLanes *p) {
    return p->clearance * (1.0 + p->rise * (1.0 - v_exp(-positive(t - p->start) * p->per_rise_time)));
}

/* Slopes of memory, reserve and lesions at a stage, and what is left over of drugs and products. */
static void slopes(int stage, vec t, const vec *restrict y, vec *restrict dy, Lanes *restrict w, const vec *central,
                   const vec *helping, int lesions) {
    const Constants *c = &w->c;
    vec births_s = all(1.0), births_r = c->resistant_share, kill_s = all(0.0), kill_r = all(0.0);
    vec sprout_s = all(1.0), sprout_r = all(1.0), effectors = all(1.0), bare = all(1.0);
    vec pruned = all(0.0), maturing = all(0.0), stress = all(0.0);
    int drugged = 0;
    for (int d = 0; d < DRUGS; d++) {
        if (!w->some[d]) continue;
        drugged = 1;
        const DrugLanes *p = &c->drug[d];
        vec level = central[d] * p->per_volume;
        w->modes[d].surplus[stage] = p->input - p->saturable * level * reciprocal(level + p->half)
                                   - (clearance_at(t, p) - w->modes[d].decline) * level;
        vec amount = central[d] * p->to_level;
        vec inhibition = p->prolif * amount * reciprocal(amount + p->prolif_half);
        vec cytotoxic = p->cytotoxic * amount * reciprocal(amount + p->cytotoxic_half);
        vec blocked = p->vessel * amount * reciprocal(amount + p->vessel_half);
        births_s *= 1.0 - inhibition;
        births_r *= 1.0 - p->residual * inhibition;
        kill_s += cytotoxic;
        kill_r += p->residual * cytotoxic;
        sprout_s *= 1.0 - blocked;
        sprout_r *= 1.0 - p->residual * blocked;
        effectors *= 1.0 - p->suppress * amount * reciprocal(amount + p->suppress_half);
        bare *= 1.0 - p->opsonise * amount * reciprocal(amount + p->opsonise_half);
    }
    if (drugged) {
        vec blocked_s = 1.0 - sprout_s, power = blocked_s * blocked_s;
        power *= power;
        pruned = c->pruning * power * reciprocal(power + c->pruning_half4);
        maturing = c->maturation * blocked_s;
        stress = c->switch_on * (1.0 - births_s * sprout_s);
    }
    /* maturity: gain and return in one */
    vec to_maturity = maturing + c->relaxation * c->baseline_maturity, of_maturity = maturing + pruned + c->relaxation;
    /* what each product does to clones S, R, A and RA where all it meets is permitted: deaths and halted births */
    vec die[SOME(PRODUCTS)][4], halt[SOME(PRODUCTS)][4];
    for (int i = 0; i < PRODUCTS; i++) {
        const ProductLanes *p = &c->product[i];
        vec low = p->kill * effectors, low_a = p->antigen_low * low, lethal = 1.0 - p->cytostatic;
        vec high = low * (1.0 + p->adcc * (1.0 - bare) + p->car);
        die[i][0] = lethal * high, halt[i][0] = p->cytostatic * high;
        die[i][1] = lethal * p->resistant * high, halt[i][1] = p->cytostatic * p->resistant * high;
        die[i][2] = lethal * low_a, halt[i][2] = p->cytostatic * low_a;
        die[i][3] = lethal * p->resistant * low_a, halt[i][3] = p->cytostatic * p->resistant * low_a;
    }
    vec on = c->mutation * c->turnover + stress, escaping = c->antigen_loss * c->turnover;
    vec stay_s = 1.0 - c->mutation - c->antigen_loss, stay_r = 1.0 - c->antigen_loss, stay_a = 1.0 - c->mutation;
    vec out_s = on + escaping, out_r = c->switch_off + escaping;
    vec t_kill = c->memory_kill * y[MEMORY];
    vec cells_sum = all(0.0), antigen = all(0.0), uptake = all(0.0);
    for (int slot = 0; slot < lesions; slot++) {
        const vec *at = y + TWO + slot * LESION;
        vec *out = dy + TWO + slot * LESION;
        vec s = at[0], r = at[1], a = at[2], ra = at[3];
        vec cells = (s + r) + (a + ra), total = cells + at[DEAD];
        vec capacity = at[CAPACITY], maturity = at[MATURITY], embolised = at[EMBOLISED];
        /* reciprocals in pairs: one of the product, and each by the other factor */
        vec vessels = capacity + cells, both = reciprocal(vessels * capacity);
        vec flow = capacity * capacity * both * positive(c->flow_level + c->flow_slope * maturity) * (1.0 - embolised);
        vec from_flow = flow + c->half_perfusion, from_plenty = flow * c->plenty_flow + c->plenty_half;
        vec of_flow = reciprocal(from_flow * from_plenty);
        vec hypoxia = c->half_perfusion * of_flow * from_plenty; /* one less oxygen */
        vec plenty = c->per_normal_factor * flow * of_flow * from_flow;
        vec per_total = reciprocal(total + 1.0);
        vec vegf = c->secretion * cells * per_total * (1.0 + c->hypoxic_gain * hypoxia) + at[VEGF_PULSE];
        vec from_adhesion = c->adhesion_half + vegf, from_vegf = vegf + c->vegf_half;
        vec of_vegf = reciprocal(from_adhesion * from_vegf);
        vec vegf_share = vegf * of_vegf * from_adhesion;
        vec third = inverse_cube_root(larger(total, all(1e-30)));
        vec edge = c->access_scale * total * (third * third); /* cube root of volume over access volume */
        vec filters = c->filter * (1.0 - c->hypoxic * hypoxia) * (1.0 - c->vegf * vegf_share);
        vec permitted = filters * reciprocal(1.0 + edge);
        /* effectors enter, engage, exhaust */
        vec gain = positive(c->gain_level + c->maturity_gain * maturity);
        vec taken = c->recruitment * total * flow * gain * of_vegf * from_vegf;
        uptake += taken;
        vec crowding = c->rate[slot] * cells * both * vessels;
        vec t_cells = crowding + t_kill * permitted;
        vec lose_s = t_cells + kill_s, lose_r = t_cells + kill_r;
        vec lose_a = crowding + kill_s, lose_ra = crowding + kill_r;
        vec rate = c->rate[slot] * plenty;
        vec birth_s = rate * births_s, birth_r = rate * births_r, birth_a = birth_s, birth_ra = birth_r;
        for (int i = 0; i < PRODUCTS; i++) {
            const ProductLanes *p = &c->product[i];
            const vec *in = at + HELD + 2 * i;
            vec active = in[0], met = p->half * cells, share = active * reciprocal(active + met + 1.0);
            vec exhausting = p->exhaustion * met * share;
            out[HELD + 2 * i] = taken * central[DRUGS + i] - exhausting - p->tumour_death * active;
            out[HELD + 2 * i + 1] = exhausting - p->tumour_death * in[1];
            share *= permitted;
            lose_s += die[i][0] * share, lose_r += die[i][1] * share;
            lose_a += die[i][2] * share, lose_ra += die[i][3] * share;
            birth_s -= halt[i][0] * share, birth_r -= halt[i][1] * share;
            birth_a -= halt[i][2] * share, birth_ra -= halt[i][3] * share;
        }
        /* grow, mutate, switch */
        birth_s = positive(birth_s), birth_r = positive(birth_r);
        birth_a = positive(birth_a), birth_ra = positive(birth_ra);
        vec died = (lose_s * s + lose_r * r) + (lose_a * a + lose_ra * ra);
        vec released = c->dead_clearance * at[DEAD];
        vec on_s = c->mutation * birth_s + on, on_a = c->mutation * birth_a + on;
        vec escape_s = c->antigen_loss * birth_s + escaping, escape_r = c->antigen_loss * birth_r + escaping;
        out[0] = (stay_s * birth_s - out_s - lose_s) * s + c->switch_off * r;
        out[1] = (stay_r * birth_r - out_r - lose_r) * r + on_s * s;
        out[2] = (stay_a * birth_a - on - lose_a) * a + c->switch_off * ra + escape_s * s;
        out[3] = (birth_ra - c->switch_off - lose_ra) * ra + on_a * a + escape_r * r;
        out[DEAD] = died - released;
        /* vessels */
        vec calls = (s + a) * sprout_s + (r + ra) * sprout_r;
        vec viable = larger(cells, all(1e-30)), root = inverse_cube_root(viable);
        vec regression = c->capacity_loss * viable * root + c->embolised_loss * embolised;
        out[CAPACITY] = c->capacity_growth * calls * vegf_share - regression * capacity;
        out[MATURITY] = c->present[slot] * (to_maturity - of_maturity * maturity);
        out[EMBOLISED] = -c->recanalisation * embolised;
        out[VEGF_PULSE] = -c->pulse_decay * at[VEGF_PULSE];
        cells_sum += total;
        antigen += released;
    }
    vec volume = cells_sum * c->per_density;
    w->uptake = uptake;
    for (int i = 0; i < PRODUCTS; i++) {
        Modes *m = &w->modes[DRUGS + i];
        m->surplus[stage] = (m->decline - uptake) * central[DRUGS + i];
    }
    vec memory = y[MEMORY], reserve = y[RESERVE];
    vec helpers = *helping, of_helpers = helpers + c->helper_half, of_antigen = antigen + c->half_antigen;
    vec per = reciprocal(of_helpers * of_antigen);
    vec priming = c->expansion * antigen * per * (of_helpers + c->helper_gain * helpers);
    dy[MEMORY] = priming - (priming + c->memory_loss) * memory;
    dy[RESERVE] = -(c->decline + c->tumour_cost * volume) * reserve;
    w->volume[stage] = volume;
    w->reserve[stage] = reserve;
}

/* Slopes of the cumulative hazards by tumour and liver; `background` is the decline of the reserve by itself. */
INLINE void hazards(vec volume, vec reserve, vec background, const Constants *c, vec *slope) {
    vec failure = c->liver_rate * v_exp(c->liver_slope * (0.5 - reserve));
    vec explained = c->liver_rate * v_exp(c->liver_slope * (0.5 - c->reserve * background));
    vec burden = larger(volume * c->per_half_burden, all(1e-30));
    vec relative = v_exp(c->tumour_exponent * v_log(burden));
    vec excess = positive(failure - explained);
    slope[0] = c->tumour_rate * relative * reciprocal(1.0 + relative) + excess;
    slope[1] = failure - excess;
}

static const double NODE[] = {0.0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1.0, 1.0};
/* The tableau of Dormand and Prince; its last row but one is the solution, the last the estimate of its error. */
static const double A[][STAGES] = {
    {0},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
    {71.0 / 57600, 0.0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40}};

/* Weights of one mode for all stages of a step (decay.py), from integrals over a share of the step of its decay against
 * 1, s, s squared and so on: by exponentials, or by their series where these would cancel. At most nodes the
 * exponential is a power of another. */
static void weigh(vec h, Modes *m, int mode) {
    vec x = -m->rate[mode] * h, moment[5][3], m3 = all(0.0), m4 = all(0.0);
    int near = less(all(-SERIES), x);
    if (near != ALL_LANES) {
        vec far = choose(near, all(-1.0), larger(x, all(-700.0))), per = reciprocal(choose(near, all(-1.0), x));
        vec e1 = v_exp(0.1 * far), e2 = e1 * e1, e4 = e2 * e2, e8 = e4 * e4;
        m->left[0][mode] = e2, m->left[1][mode] = e2 * e1, m->left[2][mode] = e8;
        m->left[3][mode] = v_exp(8.0 / 9 * far), m->left[4][mode] = e8 * e2;
        for (int i = 0; i < 5; i++) {
            double c = NODE[i + 1];
            moment[i][0] = (m->left[i][mode] - 1.0) * per;
            moment[i][1] = (moment[i][0] - c) * per;
            moment[i][2] = (2.0 * moment[i][1] - c * c) * per;
        }
        m3 = (3.0 * moment[4][2] - 1.0) * per;
        m4 = (4.0 * m3 - 1.0) * per;
    } else
        memset(moment, 0, sizeof moment);
    if (near) {
        for (int i = 0; i < 5; i++) {
            double c = NODE[i + 1];
            vec v = x * c, q = all(1.0 / 40320);
            q = q * v + 1.0 / 5040, q = q * v + 1.0 / 720, q = q * v + 1.0 / 120, q = q * v + 1.0 / 24;
            vec n2 = 2.0 * c * c * c * (q * v + 1.0 / 6), n1, n0;
            if (i == 4) {
                q = all(24.0 / 362880), q = q * v + 24.0 / 40320, q = q * v + 24.0 / 5040, q = q * v + 24.0 / 720;
                vec n4 = q * v + 24.0 / 120, n3 = (x * n4 + 1.0) * 0.25;
                n2 = (x * n3 + 1.0) * (1.0 / 3);
                m3 = choose(near, n3, m3), m4 = choose(near, n4, m4);
            }
            n1 = (x * n2 + c * c) * 0.5;
            n0 = x * n1 + c;
            moment[i][0] = choose(near, n0, moment[i][0]);
            moment[i][1] = choose(near, n1, moment[i][1]);
            moment[i][2] = choose(near, n2, moment[i][2]);
            m->left[i][mode] = choose(near, x * n0 + 1.0, m->left[i][mode]);
        }
    }
    if (mode >= WEIGHED) return;
    vec by = h * m->into[mode];
#define W(stage, slope) m->weight[stage][slope][mode]
    W(1, 0) = by * moment[0][0];
    vec a2 = 5.0 * moment[1][1], a3, a4, a5;
    W(2, 0) = by * (moment[1][0] - a2), W(2, 1) = by * a2;
    a3 = 100.0 / 3 * moment[2][2] - 20.0 / 3 * moment[2][1];
    a2 = 5.0 * moment[2][1] - 1.5 * a3;
    W(3, 0) = by * (moment[2][0] - a2 - a3), W(3, 1) = by * a2, W(3, 2) = by * a3;
    for (int stage = 4; stage < 6; stage++) {
        const double c = NODE[stage];
        const vec *n = moment[stage - 1];
        a2 = A[stage][1] * (13.932 / (2.0 * c * c * c) * n[2] - 2.644 / (c * c) * n[1]);
        a5 = stage == 5 ? A[5][4] * n[0] : all(0.0);
        vec n1 = n[1] - 0.2 * a2 - 8.0 / 9 * a5, n2 = n[2] - 0.04 * a2 - 64.0 / 81 * a5;
        a4 = 2.5 * n2 - 0.75 * n1;
        a3 = 10.0 / 3 * n1 - 8.0 / 3 * a4;
        W(stage, 0) = by * (n[0] - a2 - a3 - a4 - a5), W(stage, 1) = by * a2, W(stage, 2) = by * a3;
        W(stage, 3) = by * a4, W(stage, 4) = by * a5;
    }
    vec m0 = moment[4][0], m1 = moment[4][1], m2 = moment[4][2];
    W(6, 0) = by * (m0 - 161.0 / 24 * m1 + 481.0 / 32 * m2 - 1345.0 / 96 * m3 + 75.0 / 16 * m4);
    W(6, 2) = by * (12800.0 / 1113 * m1 - 14400.0 / 371 * m2 + 48400.0 / 1113 * m3 - 6000.0 / 371 * m4);
    W(6, 3) = by * (-75.0 / 2 * m1 + 3275.0 / 16 * m2 - 4925.0 / 16 * m3 + 1125.0 / 8 * m4);
    W(6, 4) = by * (19683.0 / 424 * m1 - 439587.0 / 1696 * m2 + 688905.0 / 1696 * m3 - 164025.0 / 848 * m4);
    W(6, 5) = by * (-96.0 / 7 * m1 + 548.0 / 7 * m2 - 895.0 / 7 * m3 + 450.0 / 7 * m4);
#undef W
    m->error[mode] = CAUTION * by * m0;
}

/* Modes of a substance at a stage. */
INLINE void carry(int stage, int width, Modes *m) {
    int node = stage < 6 ? stage - 1 : 4;
    for (int i = 0; i < width; i++) {
        vec now = m->left[node][i] * m->start[i];
        if (i < WEIGHED)
            for (int j = 0; j < stage; j++)
                if (stage < 6 || j != 1) now += m->weight[stage][j][i] * m->surplus[j];
        m->now[i] = now;
    }
}

/* Compartment of a substance whose modes are in hand. */
INLINE vec compartment(int width, const vec *from, const vec *modes) {
    vec sum = from[0] * modes[0];
    for (int i = 1; i < width; i++) sum += from[i] * modes[i];
    return sum;
}

/* State at which a stage evaluates the slopes, and these. */
INLINE void take_stage(int stage, vec t, vec h, Lanes *restrict w) {
    vec *restrict y = w->y, *restrict z = w->y_new;
    vec (*restrict k)[ROWS] = w->k;
    int n = TWO + w->lesions * LESION;
    const double *a = A[stage];
    for (int i = 0; i < n; i++) {
        vec slope = a[0] * k[0][i];
        for (int j = 1; j < stage; j++)
            if (a[j] != 0.0) slope += a[j] * k[j][i];
        z[i] = y[i] + h * slope;
    }
    vec central[SOME(SUBSTANCES)], helpers = all(0.0);
    for (int u = 0; u < SUBSTANCES; u++) {
        Modes *m = &w->modes[u];
        central[u] = all(0.0);
        if (!w->some[u]) continue;
        carry(stage, compartments(u), m);
        central[u] = compartment(compartments(u), m->from[0], m->now);
        for (int i = 2; i < compartments(u); i++) helpers += compartment(compartments(u), m->from[i], m->now);
    }
    slopes(stage, t + NODE[stage] * h, z, k[stage], w, central, &helpers, w->lesions);
}

/* Embedded estimate of the error of a row. */
INLINE vec estimate(vec h, vec (*restrict k)[ROWS], int i) {
    const double *e = A[7];
    vec early = e[0] * k[0][i] + e[2] * k[2][i] + e[3] * k[3][i];
    return h * (early + (e[4] * k[4][i] + e[5] * k[5][i] + e[6] * k[6][i]));
}

/* An error over what is allowed. */
INLINE vec over(vec error, vec y, vec z, double least, vec tolerance) {
    vec allowed = least * 1e6 * tolerance + tolerance * larger(magnitude(y), magnitude(z));
    return magnitude(error) * rough_reciprocal(allowed);
}

/* One step from y with k[0]; fills y_new and k. Returns the largest error over its tolerance. */
static vec take_step(vec t, vec h, Lanes *restrict w, vec tolerance) {
    for (int u = 0; u < SUBSTANCES; u++)
        if (w->some[u])
            for (int i = 0; i < compartments(u); i++) weigh(h, &w->modes[u], i);
    take_stage(1, t, h, w);
    take_stage(2, t, h, w);
    take_stage(3, t, h, w);
    take_stage(4, t, h, w);
    take_stage(5, t, h, w);
    take_stage(6, t, h, w);
    const Constants *c = &w->c;
    vec worst = all(0.0);
    /* hazards: by powers of one exponential the reserve's own decline at all nodes */
    vec begun = v_exp(-c->decline * t), e1 = v_exp(-0.1 * h * c->decline), e2 = e1 * e1, e4 = e2 * e2;
    vec fallen[STAGES] = {begun, begun, begun * e2 * e1, begun * e4 * e4, begun * v_exp(-8.0 / 9 * h * c->decline),
                          begun * e4 * e4 * e2, begun * e4 * e4 * e2};
    vec rise[2], fault[2];
    for (int i = 0; i < 2; i++) rise[i] = A[6][0] * w->hazard_slope[i], fault[i] = A[7][0] * w->hazard_slope[i];
    for (int s = 2; s < STAGES; s++) {
        vec slope[2];
        hazards(w->volume[s], w->reserve[s], fallen[s], c, slope);
        for (int i = 0; i < 2; i++) rise[i] += A[6][s] * slope[i], fault[i] += A[7][s] * slope[i];
        if (s == STAGES - 1) w->hazard_last[0] = slope[0], w->hazard_last[1] = slope[1];
    }
    vec *restrict y = w->y, *restrict z = w->y_new;
    vec (*restrict k)[ROWS] = w->k;
    for (int i = 0; i < 2; i++) {
        w->hazard_new[i] = w->hazard[i] + h * rise[i];
        worst = larger(worst, over(h * fault[i], w->hazard[i], w->hazard_new[i], 1e-12, tolerance));
    }
    for (int i = 0; i < TWO; i++) worst = larger(worst, over(estimate(h, k, i), y[i], z[i], 1e-12, tolerance));
    for (int slot = 0; slot < w->lesions; slot++)
        for (int j = 0; j < LESION; j++) {
            static const double floor_of[] = {1e-6, 1e-6, 1e-6, 1e-6, 1e-5, 1e-5, 1e-12, 1e-12, 1e-5};
            int i = TWO + slot * LESION + j;
            double least = j < HELD ? floor_of[j] : 1e-5;
            worst = larger(worst, over(estimate(h, k, i), y[i], z[i], least, tolerance));
        }
    for (int u = 0; u < SUBSTANCES; u++) {
        if (!w->some[u]) continue;
        const Modes *m = &w->modes[u];
        const int width = compartments(u), first = first_of(u);
        vec fault = A[7][0] * m->surplus[0], errors[WEIGHED];
        for (int s = 2; s < STAGES; s++) fault += A[7][s] * m->surplus[s];
        int weighed = width < WEIGHED ? width : WEIGHED;
        for (int i = 0; i < weighed; i++) errors[i] = m->error[i] * fault;
        for (int i = 0; i < width; i++) {
            vec now = compartment(width, m->from[i], m->now), error = compartment(weighed, m->from[i], errors);
            w->body_new[first + i] = now;
            worst = larger(worst, over(error, w->body[first + i], now, u < DRUGS ? 1e-5 : 0.01, tolerance));
        }
    }
    return worst;
}

/* A stretch of one patient's course without events; patient and its first row of `rates` follow from the order. */
typedef struct {
    double begin, end, restart;
    int64_t patient, lesions;
} Segment;

/* Modes of compartments that lose at rates `leave` and exchange with the first alone: Jacobi's rotations of the
 * symmetric form. `from` takes modes to compartments, and `into` the first compartment to modes. Returns whether there
 * are any. */
static int find_modes(int n, const double *leave, const double *out, const double *back, double *rate, double *into,
                      double from[3][3], double to[3][3]) {
    double m[3][3] = {{0}}, u[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, scale[3] = {1, 1, 1};
    for (int i = 0; i < n; i++) m[i][i] = leave[i];
    for (int i = 1; i < n; i++) {
        if ((out[i] > 0.0) != (back[i] > 0.0)) return 0; /* an exchange in one direction only */
        if (out[i] > 0.0) m[0][i] = m[i][0] = -sqrt(out[i] * back[i]), scale[i] = sqrt(out[i] / back[i]);
    }
    for (int sweep = 0; sweep < 8; sweep++) {
        double off = fabs(m[0][1]) + fabs(m[0][2]) + fabs(m[1][2]);
        if (off <= 1e-17 * (m[0][0] + m[1][1] + m[2][2])) break;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++) {
                if (m[p][q] == 0.0) continue;
                double ratio = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                double tangent = copysign(1.0, ratio) / (fabs(ratio) + sqrt(ratio * ratio + 1.0));
                double cosine = 1.0 / sqrt(tangent * tangent + 1.0), sine = tangent * cosine;
                for (int i = 0; i < n; i++) {
                    double a = m[i][p], b = m[i][q], c = u[i][p], d = u[i][q];
                    m[i][p] = cosine * a - sine * b, m[i][q] = sine * a + cosine * b;
                    u[i][p] = cosine * c - sine * d, u[i][q] = sine * c + cosine * d;
                }
                for (int i = 0; i < n; i++) {
                    double a = m[p][i], b = m[q][i];
                    m[p][i] = cosine * a - sine * b, m[q][i] = sine * a + cosine * b;
                }
                m[p][q] = m[q][p] = 0.0;
            }
    }
    for (int i = 0; i < n; i++) {
        rate[i] = fmax(0.0, m[i][i]), into[i] = u[0][i];
        for (int j = 0; j < n; j++) from[j][i] = scale[j] * u[j][i], to[i][j] = u[j][i] / scale[j];
    }
    return 1;
}

/* Modes of a drug at the clearance of the day, into one lane. */
static int drug_modes(Modes *m, int l, double t, const vec *body, const Drug *p, const Intake *intake) {
    double days = fmax(0.0, t - intake->start), between = p->intercompartmental_clearance;
    double clearance = p->clearance * (1.0 + p->clearance_rise * (1.0 - exp(-days / p->clearance_rise_time)));
    double out[] = {0, between / p->volume}, back[] = {0, between / p->peripheral_volume};
    double leave[] = {clearance / p->volume + out[1], back[1]}, rate[3], into[3], from[3][3], to[3][3];
    if (!find_modes(2, leave, out, back, rate, into, from, to)) return 0;
    LANE(m->decline, l) = clearance;
    for (int i = 0; i < 2; i++) {
        LANE(m->rate[i], l) = rate[i], LANE(m->into[i], l) = into[i];
        double sum = 0.0;
        for (int j = 0; j < 2; j++) LANE(m->from[j][i], l) = from[j][i], sum += to[i][j] * LANE(body[j], l);
        LANE(m->start[i], l) = sum;
    }
    return 1;
}

/* Modes of effectors while lesions take a share of those in blood a day, into one lane; the last is the lung's. */
static int product_modes(Modes *m, int l, double uptake, const vec *body, const Product *p) {
    static const int place[] = {0, 2, 3};
    double blood = p->liver_uptake_rate + p->rest_uptake_rate + p->death_rate + uptake;
    double leaving = p->lung_release_rate + p->death_rate;
    double leave[] = {blood, p->liver_return_rate + p->death_rate, p->rest_return_rate + p->death_rate};
    double out[] = {0, p->liver_uptake_rate, p->rest_uptake_rate};
    double back[] = {0, p->liver_return_rate, p->rest_return_rate};
    double rate[3], into[3], from[3][3], to[3][3];
    if (!find_modes(3, leave, out, back, rate, into, from, to)) return 0;
    double lung = LANE(body[1], l), fed[3] = {0};
    LANE(m->decline, l) = uptake;
    LANE(m->rate[3], l) = leaving, LANE(m->into[3], l) = 0.0, LANE(m->start[3], l) = lung;
    for (int i = 0; i < 3; i++) {
        double gap = rate[i] - leaving;
        if (fabs(gap) < 1e-4 * (rate[i] + leaving)) return 0; /* rates that coincide */
        double share = into[i] * p->lung_release_rate / gap, sum = -share * lung;
        LANE(m->rate[i], l) = rate[i], LANE(m->into[i], l) = into[i];
        for (int j = 0; j < 3; j++) {
            LANE(m->from[place[j]][i], l) = from[j][i], fed[j] += from[j][i] * share;
            sum += to[i][j] * LANE(body[place[j]], l);
        }
        LANE(m->from[1][i], l) = 0.0;
        LANE(m->start[i], l) = sum;
    }
    for (int j = 0; j < 3; j++) LANE(m->from[place[j]][3], l) = fed[j];
    LANE(m->from[1][3], l) = 1.0;
    return 1;
}

/* A lane without a substance: modes that stay zero. */
static void no_modes(Modes *m, int l) {
    LANE(m->decline, l) = 0.0;
    for (int i = 0; i < MOST; i++) {
        LANE(m->rate[i], l) = 1.0; /* not one that would call for a series */
        LANE(m->into[i], l) = LANE(m->start[i], l) = 0.0;
        for (int j = 0; j < MOST; j++) LANE(m->from[j][i], l) = 0.0;
    }
}

static void set_patient(Constants *c, int l, const Traits *p, const Drug *drugs, const Product *products) {
    const Vessels *v = &p->vessels;
    double normal = 1.0 / (1.0 + v->half_perfusion);
    double density = p->growth.cell_density, side = cbrt(density);
    double slope = v->maturity_perfusion_gain / (1.0 - v->baseline_maturity);
    LANE(c->plenty_flow, l) = 1.0 + p->growth.hypoxia_half_effect;
    LANE(c->plenty_half, l) = p->growth.hypoxia_half_effect * v->half_perfusion;
    LANE(c->per_normal_factor, l) = (normal + p->growth.hypoxia_half_effect) / normal;
    LANE(c->turnover, l) = p->growth.turnover_rate;
    LANE(c->per_density, l) = 1.0 / density;
    LANE(c->dead_clearance, l) = p->growth.dead_clearance_rate;
    LANE(c->mutation, l) = p->resistance.mutation_probability;
    LANE(c->switch_on, l) = p->resistance.switch_on_rate;
    LANE(c->switch_off, l) = p->resistance.switch_off_rate;
    LANE(c->resistant_share, l) = 1.0 - p->resistance.fitness_cost;
    LANE(c->antigen_loss, l) = p->resistance.antigen_loss_probability;
    LANE(c->capacity_growth, l) = v->capacity_growth_rate;
    LANE(c->vegf_half, l) = v->vegf_half_effect;
    LANE(c->capacity_loss, l) = v->capacity_loss_rate / (side * side);
    LANE(c->embolised_loss, l) = v->embolised_loss_rate;
    LANE(c->maturation, l) = v->maturation_rate;
    LANE(c->pruning, l) = v->pruning_rate;
    LANE(c->pruning_half4, l) = pow(v->pruning_occupancy, 4.0);
    LANE(c->relaxation, l) = v->maturity_relaxation_rate;
    LANE(c->baseline_maturity, l) = v->baseline_maturity;
    LANE(c->flow_level, l) = 2.0 * (1.0 - slope * v->baseline_maturity);
    LANE(c->flow_slope, l) = 2.0 * slope;
    LANE(c->half_perfusion, l) = v->half_perfusion;
    LANE(c->recanalisation, l) = v->recanalisation_rate;
    LANE(c->secretion, l) = v->vegf_secretion * density / v->vegf_clearance_rate;
    LANE(c->hypoxic_gain, l) = v->hypoxic_vegf_gain;
    LANE(c->pulse_decay, l) = v->vegf_pulse_decay_rate;
    LANE(c->recruitment, l) = p->trafficking.recruitment * p->trafficking.vegf_adhesion_half / density;
    LANE(c->gain_level, l) = 1.0 - p->trafficking.maturity_gain * v->baseline_maturity;
    LANE(c->maturity_gain, l) = p->trafficking.maturity_gain;
    LANE(c->adhesion_half, l) = p->trafficking.vegf_adhesion_half;
    LANE(c->access_scale, l) = 1.0 / (cbrt(p->trafficking.access_volume) * side);
    LANE(c->filter, l) = 1.0 - p->suppression.baseline;
    LANE(c->hypoxic, l) = p->suppression.hypoxic;
    LANE(c->vegf, l) = p->suppression.vegf;
    LANE(c->expansion, l) = p->memory.expansion_rate;
    LANE(c->half_antigen, l) = p->memory.half_antigen;
    LANE(c->helper_gain, l) = p->memory.helper_gain;
    LANE(c->helper_half, l) = p->memory.helper_half;
    LANE(c->memory_loss, l) = p->memory.loss_rate;
    LANE(c->memory_kill, l) = p->memory.kill_rate * p->memory.mhc_positive_fraction;
    LANE(c->decline, l) = p->liver.decline_rate + p->liver.cirrhosis_decline_rate * p->cirrhosis;
    LANE(c->tumour_cost, l) = p->liver.tumour_cost;
    LANE(c->reserve, l) = p->reserve;
    LANE(c->other, l) = p->hazards.other_rate * exp(p->hazards.age_slope * (p->age - 55.0));
    LANE(c->tumour_rate, l) = p->hazards.tumour_rate;
    LANE(c->per_half_burden, l) = 1.0 / p->hazards.tumour_half_burden;
    LANE(c->tumour_exponent, l) = p->hazards.tumour_exponent;
    LANE(c->liver_rate, l) = p->hazards.liver_rate;
    LANE(c->liver_slope, l) = p->hazards.liver_slope;
    for (int d = 0; d < DRUGS; d++) {
        const Drug *q = &drugs[d];
        DrugLanes *to = &c->drug[d];
        LANE(to->clearance, l) = q->clearance;
        LANE(to->rise, l) = q->clearance_rise;
        LANE(to->per_rise_time, l) = 1.0 / q->clearance_rise_time;
        LANE(to->per_volume, l) = 1.0 / q->volume;
        LANE(to->saturable, l) = q->max_elimination;
        LANE(to->half, l) = q->half_elimination;
        LANE(to->to_level, l) = 1e6 / q->volume / q->molar_mass;
        LANE(to->prolif, l) = q->proliferation_emax;
        LANE(to->prolif_half, l) = q->proliferation_ec50;
        LANE(to->cytotoxic, l) = q->cytotoxic_rate;
        LANE(to->cytotoxic_half, l) = q->cytotoxic_ec50;
        LANE(to->vessel, l) = q->vessel_emax;
        LANE(to->vessel_half, l) = q->vessel_ec50;
        LANE(to->suppress, l) = q->effector_suppression_emax;
        LANE(to->suppress_half, l) = q->effector_suppression_ec50;
        LANE(to->opsonise, l) = q->opsonisation_emax;
        LANE(to->opsonise_half, l) = q->opsonisation_ec50;
        LANE(to->residual, l) = q->resistant_sensitivity;
    }
    for (int i = 0; i < PRODUCTS; i++) {
        const Product *q = &products[i];
        ProductLanes *to = &c->product[i];
        LANE(to->tumour_death, l) = q->tumour_death_rate;
        LANE(to->exhaustion, l) = q->exhaustion_rate;
        LANE(to->kill, l) = q->kill_rate;
        LANE(to->half, l) = q->half_e_to_t;
        LANE(to->resistant, l) = q->resistant_activity;
        LANE(to->antigen_low, l) = q->antigen_low_activity;
        LANE(to->adcc, l) = q->adcc_gain * q->cd16_fraction;
        LANE(to->car, l) = q->car_gain;
        LANE(to->cytostatic, l) = q->cytostatic_share;
    }
}

/* What is given about all segments, and results. */
typedef struct {
    const Segment *list;
    const double *start, *rates;
    const Intake *intake;
    const Traits *traits;
    const Drug *drugs;
    const Product *products;
} Given;

/* State at the start of a segment into one lane; slots without a lesion hold no cells and stay so. */
static void load_state(Lanes *w, int l, int64_t at, const Given *g) {
    const Segment *s = &g->list[at];
    const double *start = g->start + at * STATES, *rates = g->rates + at * MOST_LESIONS;
    for (int i = 0; i < TAIL; i++) LANE(w->body[i], l) = start[i];
    LANE(w->y[MEMORY], l) = start[TAIL], LANE(w->y[RESERVE], l) = start[TAIL + 1];
    for (int i = 0; i < HAZARDS; i++) LANE(w->hazard[i], l) = start[TAIL + 2 + i];
    for (int slot = 0; slot < MOST_LESIONS; slot++) {
        int here = slot < s->lesions;
        const double *from = start + BODY + slot * WIDTH;
        vec *to = w->y + TWO + slot * LESION;
        LANE(w->c.present[slot], l) = here;
        LANE(w->c.rate[slot], l) = here ? rates[slot] : 0.0;
        for (int i = 0; i < LESION; i++) LANE(to[i], l) = here ? from[i < HELD ? i : i + 1] : i == CAPACITY;
    }
    for (int d = 0; d < DRUGS; d++) {
        const Intake *intake = &g->intake[at * DRUGS + d];
        LANE(w->c.drug[d].start, l) = fmin(intake->start, 1e300);
        LANE(w->c.drug[d].input, l) = g->drugs[s->patient * DRUGS + d].bioavailability * intake->rate;
    }
}

/* State at the end of a segment, from one lane. */
static void store_state(const Lanes *w, int l, const Segment *s, const double *start, double *end) {
    for (int i = 0; i < TAIL; i++) end[i] = LANE(w->body[i], l);
    end[TAIL] = LANE(w->y[MEMORY], l), end[TAIL + 1] = LANE(w->y[RESERVE], l);
    for (int i = 0; i < HAZARDS; i++) end[TAIL + 2 + i] = LANE(w->hazard[i], l);
    for (int slot = 0; slot < s->lesions; slot++) {
        double *to = end + BODY + slot * WIDTH;
        const vec *from = w->y + TWO + slot * LESION;
        for (int i = 0; i < LESION; i++) to[i < HELD ? i : i + 1] = LANE(from[i], l);
        to[EXTINCTION] = start[BODY + slot * WIDTH + EXTINCTION];
    }
}

/* Slopes at the start of segments, in the lanes of a mask, and the modes for all of each; returns 0 if it has none. */
static int begin(int fresh, vec t, const int64_t *at, const Given *g, Lanes *w) {
    int lesions = 0;
    w->lesions = 0;
    for (int l = 0; l < LANES; l++) {
        if (at[l] < 0) continue;
        int here = (int)g->list[at[l]].lesions;
        if (here > w->lesions) w->lesions = here;
        if (fresh >> l & 1 && here > lesions) lesions = here;
    }
    vec central[SOME(SUBSTANCES)], helpers = all(0.0);
    for (int u = 0; u < SUBSTANCES; u++) {
        const vec *body = w->body + first_of(u);
        central[u] = body[0];
        if (u >= DRUGS) helpers += body[2] + body[3];
        w->some[u] = 0;
        for (int l = 0; l < LANES; l++) {
            double sum = 0.0;
            for (int i = 0; i < compartments(u); i++) sum += LANE(body[i], l);
            if (u < DRUGS) sum += LANE(w->c.drug[u].input, l);
            if (at[l] >= 0 && sum != 0.0) w->some[u] |= 1 << l;
        }
    }
    for (int u = 0; u < DRUGS; u++)
        for (int l = 0; l < LANES; l++) {
            if (!(fresh >> l & 1)) continue;
            no_modes(&w->modes[u], l);
            const Drug *p = &g->drugs[g->list[at[l]].patient * DRUGS + u];
            if (w->some[u] >> l & 1
                && !drug_modes(&w->modes[u], l, LANE(t, l), w->body + 2 * u, p, &g->intake[at[l] * DRUGS + u]))
                return 0;
        }
    /* others are worked out again too and left as they are: cheaper than one lane by itself */
    slopes(1, t, w->y, w->k[1], w, central, &helpers, lesions);
    for (int i = 0; i < ROWS; i++) /* other slots are empty, also when they come into use for the sake of others */
        w->k[0][i] = choose(fresh, i < TWO + lesions * LESION ? w->k[1][i] : all(0.0), w->k[0][i]);
    vec slope[2];
    hazards(w->volume[1], w->reserve[1], v_exp(-w->c.decline * t), &w->c, slope);
    for (int i = 0; i < 2; i++) w->hazard_slope[i] = choose(fresh, slope[i], w->hazard_slope[i]);
    for (int u = 0; u < DRUGS; u++)
        w->modes[u].surplus[0] = choose(fresh, w->modes[u].surplus[1], w->modes[u].surplus[0]);
    for (int i = 0; i < PRODUCTS; i++) {
        Modes *m = &w->modes[DRUGS + i];
        m->surplus[0] = choose(fresh, all(0.0), m->surplus[0]);
        for (int l = 0; l < LANES; l++) {
            if (!(fresh >> l & 1)) continue;
            no_modes(m, l);
            const Product *p = &g->products[g->list[at[l]].patient * PRODUCTS + i];
            if (w->some[DRUGS + i] >> l & 1
                && !product_modes(m, l, LANE(w->uptake, l), w->body + 2 * DRUGS + 4 * i, p))
                return 0;
        }
    }
    return 1;
}

/* Modes of drugs anew in lanes where the clearance has risen since they were found: what it has risen by would be left
 * over, and as quick as the modes themselves. Returns 0 if there are none. */
static int follow_clearance(int active, vec t, const int64_t *at, const Given *g, Lanes *w) {
    for (int u = 0; u < DRUGS; u++) {
        if (!w->some[u]) continue;
        Modes *m = &w->modes[u];
        vec rise = clearance_at(t, &w->c.drug[u]) - m->decline;
        int risen = w->some[u] & active & less(RISEN * m->decline, rise);
        for (int l = 0; risen >> l; l++) {
            if (!(risen >> l & 1)) continue;
            const vec *body = w->body + first_of(u);
            const Drug *p = &g->drugs[g->list[at[l]].patient * DRUGS + u];
            LANE(m->surplus[0], l) += LANE(rise, l) * LANE(body[0], l) / p->volume;
            if (!drug_modes(m, l, LANE(t, l), body, p, &g->intake[at[l] * DRUGS + u])) return 0;
        }
    }
    return 1;
}

/* Accept the step in the lanes of a mask. */
INLINE void accept(int good, vec step, Lanes *restrict w) {
    int n = TWO + w->lesions * LESION;
    for (int i = 0; i < n; i++) {
        w->y[i] = choose(good, w->y_new[i], w->y[i]);
        w->k[0][i] = choose(good, w->k[6][i], w->k[0][i]);
    }
    for (int u = 0; u < SUBSTANCES; u++) {
        if (!w->some[u]) continue;
        Modes *m = &w->modes[u];
        m->surplus[0] = choose(good, m->surplus[6], m->surplus[0]);
        for (int i = 0; i < compartments(u); i++) {
            vec *body = w->body + first_of(u) + i;
            m->start[i] = choose(good, m->now[i], m->start[i]);
            *body = choose(good, w->body_new[first_of(u) + i], *body);
        }
    }
    for (int i = 0; i < 2; i++) {
        w->hazard[i] = choose(good, w->hazard_new[i], w->hazard[i]);
        w->hazard_slope[i] = choose(good, w->hazard_last[i], w->hazard_slope[i]);
    }
    w->hazard[2] = choose(good, w->hazard[2] + step * w->c.other, w->hazard[2]);
}

/* Lanes in which a product or a drug has vanished; its states become zero. */
static int clear_traces(Lanes *w) {
    int gone = 0;
    for (int u = 0; u < SUBSTANCES; u++) {
        if (!w->some[u]) continue;
        vec *y = w->body + first_of(u), sum = y[0] + y[1];
        for (int i = 2; i < compartments(u); i++) sum += y[i];
        int now = w->some[u] & less(sum, all(u < DRUGS ? 1e-6 : 0.01));
        if (u < DRUGS) now &= at_most(w->c.drug[u].input, all(0.0));
        if (!now) continue;
        for (int i = 0; i < compartments(u); i++) y[i] = choose(now, all(0.0), y[i]);
        gone |= now;
    }
    return gone;
}

/* Carry every segment from its start to its end.
 *
 * order       segments of a patient follow one another; patients in the order they are taken up
 * start, end  (segments, STATES): given, filled
 * rates       (segments, MOST_LESIONS) growth rates
 * counted     accepted and rejected steps, filled
 * returns     0; 1 if a step became too small; 2 if compartments have no modes: rates that coincide, or an exchange in
 *             one direction only
 */
int integrate(int64_t segments, const Segment *list, const double *start, double *end, const double *rates,
              const Intake *intake, const Traits *traits, const Drug *drugs, const Product *products, double tolerance,
              int64_t *counted) {
    static Lanes lanes __attribute__((aligned(64)));
    Lanes *w = &lanes;
    const Given given = {list, start, rates, intake, traits, drugs, products};
    int64_t at[LANES], next = 0;
    int active = 0, need = ALL_LANES, stale = 0;
    vec t = all(0.0), until = all(0.0), h = all(0.05), last = all(log(1e-4)); /* logarithm of the last error */
    counted[0] = counted[1] = 0;
    memset(w, 0, sizeof *w);
    for (int l = 0; l < LANES; l++) at[l] = -1;
    /* `next` goes from patient to patient; a lane keeps its patient until the last of its segments. */
    for (;;) {
        int fresh = stale;
        stale = 0;
        for (int l = 0; need && l < LANES; l++) {
            if (!(need >> l & 1)) continue;
            int64_t following = at[l] + 1;
            if (at[l] < 0 || following == segments || list[following].patient != list[at[l]].patient) {
                following = next;
                if (next >= segments) { /* nothing left: the lane repeats its last step harmlessly, of length zero */
                    active &= ~(1 << l);
                    if (!active) return 0;
                    if (at[l] < 0) { /* fewer patients than lanes */
                        int64_t p = list[0].patient;
                        set_patient(&w->c, l, &traits[p], &drugs[p * DRUGS], &products[p * PRODUCTS]);
                        load_state(w, l, 0, &given);
                    }
                    at[l] = -2;
                    LANE(until, l) = LANE(t, l);
                    continue;
                }
                int64_t p = list[following].patient;
                while (next < segments && list[next].patient == p) next++;
                set_patient(&w->c, l, &traits[p], &drugs[p * DRUGS], &products[p * PRODUCTS]);
                LANE(h, l) = 0.05, LANE(last, l) = log(1e-4);
                active |= 1 << l;
            }
            at[l] = following;
            load_state(w, l, following, &given);
            LANE(t, l) = list[following].begin, LANE(until, l) = list[following].end;
            if (list[following].restart != 0.0) LANE(h, l) = fmin(LANE(h, l), 0.05);
            fresh |= 1 << l;
        }
        fresh &= active;
        if ((fresh || need) && !begin(fresh, t, at, &given, w)) return 2;
        if (!follow_clearance(active, t, at, &given, w)) return 2;
        vec left = until - t, step = smaller(h, left);
        vec error = take_step(t, step, w, all(tolerance));
        vec logarithm = v_log(larger(error, all(1e-30)));
        vec factor = 0.9 * v_exp(-0.17 * logarithm + 0.04 * last);
        factor = smaller(all(8.0), larger(all(0.2), factor));
        int good = at_most(error, all(1.0)), reaching = at_most(left, h);
        vec grown = choose(reaching, larger(h, step * factor), h * factor);
        if (good != ALL_LANES) {
            vec shrunk = step * larger(all(0.2), 0.9 * v_exp(-0.2 * logarithm));
            grown = choose(good, grown, shrunk);
        }
        accept(good, step, w);
        h = grown;
        last = choose(good, larger(logarithm, all(log(1e-4))), last);
        t = choose(good, choose(reaching, until, t + step), t);
        counted[0] += __builtin_popcount(good & active);
        counted[1] += __builtin_popcount(active & ~good);
        if (active & ~good & ~less(all(1e-9), h)) return 1;
        stale = clear_traces(w) & active & good;
        need = active & good & reaching;
        for (int l = 0; need >> l; l++)
            if (need >> l & 1) store_state(w, l, &list[at[l]], start + at[l] * STATES, end + at[l] * STATES);
        stale &= ~need;
    }
}
