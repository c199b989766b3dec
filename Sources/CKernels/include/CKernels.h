// CKernels: the hot loops of MedRounds in C. Single-threaded; Swift splits the work and owns shapes, memory and order.
//
// The exact contract: every function gives the same bits at every level (plain C, AVX2+FMA, AVX-512, AVX-512 with bfloat16) and however a caller
// splits rows, columns, heads or elements. So each GEMM output sums over k in order with fused multiply-add inside fixed
// blocks of KERNEL_K_BLOCK, block sums are added in order; each reduction uses 16 virtual lanes (element i goes to lane
// i mod 16) folded by one fixed tree; exp and log are polynomials evaluated with fused multiply-add. Nothing allocates.
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
// Forces a level at most the best one (before any threads run kernels); returns the level now in force.
int32_t kernel_set_level(int32_t level);
// The level in force.
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

// Writes row `row` of the matrix as float32 to out[columns].
void kernel_matrix_row(float *out, const kernel_matrix *matrix, ptrdiff_t row);
// Blocks of 64 floats as NF4 blocks of 36 bytes, as bitsandbytes quantises them: the code nearest to x / absmax, the lower
// of two equally near.
void kernel_nf4_from_f32(uint8_t *out, const float *x, ptrdiff_t blocks);
// The number of each of the 256 codes of the second quantisation, in ascending order.
float kernel_nf4_second_code(int32_t code);
// bfloat16 by round to nearest even (NaN stays NaN, infinity infinity), and back.
void kernel_bf16_from_f32(uint16_t *out, const float *x, ptrdiff_t count);
void kernel_f32_from_bf16(float *out, const uint16_t *x, ptrdiff_t count);

// ---- GEMM ------------------------------------------------------------------------------------------------------------

enum { KERNEL_K_BLOCK = 512 };

// Bytes of workspace a call needs at most, whatever its shape (64-byte aligned by the caller).
ptrdiff_t kernel_gemm_workspace_bytes(void);

// c[m, n] = (accumulate ? c[m, n] : 0) + sum over k of a[m, k] b[k, n]   for m < M and first_column <= n < last_column.
// a[m, k] stands at a[m * a_row + k * a_column] (in elements, so a transposed A costs nothing to describe).
// b is [K, N] as stored, or [N, K] as stored where b_transposed (a weight [out, in] in the forward pass).
// c[m, n] stands at c[m * c_row + n]. Columns are absolute, so that threads may each take a range of them; ranges that
// start at multiples of 48 are fastest. Results do not depend on how M and N are split. K is at most the stored extent of
// b, which is why a quantised row longer than K is no error. c overlaps neither a nor the workspace; a workspace belongs
// to one call at a time (about 2.6 MB a thread).
void kernel_gemm(float *c, ptrdiff_t c_row, int32_t accumulate,
                 const float *a, ptrdiff_t a_row, ptrdiff_t a_column,
                 const kernel_matrix *b, int32_t b_transposed,
                 ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column, ptrdiff_t K, void *workspace);

// A product of a sum: a [M, K], its rows a_row apart, times b, [K, N] as stored, or [N, K] as stored where b_transposed. a is
// float in exact numerics, bfloat16 in fast. Where there is a mask, element [m, n] of each block of k counts `scale` times where
// bit m * mask_row + n is set, and not at all elsewhere: so a dropout passes a gradient on. The lowest bit of a word is the first,
// and one word more than the bits ask for must be readable.
typedef struct {
  const void *a;
  ptrdiff_t a_row, K;
  kernel_matrix b;
  int32_t b_transposed;
  float scale;
  const uint16_t *mask;
  ptrdiff_t mask_row;
} kernel_term;

// kernel_gemm of `count` terms, each added after the one before: the bits of as many calls, in as few passes over c as the
// workspace allows.
void kernel_gemm_sum(float *c, ptrdiff_t c_row, int32_t accumulate, const kernel_term *terms, ptrdiff_t count, ptrdiff_t M,
                     ptrdiff_t first_column, ptrdiff_t last_column, void *workspace);

// ---- GEMM of the fast numerics: bfloat16 inputs, float32 sums -------------------------------------------------------------

enum { KERNEL_FAST_K_BLOCK = 1024 };

// out[t, :] = bfloat16 of x[t, :], to nearest even, denormals to zero. A row of odd length is followed by one zero.
// Rows of out are out_row apart (an even number of elements, and out 4-byte aligned), as kernel_fast_gemm_sum reads them.
void kernel_fast_rows(uint16_t *out, ptrdiff_t out_row, const float *x, ptrdiff_t x_row, ptrdiff_t rows,
                      ptrdiff_t columns);
// out[t / 2, i] = the bfloat16 of x[t, i] in the lower half, of x[t + 1, i] in the upper; x [rows, columns]. A last odd row is
// paired with zero.
void kernel_fast_pairs(uint32_t *out, const float *x, ptrdiff_t rows, ptrdiff_t columns);

// As kernel_gemm_sum, with a in bfloat16 and b rounded to it as it is packed. Pairs (k, k + 1) in order, in blocks of
// KERNEL_FAST_K_BLOCK: fused multiply-add of the odd k, then of the even one (VDPBF16PS), denormals read and written as zero.
// Block sums are added in order. Where K is odd, a has a zero after each row. The same bits at every level and for every split.
void kernel_fast_gemm_sum(float *c, ptrdiff_t c_row, int32_t accumulate, const kernel_term *terms, ptrdiff_t count,
                          ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column, void *workspace);

// c[:, columns first to last - 1] += u^T y with c [rank, >= last], u [T, rank] as kernel_fast_pairs makes it, y [T, >= last] in
// bfloat16, its rows y_row apart: the bits that kernel_fast_gemm_sum gives for u transposed.
void kernel_fast_cross(float *c, ptrdiff_t c_row, const uint32_t *u, ptrdiff_t rank, const uint16_t *y, ptrdiff_t y_row,
                       ptrdiff_t T, ptrdiff_t first_column, ptrdiff_t last_column);

// ---- Norms, rotary embedding, activation -------------------------------------------------------------------------------

// RMSNorm: out[t, :] = x[t, :] * inverse_rms[t] * weight, inverse_rms[t] = 1 / sqrt(mean(x[t, :]^2) + epsilon).
void kernel_rmsnorm_forward(float *out, float *inverse_rms, const float *x, const float *weight, float epsilon,
                            ptrdiff_t rows, ptrdiff_t columns);
// Adds to dx: with g = dout * weight, dx += inverse_rms * (g - x * inverse_rms^2 * mean(g * x)). The weight is frozen.
void kernel_rmsnorm_backward(float *dx, const float *dout, const float *x, const float *weight,
                             const float *inverse_rms, ptrdiff_t rows, ptrdiff_t columns);

// Rotary embedding in place, Hugging Face pairing (i, i + D/2). x[t] stands at x + t * row, with `heads` heads of D;
// cosine and sine are tables [positions, D/2]; positions[t] picks their row. direction +1 rotates, -1 rotates back.
void kernel_rope(float *x, ptrdiff_t row, const float *cosine, const float *sine, const int32_t *positions,
                 ptrdiff_t rows, ptrdiff_t heads, ptrdiff_t D, int32_t direction);

// out = silu(gate) * up, elementwise.
void kernel_swiglu_forward(float *out, const float *gate, const float *up, ptrdiff_t count);
// Overwrites dgate and dup (which may be the buffers gate and up themselves).
void kernel_swiglu_backward(float *dgate, float *dup, const float *dout, const float *gate, const float *up,
                            ptrdiff_t count);

// ---- Attention ---------------------------------------------------------------------------------------------------------

// One head of causal attention for `queries` consecutive tokens whose keys come in two spans: a shared prefix that every
// query sees, then the sequence's own keys, of which query i sees the first own_offset + i + 1.
// Row t of a tensor stands at base + t * row. out may not overlap q. log_sum_exp[i] is kept for the backward pass.
// The result for a query does not depend on how many queries stand beside it (finite keys and values given): keys are taken
// in blocks of 96 aligned within each span. Splitting queries between calls leaves the gradients of keys and values the
// same too, if the calls come in the queries' order. No [queries, keys] matrix is held whole:
// scratch needs kernel_attention_scratch_bytes.
typedef struct {
  const float *prefix_keys, *prefix_values;  // [prefix_count] rows
  const float *own_keys, *own_values;        // [own_offset + queries] rows
  ptrdiff_t prefix_row, own_row;             // distance between rows, in elements, of both keys and values
  ptrdiff_t prefix_count, own_offset;
  ptrdiff_t D;
  float scale;                               // 1 / sqrt(D)
  ptrdiff_t window;                          // keys a query sees at most, its own the last; 0 for all
} kernel_attention_span;

ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D);
void kernel_attention_forward(float *out, ptrdiff_t out_row, float *log_sum_exp, const float *q, ptrdiff_t q_row,
                              ptrdiff_t queries, const kernel_attention_span *span, void *scratch);
// Adds to dq, and to dk and dv of both spans (rows as in the span: dprefix_row, down_row in elements).
void kernel_attention_backward(float *dq, ptrdiff_t dq_row, float *dprefix_keys, float *dprefix_values,
                               ptrdiff_t dprefix_row, float *down_keys, float *down_values, ptrdiff_t down_row,
                               const float *dout, const float *out, ptrdiff_t out_row, const float *log_sum_exp,
                               const float *q, ptrdiff_t q_row, ptrdiff_t queries, const kernel_attention_span *span,
                               void *scratch);

// ---- Decoding: few rows at a time ----------------------------------------------------------------------------------------

// A weight [rows, columns] with sixteen rows side by side, in its stored form (grouped_layout.h has the layout); all of K.
typedef struct {
  const void *data;  // 64-byte aligned
  ptrdiff_t rows, columns;
  int32_t type;
} kernel_grouped;

// Bytes of the grouped form of a matrix.
ptrdiff_t kernel_grouped_bytes(int32_t type, ptrdiff_t rows, ptrdiff_t columns);
// Writes rows first_row .. last_row - 1 of b into out, which is zero before; the ranges of two threads are to meet at a
// multiple of 16.
void kernel_group_rows(void *out, const kernel_matrix *b, ptrdiff_t first_row, ptrdiff_t last_row);
// c[m, n] = (accumulate ? c[m, n] : 0) + sum over k of a[m, k] b[n, k], the bits of kernel_gemm with b_transposed.
// first_column is a multiple of 16; M is at least 1. workspace as kernel_gemm's.
void kernel_grouped_product(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                            const kernel_grouped *b, ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column,
                            void *workspace);

// Keys and values of one key-value head, packed for decoding (cached.h has the layout): floats of `keys` keys, appending
// `count` rows of keys and values as keys first, first + 1, ..., and copying keys from another cache.
ptrdiff_t kernel_cache_floats(ptrdiff_t keys, ptrdiff_t D);
void kernel_cache_append(float *cache, ptrdiff_t first, const float *keys, const float *values, ptrdiff_t row,
                         ptrdiff_t count, ptrdiff_t D);
void kernel_cache_copy(float *cache, ptrdiff_t first, const float *from, ptrdiff_t from_first, ptrdiff_t count,
                       ptrdiff_t D);

// kernel_attention_forward's result, bit by bit, for `heads` query heads that stand side by side (head h at q + h * D) and
// share one cached key-value head. The own keys of these queries are in the cache already. scratch needs
// kernel_cached_attention_scratch_bytes.
typedef struct {
  const float *prefix, *own;             // caches
  ptrdiff_t prefix_count, own_offset;
  ptrdiff_t D;
  float scale;                           // 1 / sqrt(D)
  ptrdiff_t window;                      // as above
} kernel_cached_span;

ptrdiff_t kernel_cached_attention_scratch_bytes(ptrdiff_t D);
void kernel_cached_attention(float *out, ptrdiff_t out_row, const float *q, ptrdiff_t q_row, ptrdiff_t queries,
                             ptrdiff_t heads, const kernel_cached_span *span, void *scratch);

// ---- Loss ----------------------------------------------------------------------------------------------------------------

// Cross-entropy of one row of logits[V] against a label: returns log_sum_exp - logits[label] in *loss and overwrites the
// row with scale * (softmax - onehot(label)).
void kernel_cross_entropy_backward(float *loss, float *logits, int32_t label, float scale, ptrdiff_t V);
// The loss alone; logits stay as they are.
float kernel_cross_entropy(const float *logits, int32_t label, ptrdiff_t V);
// log(sum(exp(x))).
float kernel_log_sum_exp(const float *x, ptrdiff_t count);
// The first index of the largest element.
int32_t kernel_argmax(const float *x, ptrdiff_t count);

// ---- Elementwise and reductions ----------------------------------------------------------------------------------------

void kernel_add(float *y, const float *x, ptrdiff_t count);                  // y += x
void kernel_add_scaled(float *y, float scale, const float *x, ptrdiff_t count);  // y = fma(scale, x, y)
void kernel_scale(float *y, float scale, ptrdiff_t count);                   // y *= scale
double kernel_sum_of_squares(const float *x, ptrdiff_t count);               // accumulated in double, 16 lanes
int32_t kernel_all_finite(const float *x, ptrdiff_t count);                  // 1 where no NaN or infinity

// ---- Random numbers: Philox 4x32-10 (Salmon et al. 2011) -----------------------------------------------------------------

// A stream: element i of a tensor takes word i mod 4 of the block with counter {i / 4 low, i / 4 high, stream[0], stream[1]}.
typedef struct { uint32_t key[2]; uint32_t stream[2]; } kernel_random;

// Words first .. first + count - 1 of the stream.
void kernel_random_words(uint32_t *out, kernel_random random, uint64_t first, ptrdiff_t count);
// Uniform in [low, high): low + (word >> 8) * 2^-24 * (high - low).
void kernel_random_uniform(float *out, kernel_random random, uint64_t first, ptrdiff_t count, float low, float high);
// Inverted dropout of elements first .. first + count - 1, first a multiple of 16, probability above 0: kept where
// (word >> 8) * 2^-24 >= probability, then times 1 / (1 - probability). Bit i of mask[j] tells whether element first + 16 j + i
// was kept.
void kernel_dropout(float *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first, ptrdiff_t count,
                    float probability);
// The same once more, by its mask.
void kernel_dropout_again(float *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability);

// Both for fast numerics: out in bfloat16, rounded as kernel_fast_rows does.
void kernel_fast_dropout(uint16_t *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first,
                         ptrdiff_t count, float probability);
void kernel_fast_dropout_again(uint16_t *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability);

// ---- Optimizer -------------------------------------------------------------------------------------------------------------

// AdamW as torch.optim.AdamW: w -= lr * decay * w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
// w -= (lr / correction1) * m / (sqrt(v) / sqrt(correction2) + epsilon), correction_i = 1 - b_i^step.
// g is read as gradient_scale * g (for clipping).
typedef struct {
  float learning_rate, beta1, beta2, epsilon, decay, correction1, sqrt_correction2, gradient_scale;
} kernel_adamw_settings;
void kernel_adamw(float *w, float *m, float *v, const float *g, ptrdiff_t count, const kernel_adamw_settings *settings);

// ---- Waiting ----------------------------------------------------------------------------------------------------------------

// Turn `turn` (from 0) of a loop that waits for another thread: spins at first, then gives way to other processes, then
// sleeps for moments.
void kernel_wait(int32_t turn);
// How many turns spin.
int32_t kernel_wait_spins(void);

// ---- exp and log, for tests and callers -----------------------------------------------------------------------------------

void kernel_exp(float *out, const float *x, ptrdiff_t count);
void kernel_log(float *out, const float *x, ptrdiff_t count);

#endif
