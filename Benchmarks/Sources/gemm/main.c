// gemm: the products of a training step of SmolLM2-135M as shares of the processor's peak speed.
//
//   swift run -c release --package-path Benchmarks gemm [exact|fast] [THREADS] [ROWS]
//
// First the peak: fused multiply-adds (in fast numerics VDPBF16PS) on registers alone, on as many threads. Then every shape of a step of
// ROWS tokens, split over the threads as in the engine, median of nine; "a step" is the time of all its calls.
//
// In the engine, a product with few tasks shares a section with others, so here it is run several times in one section, each time on its
// own operands, until there is work for all threads. What the engine sums in one pass over c is one line here: the low-rank product with x
// W^T, and for an input's gradient the products of all maps that read it. Rows that a task of the engine has just computed are in its cache
// here too.
#include <CKernels.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 9, MOST_THREADS = 64, TASK_COLUMNS = 96, TASK_ROWS = 128, FEWEST_TASKS = 12, WARM_TURNS = 8 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, by_size);
  return values[count / 2];
}

// ---- Threads that take tasks from a counter --------------------------------------------------------------------------------

typedef void (*task_function)(const void *work, long task, void *workspace);
static int threads;
static void *workspaces[MOST_THREADS];
static atomic_long next_task, section, busy;
static long task_count;
static task_function task_body;
static const void *task_work;

static void take_tasks(void *workspace) {
  for (long task; (task = atomic_fetch_add(&next_task, 1)) < task_count;) task_body(task_work, task, workspace);
}

// Helpers look for the next section without a pause, as the engine's helpers do during a step.
static void *help(void *workspace) {
  for (long seen = 0;; seen++) {
    while (atomic_load(&section) == seen) __builtin_ia32_pause();
    take_tasks(workspace);
    atomic_fetch_sub(&busy, 1);
  }
  return NULL;
}

static void run(long tasks, task_function body, const void *work) {
  task_count = tasks;
  task_body = body;
  task_work = work;
  atomic_store(&next_task, 0);
  atomic_store(&busy, threads - 1);
  atomic_fetch_add(&section, 1);
  take_tasks(workspaces[0]);
  while (atomic_load(&busy) > 0) __builtin_ia32_pause();
}

// ---- The peak ----------------------------------------------------------------------------------------------------------------

typedef float lanes __attribute__((vector_size(64)));
typedef __bf16 pairs __attribute__((vector_size(64)));
enum { CHAINS = 12, ROUNDS = 1 << 24 };  // more than two units with a latency of four to six need, without spills
static volatile float sink;

// One task for each thread: no thread begins before all have a task.
#define CHAIN_LOOP(step)                                                                              \
  while (atomic_load(&next_task) < threads) __builtin_ia32_pause();                                   \
  lanes sum[CHAINS];                                                                                  \
  for (int i = 0; i < CHAINS; i++) sum[i] = (lanes){0} + (float)i;                                    \
  for (long round = 0; round < ROUNDS; round++) {                                                     \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) {                             \
      step;                                                                                           \
      __asm__ volatile("" : "+v"(sum[i]));                                                            \
    }                                                                                                 \
  }                                                                                                   \
  for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];                                                  \
  sink = sum[0][0];

__attribute__((target("avx512f"))) static void chains_float(const void *work, long task, void *workspace) {
  (void)work, (void)workspace;
  const lanes a = (lanes){0} + (1 + 1e-7f * (float)task), b = (lanes){0} + 1e-7f;
  CHAIN_LOOP(sum[i] = __builtin_elementwise_fma(a, b, sum[i]))
}

__attribute__((target("avx512f,avx512bf16"))) static void chains_pairs(const void *work, long task, void *workspace) {
  (void)work, (void)task, (void)workspace;
  lanes bits = (lanes){0} + 1.0f;
  pairs a, b;
  memcpy(&a, &bits, sizeof a);
  memcpy(&b, &bits, sizeof b);
  CHAIN_LOOP(sum[i] = __builtin_ia32_dpbf16ps_512(sum[i], a, b))
}

// GFLOP/s of all threads.
static double peak(int fast) {
  double times[3];
  for (int i = 0; i < 3; i++) {
    const double start = seconds();
    run(threads, fast ? chains_pairs : chains_float, NULL);
    times[i] = seconds() - start;
  }
  return (double)threads * ROUNDS * CHAINS * (fast ? 64 : 32) / median(times, 3) / 1e9;
}

// ---- Shapes ------------------------------------------------------------------------------------------------------------------

enum { MOST_TERMS = 6 };

// The second factor of a term, [K, N] as stored, or [N, K] where transposed.
typedef struct {
  long K;
  int32_t type, transposed;
} factor;

typedef struct {
  const char *name;
  long M, N;
  factor terms[MOST_TERMS];
  enum { BY_COLUMNS, BY_ROWS, OVER_ROWS } kind;  // ranges of columns; rows just made, all columns; A transposed, a sum over rows
  double calls;                                  // in a step
} shape;

typedef struct {
  kernel_term terms[MOST_TERMS];
  const float *a[MOST_TERMS];
  const uint16_t *halves[MOST_TERMS];
  float *c;
  int count;
} operands;

typedef struct {
  const shape *shape;
  int fast;
  const operands *copies;
} product;

static long tasks_of(const shape *s) {
  return s->kind == BY_ROWS ? (s->M + TASK_ROWS - 1) / TASK_ROWS : (s->N + TASK_COLUMNS - 1) / TASK_COLUMNS;
}

static long copies_of(const shape *s) { return (FEWEST_TASKS * threads + tasks_of(s) - 1) / tasks_of(s); }

static long least(long a, long b) { return a < b ? a : b; }

static void multiply(const void *work, long task, void *workspace) {
  const product *p = work;
  const shape *s = p->shape;
  const operands *o = p->copies + task / tasks_of(s);
  task %= tasks_of(s);
  if (s->kind == BY_ROWS) {
    const long row = task * TASK_ROWS, rows = least(s->M - row, TASK_ROWS);
    kernel_term term = o->terms[0];
    term.a = p->fast ? (const void *)(o->halves[0] + row * term.K) : (const void *)(o->a[0] + row * term.K);
    for (int turn = 0; turn < WARM_TURNS; turn++)
      (p->fast ? kernel_fast_gemm_sum : kernel_gemm_sum)(
          &(kernel_target){o->c + row * s->N, s->N, 0, rows, 0, s->N}, &term, 1, workspace);
    return;
  }
  const long first = task * TASK_COLUMNS, last = least(s->N, first + TASK_COLUMNS);
  const kernel_term *term = o->terms;
  const kernel_target to = {o->c, s->N, s->kind != BY_COLUMNS, s->M, first, last};
  if (s->kind == BY_COLUMNS) {
    (p->fast ? kernel_fast_gemm_sum : kernel_gemm_sum)(&to, term, o->count, workspace);
  } else if (p->fast) {
    kernel_fast_cross(&to, (const uint32_t *)(const void *)o->halves[0], term->b.data, s->N, term->K);
  } else {
    kernel_gemm(&to, o->a[0], 1, s->M, &term->b, 0, term->K, workspace);
  }
}

static void *memory(long bytes) { return memset(aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64), 0, (size_t)bytes); }

static long row_bytes(int32_t type, long columns) {
  switch (type) {
    case KERNEL_Q4_1: return columns / 32 * 20;
    case KERNEL_Q8_0: return columns / 32 * 34;
    case KERNEL_BF16: return columns * 2;
    default: return columns * 4;
  }
}

static operands operands_of(const shape *s, int fast) {
  operands o = {.c = memory(4 * s->M * s->N)};
  for (; o.count < MOST_TERMS && s->terms[o.count].K > 0; o.count++) {
    const factor *f = &s->terms[o.count];
    const long rows = f->transposed ? s->N : f->K, columns = f->transposed ? f->K : s->N, bytes = row_bytes(f->type, columns);
    uint8_t *stored = memory(rows * bytes);
    // Scales of about 2^-7 and all kinds of integers; floats of about the same size.
    for (long i = 0; i < rows * bytes; i++) stored[i] = (uint8_t)(i % 2 ? 0x1c : i * 37 >> 2);
    if (f->type == KERNEL_F32)
      for (long i = 0; i < rows * columns; i++) ((float *)stored)[i] = (float)(i % 13) * 0.01f;
    float *a = memory(4 * s->M * f->K);
    uint16_t *halves = memory(2 * s->M * (f->K + 1));
    for (long i = 0; i < s->M * f->K; i++) a[i] = (float)(i % 7) * 0.1f, halves[i] = 0x3c00;
    o.a[o.count] = a, o.halves[o.count] = halves;
    o.terms[o.count] = (kernel_term){fast ? (const void *)halves : (const void *)a, f->K, f->K,
                                     {stored, rows, columns, bytes, f->type}, f->transposed, 1, NULL, 0};
  }
  return o;
}

// Seconds of one product.
static double time_of(const shape *s, int fast) {
  operands copies[FEWEST_TASKS * MOST_THREADS];
  const long count = copies_of(s);
  for (long i = 0; i < count; i++) copies[i] = operands_of(s, fast);
  const product work = {s, fast, copies};
  double times[REPEATS];
  for (int i = 0; i < REPEATS; i++) {
    const double start = seconds();
    run(count * tasks_of(s), multiply, &work);
    times[i] = (seconds() - start) / (double)count / (s->kind == BY_ROWS ? WARM_TURNS : 1);
  }
  for (long i = 0; i < count; i++) {
    for (int t = 0; t < copies[i].count; t++)
      free((void *)copies[i].terms[t].b.data), free((void *)copies[i].a[t]), free((void *)copies[i].halves[t]);
    free(copies[i].c);
  }
  return median(times, REPEATS);
}

int main(int count, char **arguments) {
  const int fast = count > 1 && strcmp(arguments[1], "fast") == 0;
  threads = count > 2 ? atoi(arguments[2]) : 2;
  const long T = count > 3 ? atol(arguments[3]) : 1024, head = T < 341 ? T : 341;
  if (threads < 1 || threads > MOST_THREADS || T < 1) return fprintf(stderr, "threads 1 to 64, rows at least 1\n"), 2;
  for (int i = 0; i < threads; i++) workspaces[i] = memory(kernel_gemm_workspace_bytes());
  for (int i = 1; i < threads; i++) {
    pthread_t helper;
    if (pthread_create(&helper, NULL, help, workspaces[i]) != 0) return fprintf(stderr, "no thread\n"), 1;
    pthread_detach(helper);
  }
  if (kernel_best_level() < (fast ? KERNEL_LEVEL_AVX512_BF16 : KERNEL_LEVEL_AVX512))
    return fprintf(stderr, "the peak is that of 512-bit registers, which this processor lacks\n"), 1;
  const double most = peak(fast);
  printf("%s, %d threads, %ld rows: register peak %.0f GFLOP/s\n", fast ? "fast" : "exact", threads, T, most);
  const int32_t W = KERNEL_Q4_1, F = KERNEL_F32, R = fast ? KERNEL_BF16 : KERNEL_F32, E = KERNEL_Q8_0;
  const factor low = {16, F, 0};
  const shape shapes[] = {
      {"1024 x 1536 x 576, float32 weight", 1024, 1536, {{576, F, 1}}, BY_COLUMNS, 0},
      {"q, o: x W^T + u B^T", T, 576, {{576, W, 1}, low}, BY_COLUMNS, 60},
      {"k, v: x W^T + u B^T", T, 192, {{576, W, 1}, low}, BY_COLUMNS, 60},
      {"gate, up: x W^T + u B^T", T, 1536, {{576, W, 1}, low}, BY_COLUMNS, 60},
      {"down: x W^T + u B^T", T, 576, {{1536, W, 1}, low}, BY_COLUMNS, 30},
      {"q, k and v: du A + dy W", T, 576, {low, {576, W, 0}, low, {192, W, 0}, low, {192, W, 0}}, BY_COLUMNS, 30},
      {"o: du A + dy W", T, 576, {low, {576, W, 0}}, BY_COLUMNS, 30},
      {"gate and up: du A + dy W", T, 576, {low, {1536, W, 0}, low, {1536, W, 0}}, BY_COLUMNS, 30},
      {"down: du A + dy W", T, 1536, {low, {576, W, 0}}, BY_COLUMNS, 30},
      {"head: x W^T", head, 49152, {{576, E, 1}}, BY_COLUMNS, (double)T / (double)head},
      {"head: dy W", head, 576, {{49152, E, 0}}, BY_COLUMNS, (double)T / (double)head},
      {"u = x A^T, 576", T, 16, {{576, F, 1}}, BY_ROWS, 180},
      {"u = x A^T, 1536", T, 16, {{1536, F, 1}}, BY_ROWS, 30},
      {"du = dy B, 576", T, 16, {{576, F, 1}}, BY_ROWS, 90},
      {"du = dy B, 192", T, 16, {{192, F, 1}}, BY_ROWS, 60},
      {"du = dy B, 1536", T, 16, {{1536, F, 1}}, BY_ROWS, 60},
      {"dA = du^T x, 576", 16, 576, {{T, R, 0}}, OVER_ROWS, 180},
      {"dA = du^T x, 1536", 16, 1536, {{T, R, 0}}, OVER_ROWS, 30},
      {"dB = u^T dy, 576", 16, 576, {{T, R, 0}}, OVER_ROWS, 90},
      {"dB = u^T dy, 192", 16, 192, {{T, R, 0}}, OVER_ROWS, 60},
      {"dB = u^T dy, 1536", 16, 1536, {{T, R, 0}}, OVER_ROWS, 60},
  };
  double total = 0, work = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const shape *s = &shapes[i];
    const double time = time_of(s, fast);
    double flops = 0;
    for (int t = 0; t < MOST_TERMS; t++) flops += 2.0 * (double)s->M * (double)s->N * (double)s->terms[t].K;
    total += time * s->calls;
    work += flops * s->calls;
    printf("%-36s %6.0f GFLOP/s %4.0f%% %8.1f ms a step\n", s->name, flops / time / 1e9, flops / time / 1e7 / most,
           1e3 * time * s->calls);
  }
  printf("%-36s %6.0f GFLOP/s %4.0f%% %8.1f ms\n", "all of a step", work / total / 1e9, work / total / 1e7 / most, 1e3 * total);
  return 0;
}
