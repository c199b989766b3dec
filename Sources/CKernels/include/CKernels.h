// CKernels: the hot loops of MedRounds in C. Single-threaded; Swift splits the work and owns shapes, memory and order.
//
// The exact contract: every function gives the same bits at every level (plain C, AVX2+FMA, AVX-512, AVX-512 with bfloat16), and for every
// way in which a caller splits rows, columns, heads or elements. So each GEMM output sums over k in order with fused multiply-add inside
// fixed blocks of KERNEL_K_BLOCK, and block sums are added in order; each reduction uses 16 virtual lanes (element i goes to lane i mod 16)
// folded by one fixed tree; exp and log are polynomials evaluated with fused multiply-add. Nothing allocates.
//
// every_kernel.h, which this header includes at its end, lists the functions; this header declares their types.
//
// Legend: T tokens, H hidden, F feed-forward, V vocabulary, D head dimension, r rank. Matrices are row-major.
#ifndef MEDROUNDS_CKERNELS_H
#define MEDROUNDS_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

// ---- Levels ----------------------------------------------------------------------------------------------------------

enum { KERNEL_LEVEL_PLAIN = 0, KERNEL_LEVEL_AVX2 = 1, KERNEL_LEVEL_AVX512 = 2, KERNEL_LEVEL_AVX512_BF16 = 3 };

// The best level of this processor.
int32_t kernel_best_level(void);
// Sets a level, at most the best one (before any threads run kernels); returns the level that is now used.
int32_t kernel_set_level(int32_t level);
// The level that is used.
int32_t kernel_level(void);

// ---- Matrices --------------------------------------------------------------------------------------------------------

// Element types. Quantised types hold blocks of 32 along a row: Q4_0 {f16 d; 16 bytes}, Q4_1 {f16 d, f16 m; 16 bytes},
// Q8_0 {f16 d; 32 int8}, low nibbles first (elements 0..15), then high nibbles (16..31), as in ggml; so are Q5_0, Q5_1 and
// the super-blocks of 256 of Q4_K, Q5_K and Q6_K. NF4 {f32 absmax; 32 bytes}: blocks of 64, high nibble first.
// NF4_DOUBLE, NF4 with absmax quantised once more: a row begins with {f32 offset; u16 before; u16 groups; f32 scale[groups]},
// then blocks of 64 {u8 code; 32 bytes}. absmax of the row's block b is second[code] scale[(before + b) / 256] + offset.
typedef enum {
  KERNEL_F32 = 0, KERNEL_F16 = 1, KERNEL_BF16 = 2, KERNEL_Q4_0 = 3, KERNEL_Q4_1 = 4, KERNEL_Q8_0 = 5, KERNEL_Q5_0 = 6,
  KERNEL_Q5_1 = 7, KERNEL_Q4_K = 8, KERNEL_Q5_K = 9, KERNEL_Q6_K = 10, KERNEL_NF4 = 11,
  KERNEL_NF4_DOUBLE = 12
} kernel_type;

// A stored row-major matrix [rows, columns]; row_bytes is the distance between rows in bytes.
typedef struct {
  const void *data;
  ptrdiff_t rows, columns, row_bytes;
  int32_t type;
} kernel_matrix;

// The number of each of the 256 codes of the second quantisation, in ascending order.
float kernel_nf4_second_code(int32_t code);

// ---- Products ------------------------------------------------------------------------------------------------------------

enum { KERNEL_K_BLOCK = 512, KERNEL_FAST_K_BLOCK = 1024 };

// The most bytes of workspace that a product of any shape needs (the caller aligns them to 64 bytes).
ptrdiff_t kernel_gemm_workspace_bytes(void);

// Where a product goes: columns first_column .. last_column - 1 of the first M rows of c, c[m, n] at c[m * c_row + n]; added to the values
// there where `accumulate` is set. Columns are absolute, so that each thread may take a range of them; ranges that start at multiples of 48
// are fastest. Results do not depend on how M and the columns are split.
typedef struct {
  float *c;
  ptrdiff_t c_row;
  int32_t accumulate;
  ptrdiff_t M, first_column, last_column;
} kernel_target;

// A product of a sum: a [M, K], its rows a_row apart, times b, [K, N] as stored, or [N, K] as stored where b_transposed. a is float in
// exact numerics, bfloat16 in fast numerics. Where there is a mask, element [m, n] of each block of k is multiplied by `scale` where bit m
// * mask_row + n is set, and is left out elsewhere: this is how a dropout passes a gradient on. The lowest bit of a word is the first; one
// word after the last used bit must be readable.
typedef struct {
  const void *a;
  ptrdiff_t a_row, K;
  kernel_matrix b;
  int32_t b_transposed;
  float scale;
  const uint16_t *mask;
  ptrdiff_t mask_row;
} kernel_term;

// ---- Rotary embedding ------------------------------------------------------------------------------------------------------

// Tables [positions, D/2] of cosine and sine; direction +1 rotates, -1 rotates back.
typedef struct {
  const float *cosine, *sine;
  ptrdiff_t D;
  int32_t direction;
} kernel_rotation;

// ---- Attention -------------------------------------------------------------------------------------------------------------

// The keys and values of one head: a shared prefix that every query sees, then the sequence's own keys, of which query i sees the first
// own_offset + i + 1.
typedef struct {
  const float *prefix_keys, *prefix_values;  // [prefix_count] rows
  const float *own_keys, *own_values;        // [own_offset + queries] rows
  ptrdiff_t prefix_row, own_row;             // distance between rows, in elements, of both keys and values
  ptrdiff_t prefix_count, own_offset;
  ptrdiff_t D;
  float scale;                               // 1 / sqrt(D)
  ptrdiff_t window;                          // the most keys a query sees, its own the last; 0 for all
} kernel_attention_span;

// Consecutive queries of one head; row t of q and out is at base + t * row. out does not overlap q.
typedef struct {
  const float *q;
  ptrdiff_t q_row;
  float *out;
  ptrdiff_t out_row;
  float *log_sum_exp;  // [count], kept for the backward pass
  ptrdiff_t count;
} kernel_attention_queries;

// The gradient of out, in out's rows, and where the gradients of q and of the keys and values of both spans are added.
typedef struct {
  const float *dout;
  float *dq;
  ptrdiff_t dq_row;
  float *dprefix_keys, *dprefix_values;
  ptrdiff_t dprefix_row;
  float *down_keys, *down_values;
  ptrdiff_t down_row;
} kernel_attention_gradients;

// Bytes of scratch that both passes need.
ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D);

// ---- Decoding: few rows at a time ----------------------------------------------------------------------------------------

// A weight [rows, columns] with sixteen rows side by side, in its stored form (grouped_layout.h gives the layout); all of K.
typedef struct {
  const void *data;  // 64-byte aligned
  ptrdiff_t rows, columns;
  int32_t type;
} kernel_grouped;

// Bytes of the grouped form of a matrix.
ptrdiff_t kernel_grouped_bytes(int32_t type, ptrdiff_t rows, ptrdiff_t columns);

// Floats of a packed cache for `keys` keys and values of one key-value head (cached.h gives the layout).
ptrdiff_t kernel_cache_floats(ptrdiff_t keys, ptrdiff_t D);

// What the queries of one key-value head see in decoding: the caches of the shared prefix and of their own keys.
typedef struct {
  const float *prefix, *own;             // caches
  ptrdiff_t prefix_count, own_offset;
  ptrdiff_t D;
  float scale;                           // 1 / sqrt(D)
  ptrdiff_t window;                      // as above
} kernel_cached_span;

// Bytes of scratch that cached attention needs.
ptrdiff_t kernel_cached_attention_scratch_bytes(ptrdiff_t D);

// ---- Random numbers: Philox 4x32-10 (Salmon et al. 2011) -----------------------------------------------------------------

// A stream: element i of a tensor takes word i mod 4 of the block with counter {i / 4 low, i / 4 high, stream[0], stream[1]}.
typedef struct { uint32_t key[2]; uint32_t stream[2]; } kernel_random;

// ---- Optimizer -------------------------------------------------------------------------------------------------------------

// AdamW as torch.optim.AdamW: w -= lr * decay * w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
// w -= (lr / correction1) * m / (sqrt(v) / sqrt(correction2) + epsilon), correction_i = 1 - b_i^step.
// g is read as gradient_scale * g (for clipping).
typedef struct {
  float learning_rate, beta1, beta2, epsilon, decay, correction1, sqrt_correction2, gradient_scale;
} kernel_adamw_settings;

// ---- Waiting ----------------------------------------------------------------------------------------------------------------

// Turn `turn` (from 0) of a loop that waits for another thread: the first turns spin, the next let other processes run, and later turns
// sleep for moments.
void kernel_wait(int32_t turn);
// How many turns spin.
int32_t kernel_wait_spins(void);

// ---- Kernels ---------------------------------------------------------------------------------------------------------------

#define KERNEL(result, name, parameters, arguments) result kernel_##name parameters;
#include "../every_kernel.h"
#undef KERNEL

#endif
