/* Dormand-Prince 5(4) of the patient model between two events, LANES patients side by side.
 *
 * The laws, the tableau, the tolerances and the step controller are those of src/tumorsim/kernels (derivatives.py and
 * the laws it calls, integrate.py); the names are theirs. Every lane has its own time, step and number of lesions; a
 * lane that has finished a segment takes the next one. Drugs, products and lanes are fixed when this is compiled.
 * What the product does beside integrating (deaths, small lesions, trajectories, visits) is left out, but not that a
 * hundredth of an effector or a millionth of a milligram is none: it decides how long steps are (advance.py).
 */
#include "layout.h" /* records of kernels/layout.py, written by yardstick.py */
#include "lanes.h"

#define BODY (2 * DRUGS + 4 * PRODUCTS + 5)
#define WIDTH (10 + 2 * PRODUCTS)
#define STATES (BODY + WIDTH * MOST_LESIONS)
#define TAIL (BODY - 5)

enum { DEAD = 4, CAPACITY, MATURITY, EMBOLISED, VEGF_PULSE, EXTINCTION, HEAD };

/* Constants of the patients in the lanes; what depends on parameters alone is worked out once. */
typedef struct {
    vec clearance, rise, per_rise_time, start, per_volume, exchange, per_peripheral, saturable, half, input, to_level;
    vec prolif, prolif_half, cytotoxic, cytotoxic_half, vessel, vessel_half, suppress, suppress_half, opsonise;
    vec opsonise_half, residual;
} DrugLanes;
typedef struct {
    vec lung_release, liver_return, rest_return, liver_uptake, rest_uptake, blood_loss, lung_loss, liver_loss, rest_loss;
    vec tumour_death, exhaustion, kill, half, resistant, antigen_low, adcc, car, cytostatic;
} ProductLanes;
typedef struct {
    DrugLanes drug[DRUGS > 0 ? DRUGS : 1];
    ProductLanes product[PRODUCTS > 0 ? PRODUCTS : 1];
    vec hypoxia_half, per_normal_factor, turnover, per_density, dead_clearance;
    vec mutation, switch_on, switch_off, resistant_share, antigen_loss;
    vec capacity_growth, vegf_half, capacity_loss, embolised_loss, maturation, pruning, pruning_half4, relaxation;
    vec baseline_maturity, perfusion_slope, half_perfusion, recanalisation, secretion, hypoxic_gain, pulse_decay;
    vec recruitment, maturity_gain, adhesion_half, access_scale;
    vec filter, hypoxic, vegf;
    vec expansion, half_antigen, helper_gain, helper_half, memory_loss, memory_kill;
    vec decline, tumour_cost, reserve;
    vec other, tumour_rate, per_half_burden, tumour_exponent, liver_rate, liver_slope;
    vec rate[MOST_LESIONS], present[MOST_LESIONS]; /* present: 1 or 0 */
} Constants;

typedef struct {
    vec y[STATES], y_new[STATES], k[7][STATES];
    Constants c;
} Lanes;

static void derivatives(vec t, const vec *restrict y, vec *restrict dy, int lesions, const Constants *c) {
    vec births_s = all(1.0), births_r = all(1.0), kill_s = all(0.0), kill_r = all(0.0);
    vec sprout_s = all(1.0), sprout_r = all(1.0), killers = all(1.0), bare = all(1.0);
    for (int d = 0; d < DRUGS; d++) {
        const DrugLanes *p = &c->drug[d];
        vec level = y[2 * d] * p->per_volume;
        vec exchanged = p->exchange * (level - y[2 * d + 1] * p->per_peripheral);
        vec saturable = p->saturable * level * reciprocal(level + p->half);
        vec days = positive(t - p->start);
        vec cleared = p->clearance * (1.0 + p->rise * (1.0 - v_exp(-days * p->per_rise_time))) * level + saturable;
        dy[2 * d] = p->input - cleared - exchanged;
        dy[2 * d + 1] = exchanged;
        vec amount = y[2 * d] * p->to_level;
        vec inhibition = p->prolif * amount * reciprocal(amount + p->prolif_half);
        vec cytotoxic = p->cytotoxic * amount * reciprocal(amount + p->cytotoxic_half);
        vec blocked = p->vessel * amount * reciprocal(amount + p->vessel_half);
        births_s *= 1.0 - inhibition;
        births_r *= 1.0 - p->residual * inhibition;
        kill_s += cytotoxic;
        kill_r += p->residual * cytotoxic;
        sprout_s *= 1.0 - blocked;
        sprout_r *= 1.0 - p->residual * blocked;
        killers *= 1.0 - p->suppress * amount * reciprocal(amount + p->suppress_half);
        bare *= 1.0 - p->opsonise * amount * reciprocal(amount + p->opsonise_half);
    }
    vec helpers = all(0.0), leaving[PRODUCTS > 0 ? PRODUCTS : 1];
    for (int i = 0; i < PRODUCTS; i++) {
        const ProductLanes *p = &c->product[i];
        int at = 2 * DRUGS + 4 * i;
        vec blood = y[at], lung = y[at + 1], liver = y[at + 2], rest = y[at + 3];
        vec inflow = p->lung_release * lung + p->liver_return * liver + p->rest_return * rest;
        dy[at] = inflow - p->blood_loss * blood;
        dy[at + 1] = -p->lung_loss * lung;
        dy[at + 2] = p->liver_uptake * blood - p->liver_loss * liver;
        dy[at + 3] = p->rest_uptake * blood - p->rest_loss * rest;
        helpers += liver + rest;
        leaving[i] = all(0.0);
    }
    vec effectors = killers, opsonisation = 1.0 - bare; /* share of effectors that work; share of cells marked */
    vec blocked_s = 1.0 - sprout_s;
    vec stress = 1.0 - births_s * sprout_s;
    vec power = blocked_s * blocked_s;
    power *= power;
    vec pruned = c->pruning * power * reciprocal(power + c->pruning_half4);
    vec volume = all(0.0), antigen = all(0.0);
    for (int slot = 0; slot < lesions; slot++) {
        const vec *at = y + BODY + slot * WIDTH;
        vec *out = dy + BODY + slot * WIDTH, here = c->present[slot];
        vec s = at[0], r = at[1], a = at[2], ra = at[3];
        vec cells = (s + r) + (a + ra), total = cells + at[DEAD];
        vec capacity = at[CAPACITY], maturity = at[MATURITY], embolised = at[EMBOLISED];
        /* supply */
        vec density = 2.0 * capacity * reciprocal(capacity + cells);
        vec apart = maturity - c->baseline_maturity;
        vec flow = density * positive(1.0 + c->perfusion_slope * apart) * (1.0 - embolised);
        vec per_flow = reciprocal(flow + c->half_perfusion);
        vec oxygen = flow * per_flow;
        vec secreted = c->secretion * cells * reciprocal(total + 1.0) * (1.0 + c->hypoxic_gain * (1.0 - oxygen));
        vec vegf = secreted + at[VEGF_PULSE];
        vec own_volume = total * c->per_density;
        /* effectors enter, engage, exhaust */
        vec gain = positive(1.0 + c->maturity_gain * apart);
        vec taken = c->recruitment * own_volume * flow * gain * c->adhesion_half * reciprocal(c->adhesion_half + vegf);
        vec vegf_share = vegf * reciprocal(vegf + c->vegf_half);
        vec permitted = c->filter * (1.0 - c->hypoxic * (1.0 - oxygen)) * (1.0 - c->vegf * vegf_share);
        vec third = inverse_cube_root(larger(own_volume, all(1e-30)));
        vec edge = c->access_scale * own_volume * third * third; /* cube root of volume over access volume */
        permitted *= reciprocal(1.0 + edge);
        vec t_cells = c->memory_kill * y[TAIL] * permitted;
        vec lose_s = t_cells, lose_r = t_cells, lose_a = all(0.0), lose_ra = all(0.0);
        vec halt_s = all(0.0), halt_r = all(0.0), halt_a = all(0.0), halt_ra = all(0.0);
        for (int i = 0; i < PRODUCTS; i++) {
            const ProductLanes *p = &c->product[i];
            vec active = at[HEAD + 2 * i], met = p->half * cells, per = reciprocal(active + met + 1.0);
            vec entering = taken * y[2 * DRUGS + 4 * i] * here;
            vec exhausting = p->exhaustion * met * per * active;
            leaving[i] += entering;
            out[HEAD + 2 * i] = entering - exhausting - p->tumour_death * active;
            out[HEAD + 2 * i + 1] = exhausting - p->tumour_death * at[HEAD + 2 * i + 1];
            vec low = p->kill * active * per * permitted * effectors;
            vec high = low * (1.0 + p->adcc * opsonisation + p->car);
            vec lethal = 1.0 - p->cytostatic, low_a = p->antigen_low * low;
            lose_s += lethal * high;
            lose_r += lethal * p->resistant * high;
            lose_a += lethal * low_a;
            lose_ra += lethal * p->resistant * low_a;
            halt_s += p->cytostatic * high;
            halt_r += p->cytostatic * p->resistant * high;
            halt_a += p->cytostatic * low_a;
            halt_ra += p->cytostatic * p->resistant * low_a;
        }
        /* grow, mutate, switch */
        vec rate = c->rate[slot];
        vec plenty = oxygen * reciprocal(oxygen + c->hypoxia_half) * c->per_normal_factor;
        vec sensitive = rate * plenty * births_s, resistant = rate * c->resistant_share * plenty * births_r;
        vec birth_s = positive(sensitive - halt_s), birth_r = positive(resistant - halt_r);
        vec birth_a = positive(sensitive - halt_a), birth_ra = positive(resistant - halt_ra);
        vec crowding = rate * cells * reciprocal(capacity);
        lose_s += crowding + kill_s;
        lose_r += crowding + kill_r;
        lose_a += crowding + kill_s;
        lose_ra += crowding + kill_r;
        vec divisions_s = birth_s + c->turnover, divisions_r = birth_r + c->turnover;
        vec on_s = c->mutation * divisions_s + c->switch_on * stress;
        vec on_a = c->mutation * (birth_a + c->turnover) + c->switch_on * stress;
        vec escape_s = c->antigen_loss * divisions_s, escape_r = c->antigen_loss * divisions_r;
        out[0] = here * ((birth_s - lose_s - on_s - escape_s) * s + c->switch_off * r);
        out[1] = here * ((birth_r - lose_r - c->switch_off - escape_r) * r + on_s * s);
        out[2] = here * ((birth_a - lose_a - on_a) * a + c->switch_off * ra + escape_s * s);
        out[3] = here * ((birth_ra - lose_ra - c->switch_off) * ra + on_a * a + escape_r * r);
        vec died = lose_s * s + lose_r * r + lose_a * a + lose_ra * ra;
        vec released = c->dead_clearance * at[DEAD];
        out[DEAD] = here * (died - released);
        /* vessels */
        vec calls = (s + a) * sprout_s + (r + ra) * sprout_r;
        vec viable = larger(cells * c->per_density, all(1e-30)), root = inverse_cube_root(viable);
        vec regression = c->capacity_loss * viable * root + c->embolised_loss * embolised;
        out[CAPACITY] = here * (c->capacity_growth * calls * vegf_share - regression * capacity);
        out[MATURITY] = here * (c->maturation * blocked_s * (1.0 - maturity) - pruned * maturity - c->relaxation * apart);
        out[EMBOLISED] = -c->recanalisation * embolised;
        out[VEGF_PULSE] = -c->pulse_decay * at[VEGF_PULSE];
        out[EXTINCTION] = all(0.0); /* no lesion is small here */
        volume += here * own_volume;
        antigen += here * released;
    }
    for (int i = 0; i < PRODUCTS; i++) dy[2 * DRUGS + 4 * i] -= leaving[i];
    vec memory = y[TAIL], reserve = y[TAIL + 1];
    vec help = 1.0 + c->helper_gain * helpers * reciprocal(helpers + c->helper_half);
    vec priming = c->expansion * antigen * reciprocal(antigen + c->half_antigen) * help;
    dy[TAIL] = priming * (1.0 - memory) - c->memory_loss * memory;
    dy[TAIL + 1] = -(c->decline + c->tumour_cost * volume) * reserve;
    vec failure = c->liver_rate * v_exp(c->liver_slope * (0.5 - reserve));
    vec background = c->reserve * v_exp(-c->decline * t);
    vec excess = positive(failure - c->liver_rate * v_exp(c->liver_slope * (0.5 - background)));
    vec burden = larger(volume * c->per_half_burden, all(1e-30));
    vec relative = v_exp(c->tumour_exponent * v_log(burden));
    dy[TAIL + 2] = c->tumour_rate * relative * reciprocal(1.0 + relative) + excess;
    dy[TAIL + 3] = failure - excess;
    dy[TAIL + 4] = c->other;
}

/* One step from y with k[0]; fills y_new and k. Returns the largest error over its tolerance. */
static vec take_step(vec t, vec h, Lanes *w, int lesions, vec tolerance) {
    vec *restrict y = w->y, *restrict z = w->y_new;
    vec (*restrict k)[STATES] = w->k;
    int n = BODY + lesions * WIDTH;
    for (int i = 0; i < n; i++) z[i] = y[i] + h * (0.2 * k[0][i]);
    derivatives(t + 0.2 * h, z, k[1], lesions, &w->c);
    for (int i = 0; i < n; i++) z[i] = y[i] + h * (3.0 / 40 * k[0][i] + 9.0 / 40 * k[1][i]);
    derivatives(t + 0.3 * h, z, k[2], lesions, &w->c);
    for (int i = 0; i < n; i++) z[i] = y[i] + h * (44.0 / 45 * k[0][i] - 56.0 / 15 * k[1][i] + 32.0 / 9 * k[2][i]);
    derivatives(t + 0.8 * h, z, k[3], lesions, &w->c);
    for (int i = 0; i < n; i++)
        z[i] = y[i] + h * (19372.0 / 6561 * k[0][i] - 25360.0 / 2187 * k[1][i] + 64448.0 / 6561 * k[2][i]
                           - 212.0 / 729 * k[3][i]);
    derivatives(t + 8.0 / 9 * h, z, k[4], lesions, &w->c);
    for (int i = 0; i < n; i++)
        z[i] = y[i] + h * (9017.0 / 3168 * k[0][i] - 355.0 / 33 * k[1][i] + 46732.0 / 5247 * k[2][i]
                           + 49.0 / 176 * k[3][i] - 5103.0 / 18656 * k[4][i]);
    derivatives(t + h, z, k[5], lesions, &w->c);
    for (int i = 0; i < n; i++)
        z[i] = y[i] + h * (35.0 / 384 * k[0][i] + 500.0 / 1113 * k[2][i] + 125.0 / 192 * k[3][i]
                           - 2187.0 / 6784 * k[4][i] + 11.0 / 84 * k[5][i]);
    derivatives(t + h, z, k[6], lesions, &w->c);
    vec worst = all(0.0), scale = tolerance * 1e6;
    for (int i = 0; i < n; i++) {
        static const double floor_of[] = {1e-6, 1e-6, 1e-6, 1e-6, 1e-5, 1e-5, 1e-12, 1e-12, 1e-5, 1e-6};
        int j = (i - BODY) % WIDTH;
        double least = i < 2 * DRUGS ? 1e-5 : i < TAIL ? 0.01 : i < BODY ? 1e-12 : j < HEAD ? floor_of[j] : 1e-5;
        vec error = h * (71.0 / 57600 * k[0][i] - 71.0 / 16695 * k[2][i] + 71.0 / 1920 * k[3][i]
                         - 17253.0 / 339200 * k[4][i] + 22.0 / 525 * k[5][i] - 1.0 / 40 * k[6][i]);
        vec allowed = least * scale + tolerance * larger(magnitude(y[i]), magnitude(z[i]));
        worst = larger(worst, magnitude(error) * reciprocal(allowed));
    }
    return worst;
}

/* A stretch of one patient's course without events; patient and its first row of `rates` follow from the order. */
typedef struct {
    double begin, end, restart;
    int64_t patient, lesions;
} Segment;

static void set_patient(Constants *c, int l, const Traits *p, const Drug *drugs, const Product *products) {
    const Vessels *v = &p->vessels;
    double normal = 1.0 / (1.0 + v->half_perfusion);
    double density = p->growth.cell_density;
    LANE(c->hypoxia_half, l) = p->growth.hypoxia_half_effect;
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
    LANE(c->capacity_loss, l) = v->capacity_loss_rate;
    LANE(c->embolised_loss, l) = v->embolised_loss_rate;
    LANE(c->maturation, l) = v->maturation_rate;
    LANE(c->pruning, l) = v->pruning_rate;
    LANE(c->pruning_half4, l) = pow(v->pruning_occupancy, 4.0);
    LANE(c->relaxation, l) = v->maturity_relaxation_rate;
    LANE(c->baseline_maturity, l) = v->baseline_maturity;
    LANE(c->perfusion_slope, l) = v->maturity_perfusion_gain / (1.0 - v->baseline_maturity);
    LANE(c->half_perfusion, l) = v->half_perfusion;
    LANE(c->recanalisation, l) = v->recanalisation_rate;
    LANE(c->secretion, l) = v->vegf_secretion * density / v->vegf_clearance_rate;
    LANE(c->hypoxic_gain, l) = v->hypoxic_vegf_gain;
    LANE(c->pulse_decay, l) = v->vegf_pulse_decay_rate;
    LANE(c->recruitment, l) = p->trafficking.recruitment;
    LANE(c->maturity_gain, l) = p->trafficking.maturity_gain;
    LANE(c->adhesion_half, l) = p->trafficking.vegf_adhesion_half;
    LANE(c->access_scale, l) = 1.0 / cbrt(p->trafficking.access_volume);
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
        LANE(to->exchange, l) = q->intercompartmental_clearance;
        LANE(to->per_peripheral, l) = 1.0 / q->peripheral_volume;
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
        LANE(to->lung_release, l) = q->lung_release_rate;
        LANE(to->liver_return, l) = q->liver_return_rate;
        LANE(to->rest_return, l) = q->rest_return_rate;
        LANE(to->liver_uptake, l) = q->liver_uptake_rate;
        LANE(to->rest_uptake, l) = q->rest_uptake_rate;
        LANE(to->blood_loss, l) = q->liver_uptake_rate + q->rest_uptake_rate + q->death_rate;
        LANE(to->lung_loss, l) = q->lung_release_rate + q->death_rate;
        LANE(to->liver_loss, l) = q->liver_return_rate + q->death_rate;
        LANE(to->rest_loss, l) = q->rest_return_rate + q->death_rate;
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

/* State at the start of a segment into one lane; slots without a lesion hold harmless numbers. */
static void load_state(Lanes *w, int l, const Segment *s, const double *start, const double *rates, const Intake *intake,
                       const Drug *drugs) {
    for (int i = 0; i < BODY; i++) LANE(w->y[i], l) = start[i];
    for (int slot = 0; slot < MOST_LESIONS; slot++) {
        int here = slot < s->lesions;
        LANE(w->c.present[slot], l) = here;
        LANE(w->c.rate[slot], l) = here ? rates[slot] : 0.0;
        for (int i = 0; i < WIDTH; i++) {
            int at = BODY + slot * WIDTH + i;
            LANE(w->y[at], l) = here ? start[at] : i == 0 || i == CAPACITY ? 1.0 : 0.0;
        }
    }
    for (int d = 0; d < DRUGS; d++) {
        LANE(w->c.drug[d].start, l) = fmin(intake[d].start, 1e300);
        LANE(w->c.drug[d].input, l) = drugs[d].bioavailability * intake[d].rate;
    }
}

/* Lanes in which a product or a drug has vanished; its states become zero. */
static ints clear_traces(Lanes *w) {
    ints gone = {0};
    for (int d = 0; d < DRUGS; d++) {
        vec *y = w->y + 2 * d, sum = y[0] + y[1];
        ints now = (sum != 0.0) & (sum < 1e-6) & (w->c.drug[d].input == 0.0);
        for (int i = 0; i < 2; i++) y[i] = choose(now, all(0.0), y[i]);
        gone |= now;
    }
    for (int i = 0; i < PRODUCTS; i++) {
        vec *y = w->y + 2 * DRUGS + 4 * i, sum = y[0] + y[1] + y[2] + y[3];
        ints now = (sum != 0.0) & (sum < 0.01);
        for (int j = 0; j < 4; j++) y[j] = choose(now, all(0.0), y[j]);
        gone |= now;
    }
    return gone;
}

/* Carry every segment from its start to its end.
 *
 * order       segments of a patient follow one another; patients in the order they are taken up
 * start, end  (segments, STATES): given, filled
 * rates       (segments, MOST_LESIONS) growth rates
 * counted     accepted and rejected steps, filled; returns 0, or 1 if a step became too small
 */
int integrate(int64_t segments, const Segment *list, const double *start, double *end, const double *rates,
              const Intake *intake, const Traits *traits, const Drug *drugs, const Product *products, double tolerance,
              int64_t *counted) {
    static Lanes lanes __attribute__((aligned(64)));
    Lanes *w = &lanes;
    int64_t at[LANES], next = 0;
    int running = 0, lesions = 0;
    vec t = all(0.0), until = all(0.0), h = all(0.05), last = all(1e-4);
    counted[0] = counted[1] = 0;
    memset(w, 0, sizeof *w);
    /* `next` goes from patient to patient; a lane keeps its patient until the last of its segments. */
    int need[LANES], stale = 0;
    for (int l = 0; l < LANES; l++) at[l] = -1, need[l] = 1;
    for (;;) {
        int fresh = stale;
        stale = 0;
        for (int l = 0; l < LANES; l++) {
            if (!need[l]) continue;
            need[l] = 0;
            int64_t following = at[l] + 1;
            int same = at[l] >= 0 && following < segments && list[following].patient == list[at[l]].patient;
            if (!same) {
                if (at[l] >= 0) running--;
                if (next >= segments) { /* nothing left: the lane repeats its last step harmlessly, of length zero */
                    if (running == 0) return 0;
                    if (at[l] < 0) { /* fewer patients than lanes */
                        int64_t p = list[0].patient;
                        set_patient(&w->c, l, &traits[p], &drugs[p * DRUGS], &products[p * PRODUCTS]);
                        load_state(w, l, &list[0], start, rates, intake, &drugs[p * DRUGS]);
                    }
                    at[l] = -2;
                    LANE(until, l) = LANE(t, l);
                    continue;
                }
                following = next;
                int64_t p = list[following].patient;
                while (next < segments && list[next].patient == p) next++;
                set_patient(&w->c, l, &traits[p], &drugs[p * DRUGS], &products[p * PRODUCTS]);
                LANE(h, l) = 0.05, LANE(last, l) = 1e-4;
                running++;
            }
            const Segment *s = &list[following];
            at[l] = following;
            load_state(w, l, s, start + following * STATES, rates + following * MOST_LESIONS, intake + following * DRUGS,
                       &drugs[s->patient * DRUGS]);
            LANE(t, l) = s->begin, LANE(until, l) = s->end;
            if (s->restart != 0.0) LANE(h, l) = fmin(LANE(h, l), 0.05);
            fresh |= 1 << l;
        }
        if (fresh) {
            lesions = 0;
            for (int l = 0; l < LANES; l++)
                if (at[l] >= 0 && list[at[l]].lesions > lesions) lesions = (int)list[at[l]].lesions;
            /* the others get again what they have: cheaper than one lane by itself */
            derivatives(t, w->y, w->k[0], lesions, &w->c);
        }
        vec left = until - t, step = smaller(h, left);
        vec error = take_step(t, step, w, lesions, all(tolerance));
        vec logarithm = v_log(larger(error, all(1e-30)));
        vec factor = 0.9 * v_exp(-0.17 * logarithm + 0.04 * v_log(last));
        factor = smaller(all(8.0), larger(all(0.2), factor));
        vec shrunk = step * larger(all(0.2), 0.9 * v_exp(-0.2 * logarithm));
        ints good = error <= 1.0, reaching = h >= left;
        int n = BODY + lesions * WIDTH;
        for (int i = 0; i < n; i++) {
            w->y[i] = choose(good, w->y_new[i], w->y[i]);
            w->k[0][i] = choose(good, w->k[6][i], w->k[0][i]);
        }
        vec grown = choose(reaching, larger(h, step * factor), h * factor);
        h = choose(good, grown, shrunk);
        last = choose(good, larger(error, all(1e-4)), last);
        t = choose(good, choose(reaching, until, t + step), t);
        ints gone = clear_traces(w);
        for (int l = 0; l < LANES; l++) {
            if (at[l] < 0) continue;
            if (!(LANE(error, l) <= 1.0)) {
                counted[1]++;
                if (!(LANE(h, l) >= 1e-9)) return 1;
                continue;
            }
            counted[0]++;
            stale |= LANE(gone, l) != 0;
            if (LANE(t, l) < LANE(until, l)) continue;
            const Segment *s = &list[at[l]];
            for (int i = 0; i < BODY + s->lesions * WIDTH; i++) end[at[l] * STATES + i] = LANE(w->y[i], l);
            need[l] = 1;
        }
    }
}
