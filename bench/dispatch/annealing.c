/* Improve a clairvoyant's plan of a day by simulated annealing. Seconds and metres; see offline.py for the rules. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define UNSERVED_MIN 720.0
#define PATROL_AFTER_S 600.0
#define TURNOUT_S 60.0
#define NEIGHBOURS 32

typedef struct {
    int32_t cases, workers, nodes;
    const double *metres;      /* (cases + workers) x nodes: from a node to a target */
    const int32_t *hop;        /* the same shape: next node on the way */
    const int32_t *node;       /* of each target */
    const double *release_s, *work_s, *minute, *due_min;
    const double *begin_s, *end_s, *break_s, *metres_per_s, *bike_s;
    double rest_s;
    const uint8_t *able, *own; /* workers x cases */
} Day;

typedef struct {
    const Day *day;
    int32_t *seq, *len; /* workers x cases, workers */
    int32_t *who, *at;  /* of each case; who is -1 where unserved */
    double *cost;       /* of each worker's sequence */
    uint64_t random;
} Plan;

static uint64_t draw(Plan *p) {
    uint64_t x = p->random;
    x ^= x >> 12; x ^= x << 25; x ^= x >> 27;
    p->random = x;
    return x * 2685821657736338717ULL;
}
static int32_t below(Plan *p, int32_t n) { return (int32_t)((draw(p) >> 33) % (uint64_t)n); }
static double unit(Plan *p) { return (double)(draw(p) >> 11) / 9007199254740992.0; }

static double price(const Day *d, int32_t i, double response_min) {
    double late = response_min - d->due_min[i];
    return d->minute[i] * (response_min + 5.0 * (late > 0 ? late : 0));
}

/* Metres from where a worker is, who has been idle so long after he stood at a node, to a case. */
static double way(const Day *d, int32_t k, int32_t node, double idle_s, int32_t i) {
    const double *to_case = d->metres + (size_t)i * d->nodes;
    if (idle_s <= PATROL_AFTER_S) return to_case[node];
    const double *home = d->metres + (size_t)(d->cases + k) * d->nodes;
    const int32_t *hop = d->hop + (size_t)(d->cases + k) * d->nodes;
    double left = home[node] - (idle_s - PATROL_AFTER_S) * d->metres_per_s[k];
    if (left <= 0) return to_case[d->node[d->cases + k]];
    while (home[node] > left) node = hop[node];
    return to_case[node] + (left - home[node]);
}

/* Price of a sequence; infinite where the worker would arrive after the end of duty. */
static double price_of(const Day *d, int32_t k, const int32_t *seq, int32_t len, double *arrival) {
    double ready = d->begin_s[k], sum = 0;
    int32_t node = d->node[d->cases + k];
    int rested = 0;
    for (int32_t n = 0; n < len; n++) {
        int32_t i = seq[n];
        double out = ready > d->release_s[i] ? ready : d->release_s[i];
        if (!rested && out >= d->break_s[k]) {
            double back = (ready > d->break_s[k] ? ready : d->break_s[k]) + d->rest_s;
            if (back > out) out = back;
            rested = 1;
        }
        double there = out + TURNOUT_S + d->bike_s[k] + way(d, k, node, out - ready, i) / d->metres_per_s[k];
        if (there > d->end_s[k]) return INFINITY;
        if (arrival) arrival[i] = there;
        sum += price(d, i, (there - d->release_s[i]) / 60.0);
        if (!d->own[(size_t)k * d->cases + i]) sum += 2.0;
        ready = there + d->work_s[i];
        node = d->node[i];
    }
    return sum;
}

static int able(const Day *d, int32_t k, int32_t i) { return d->able[(size_t)k * d->cases + i]; }

static void put(Plan *p, int32_t k, const int32_t *seq, int32_t len, double cost) {
    int32_t *mine = p->seq + (size_t)k * p->day->cases;
    memcpy(mine, seq, sizeof(int32_t) * (size_t)len);
    p->len[k] = len;
    p->cost[k] = cost;
    for (int32_t n = 0; n < len; n++) { p->who[seq[n]] = k; p->at[seq[n]] = n; }
}

static int32_t without(const int32_t *seq, int32_t len, int32_t at, int32_t *out) {
    memcpy(out, seq, sizeof(int32_t) * (size_t)at);
    memcpy(out + at, seq + at + 1, sizeof(int32_t) * (size_t)(len - at - 1));
    return len - 1;
}
static int32_t with(const int32_t *seq, int32_t len, int32_t at, int32_t i, int32_t *out) {
    memcpy(out, seq, sizeof(int32_t) * (size_t)at);
    out[at] = i;
    memcpy(out + at + 1, seq + at, sizeof(int32_t) * (size_t)(len - at));
    return len + 1;
}

static int accept(Plan *p, double change, double heat) {
    return change <= 0 || (change < 40 * heat && unit(p) < exp(-change / heat));
}

/* Move a case to a place of a worker's sequence, or out of all (k = -1). */
static double relocate(Plan *p, int32_t i, int32_t k, int32_t at, double heat, int32_t *x, int32_t *y) {
    const Day *d = p->day;
    int32_t a = p->who[i];
    double unserved = price(d, i, UNSERVED_MIN);
    if (k < 0 && a < 0) return 0;
    double before = a < 0 ? unserved : p->cost[a], after = k < 0 ? unserved : 0, left = 0, gets = 0;
    int32_t nx = 0, ny = 0;
    if (a >= 0) nx = without(p->seq + (size_t)a * d->cases, p->len[a], p->at[i], x);
    if (a >= 0 && a == k) {
        if (at > p->at[i]) at--;
        if (at == p->at[i]) return 0;
        ny = with(x, nx, at, i, y);
        gets = price_of(d, k, y, ny, 0);
        if (!accept(p, gets - before, heat)) return 0;
        put(p, k, y, ny, gets);
        return gets - before;
    }
    if (k >= 0) {
        before += p->cost[k];
        ny = with(p->seq + (size_t)k * d->cases, p->len[k], at, i, y);
        gets = price_of(d, k, y, ny, 0);
        if (isinf(gets)) return 0;
    }
    if (a >= 0) left = price_of(d, a, x, nx, 0);
    double change = after + left + gets - before;
    if (!accept(p, change, heat)) return 0;
    if (a >= 0) put(p, a, x, nx, left);
    if (k >= 0) put(p, k, y, ny, gets); else p->who[i] = -1;
    return change;
}

/* Exchange what follows two places in two sequences: one case each, or all to the ends. */
static double exchange(Plan *p, int32_t a, int32_t at_a, int32_t b, int32_t at_b, int tails, double heat,
                       int32_t *x, int32_t *y) {
    const Day *d = p->day;
    const int32_t *sa = p->seq + (size_t)a * d->cases, *sb = p->seq + (size_t)b * d->cases;
    int32_t end_a = tails ? p->len[a] : at_a + 1, end_b = tails ? p->len[b] : at_b + 1, nx = 0, ny = 0;
    for (int32_t n = at_a; n < end_a; n++) if (!able(d, b, sa[n])) return 0;
    for (int32_t n = at_b; n < end_b; n++) if (!able(d, a, sb[n])) return 0;
    for (int32_t n = 0; n < at_a; n++) x[nx++] = sa[n];
    for (int32_t n = at_b; n < end_b; n++) x[nx++] = sb[n];
    for (int32_t n = end_a; n < p->len[a]; n++) x[nx++] = sa[n];
    for (int32_t n = 0; n < at_b; n++) y[ny++] = sb[n];
    for (int32_t n = at_a; n < end_a; n++) y[ny++] = sa[n];
    for (int32_t n = end_b; n < p->len[b]; n++) y[ny++] = sb[n];
    double cx = price_of(d, a, x, nx, 0);
    if (isinf(cx)) return 0;
    double cy = price_of(d, b, y, ny, 0), change = cx + cy - p->cost[a] - p->cost[b];
    if (!accept(p, change, heat)) return 0;
    put(p, a, x, nx, cx);
    put(p, b, y, ny, cy);
    return change;
}

static double total(const Plan *p) {
    double sum = 0;
    for (int32_t k = 0; k < p->day->workers; k++) sum += p->cost[k];
    for (int32_t i = 0; i < p->day->cases; i++) if (p->who[i] < 0) sum += price(p->day, i, UNSERVED_MIN);
    return sum;
}

static void near(const Day *d, int32_t *out) {
    for (int32_t i = 0; i < d->cases; i++) {
        double far[NEIGHBOURS];
        int32_t n = 0, *mine = out + (size_t)i * NEIGHBOURS;
        for (int32_t j = 0; j < d->cases; j++) {
            if (j == i) continue;
            double apart = fabs(d->release_s[i] - d->release_s[j])
                           + d->metres[(size_t)i * d->nodes + d->node[j]] / 1.25;
            if (n == NEIGHBOURS && apart >= far[n - 1]) continue;
            int32_t at = n < NEIGHBOURS ? n++ : n - 1;
            while (at > 0 && far[at - 1] > apart) { far[at] = far[at - 1]; mine[at] = mine[at - 1]; at--; }
            far[at] = apart; mine[at] = j;
        }
        while (n < NEIGHBOURS) { mine[n] = n ? mine[n - 1] : i; n++; }
    }
}

/* who and at hold a plan; they are overwritten by the best that was found, whose price is returned. */
double anneal(const Day *d, int32_t *who, int32_t *at, double *arrival, int64_t moves, double hot, double cold,
              uint64_t seed) {
    size_t n = (size_t)d->cases, w = (size_t)d->workers;
    Plan p = {d, malloc(w * n * 4), calloc(w, 4), malloc(n * 4), malloc(n * 4), calloc(w, 8), seed * 2 + 1};
    int32_t *x = malloc((n + 1) * 4), *y = malloc((n + 1) * 4), *neighbour = malloc(n * NEIGHBOURS * 4);
    memcpy(p.who, who, n * 4);
    memcpy(p.at, at, n * 4);
    for (size_t i = 0; i < n; i++) if (who[i] >= 0) {
        p.seq[(size_t)who[i] * n + (size_t)at[i]] = (int32_t)i;
        p.len[who[i]]++;
    }
    for (int32_t k = 0; k < d->workers; k++) p.cost[k] = price_of(d, k, p.seq + (size_t)k * n, p.len[k], 0);
    near(d, neighbour);
    double now = total(&p), best = now, heat = hot, cooler = pow(cold / hot, 1000.0 / (double)moves);
    for (int64_t m = 0; m < moves; m++) {
        if (m % 1000 == 0) { heat = hot * pow(cooler, (double)m / 1000.0); }
        if (m % 1000000 == 0) now = total(&p);
        int32_t i = below(&p, d->cases), j = neighbour[(size_t)i * NEIGHBOURS + (size_t)below(&p, NEIGHBOURS)];
        int32_t kind = below(&p, 100), k = p.who[j];
        if (kind < 45 || p.who[i] < 0) {
            if (kind % 2 || k < 0) {
                k = below(&p, d->workers);
                if (!able(d, k, i)) continue;
                now += relocate(&p, i, k, below(&p, p.len[k] + 1), heat, x, y);
            } else if (able(d, k, i)) now += relocate(&p, i, k, p.at[j] + below(&p, 2), heat, x, y);
        } else if (kind == 45) {
            now += relocate(&p, i, -1, 0, heat, x, y);
        } else if (k >= 0 && k != p.who[i]) {
            now += exchange(&p, p.who[i], p.at[i], k, p.at[j] + (kind > 85 ? below(&p, 2) : 0), kind > 75, heat, x, y);
        }
        if (now < best - 1e-9) {
            best = now;
            memcpy(who, p.who, n * 4);
            memcpy(at, p.at, n * 4);
        }
    }
    for (int32_t k = 0; k < d->workers; k++) p.len[k] = 0;
    for (size_t i = 0; i < n; i++) if (who[i] >= 0) {
        p.seq[(size_t)who[i] * n + (size_t)at[i]] = (int32_t)i;
        p.len[who[i]]++;
    }
    for (int32_t k = 0; k < d->workers; k++) p.cost[k] = price_of(d, k, p.seq + (size_t)k * n, p.len[k], arrival);
    memcpy(p.who, who, n * 4);
    best = total(&p);
    free(p.seq); free(p.len); free(p.who); free(p.at); free(p.cost); free(x); free(y); free(neighbour);
    return best;
}
