// The list of kernels, and the table of them that each level fills in.
#ifndef MEDROUNDS_TABLE_H
#define MEDROUNDS_TABLE_H

#include "CKernels.h"

// X(result, name, parameters, arguments) for every kernel that has levels.
#define EVERY_KERNEL(X)                                                                                                \
  X(void, matrix_row, (float *out, const kernel_matrix *matrix, ptrdiff_t row), (out, matrix, row))                    \
  X(void, nf4_from_f32, (uint8_t *out, const float *x, ptrdiff_t blocks), (out, x, blocks))                            \
  X(void, bf16_from_f32, (uint16_t *out, const float *x, ptrdiff_t count), (out, x, count))                            \
  X(void, f32_from_bf16, (float *out, const uint16_t *x, ptrdiff_t count), (out, x, count))                            \
  X(void, gemm,                                                                                                        \
    (float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row, ptrdiff_t a_column,               \
     const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column,         \
     ptrdiff_t K, void *workspace),                                                                                    \
    (c, c_row, accumulate, a, a_row, a_column, b, b_transposed, M, first_column, last_column, K, workspace))           \
  X(void, gemm_sum,                                                                                                    \
    (float *c, ptrdiff_t c_row, int32_t accumulate, const kernel_term *terms, ptrdiff_t count, ptrdiff_t M,            \
     ptrdiff_t first_column, ptrdiff_t last_column, void *workspace),                                                  \
    (c, c_row, accumulate, terms, count, M, first_column, last_column, workspace))                                     \
  X(void, fast_rows,                                                                                                   \
    (uint16_t *out, ptrdiff_t out_row, const float *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns),            \
    (out, out_row, x, x_row, rows, columns))                                                                           \
  X(void, fast_pairs, (uint32_t *out, const float *x, ptrdiff_t rows, ptrdiff_t columns), (out, x, rows, columns))     \
  X(void, fast_cross,                                                                                                  \
    (float *c, ptrdiff_t c_row, const uint32_t *u, ptrdiff_t rank, const uint16_t *y, ptrdiff_t y_row, ptrdiff_t T,    \
     ptrdiff_t first_column, ptrdiff_t last_column),                                                                   \
    (c, c_row, u, rank, y, y_row, T, first_column, last_column))                                                       \
  X(void, fast_gemm_sum,                                                                                               \
    (float *c, ptrdiff_t c_row, int32_t accumulate, const kernel_term *terms, ptrdiff_t count, ptrdiff_t M,            \
     ptrdiff_t first_column, ptrdiff_t last_column, void *workspace),                                                  \
    (c, c_row, accumulate, terms, count, M, first_column, last_column, workspace))                                     \
  X(void, rmsnorm_forward,                                                                                             \
    (float *out, float *inverse_rms, const float *x, const float *weight, float epsilon, ptrdiff_t rows,               \
     ptrdiff_t columns),                                                                                               \
    (out, inverse_rms, x, weight, epsilon, rows, columns))                                                             \
  X(void, rmsnorm_backward,                                                                                            \
    (float *dx, const float *dout, const float *x, const float *weight, const float *inverse_rms, ptrdiff_t rows,      \
     ptrdiff_t columns),                                                                                               \
    (dx, dout, x, weight, inverse_rms, rows, columns))                                                                 \
  X(void, rope,                                                                                                        \
    (float *x, ptrdiff_t row, const float *cosine, const float *sine, const int32_t *positions, ptrdiff_t rows,        \
     ptrdiff_t heads, ptrdiff_t D, int32_t direction),                                                                 \
    (x, row, cosine, sine, positions, rows, heads, D, direction))                                                      \
  X(void, swiglu_forward, (float *out, const float *gate, const float *up, ptrdiff_t count), (out, gate, up, count))   \
  X(void, swiglu_backward,                                                                                             \
    (float *dgate, float *dup, const float *dout, const float *gate, const float *up, ptrdiff_t count),                \
    (dgate, dup, dout, gate, up, count))                                                                               \
  X(void, attention_forward,                                                                                           \
    (float *out, ptrdiff_t out_row, float *log_sum_exp, const float *q, ptrdiff_t q_row, ptrdiff_t queries,            \
     const kernel_attention_span *span, void *scratch),                                                                \
    (out, out_row, log_sum_exp, q, q_row, queries, span, scratch))                                                     \
  X(void, attention_backward,                                                                                          \
    (float *dq, ptrdiff_t dq_row, float *dprefix_keys, float *dprefix_values, ptrdiff_t dprefix_row, float *down_keys, \
     float *down_values, ptrdiff_t down_row, const float *dout, const float *out, ptrdiff_t out_row,                   \
     const float *log_sum_exp, const float *q, ptrdiff_t q_row, ptrdiff_t queries, const kernel_attention_span *span,  \
     void *scratch),                                                                                                   \
    (dq, dq_row, dprefix_keys, dprefix_values, dprefix_row, down_keys, down_values, down_row, dout, out, out_row,      \
     log_sum_exp, q, q_row, queries, span, scratch))                                                                   \
  X(void, group_rows, (void *out, const kernel_matrix *b, ptrdiff_t first_row, ptrdiff_t last_row),                    \
    (out, b, first_row, last_row))                                                                                     \
  X(void, grouped_product,                                                                                             \
    (float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row, const kernel_grouped *b,          \
     ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column, void *workspace),                                     \
    (c, c_row, accumulate, a, a_row, b, M, first_column, last_column, workspace))                                      \
  X(void, cache_append,                                                                                                \
    (float *cache, ptrdiff_t first, const float *keys, const float *values, ptrdiff_t row, ptrdiff_t count,            \
     ptrdiff_t D),                                                                                                     \
    (cache, first, keys, values, row, count, D))                                                                       \
  X(void, cache_copy,                                                                                                  \
    (float *cache, ptrdiff_t first, const float *from, ptrdiff_t from_first, ptrdiff_t count, ptrdiff_t D),            \
    (cache, first, from, from_first, count, D))                                                                        \
  X(void, cached_attention,                                                                                            \
    (float *out, ptrdiff_t out_row, const float *q, ptrdiff_t q_row, ptrdiff_t queries, ptrdiff_t heads,               \
     const kernel_cached_span *span, void *scratch),                                                                   \
    (out, out_row, q, q_row, queries, heads, span, scratch))                                                           \
  X(void, cross_entropy_backward, (float *loss, float *logits, int32_t label, float scale, ptrdiff_t V),               \
    (loss, logits, label, scale, V))                                                                                   \
  X(float, cross_entropy, (const float *logits, int32_t label, ptrdiff_t V), (logits, label, V))                       \
  X(float, log_sum_exp, (const float *x, ptrdiff_t count), (x, count))                                                 \
  X(int32_t, argmax, (const float *x, ptrdiff_t count), (x, count))                                                    \
  X(void, add, (float *y, const float *x, ptrdiff_t count), (y, x, count))                                             \
  X(void, add_scaled, (float *y, float scale, const float *x, ptrdiff_t count), (y, scale, x, count))                  \
  X(void, scale, (float *y, float scale, ptrdiff_t count), (y, scale, count))                                          \
  X(double, sum_of_squares, (const float *x, ptrdiff_t count), (x, count))                                             \
  X(int32_t, all_finite, (const float *x, ptrdiff_t count), (x, count))                                                \
  X(void, random_words, (uint32_t *out, kernel_random random, uint64_t first, ptrdiff_t count),                        \
    (out, random, first, count))                                                                                       \
  X(void, random_uniform,                                                                                              \
    (float *out, kernel_random random, uint64_t first, ptrdiff_t count, float low, float high),                        \
    (out, random, first, count, low, high))                                                                            \
  X(void, dropout,                                                                                                     \
    (float *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first, ptrdiff_t count,                \
     float probability),                                                                                               \
    (out, mask, x, random, first, count, probability))                                                                 \
  X(void, dropout_again,                                                                                               \
    (float *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability),                            \
    (out, mask, x, count, probability))                                                                                \
  X(void, fast_dropout,                                                                                                \
    (uint16_t *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first, ptrdiff_t count,             \
     float probability),                                                                                               \
    (out, mask, x, random, first, count, probability))                                                                 \
  X(void, fast_dropout_again,                                                                                          \
    (uint16_t *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability),                         \
    (out, mask, x, count, probability))                                                                                \
  X(void, adamw,                                                                                                       \
    (float *w, float *m, float *v, const float *g, ptrdiff_t count, const kernel_adamw_settings *settings),            \
    (w, m, v, g, count, settings))                                                                                     \
  X(void, exp, (float *out, const float *x, ptrdiff_t count), (out, x, count))                                         \
  X(void, log, (float *out, const float *x, ptrdiff_t count), (out, x, count))

// Rows of A that GEMM packs at once; how deep the pieces of a sum are at most whose panels wait together, so that the rows of A
// which they read stay near; how many they are at most.
enum { GEMM_M_BLOCK = 1024, GEMM_DEPTH = 2048, GEMM_PIECES = 16 };
// Attention takes keys in blocks aligned within each span, and queries in chunks of whole strips.
enum { ATTENTION_KEYS = 96, ATTENTION_QUERIES = 64 };

typedef struct {
#define X(result, name, parameters, arguments) result(*name) parameters;
  EVERY_KERNEL(X)
#undef X
} kernel_table;

extern const kernel_table kernel_table_plain;
extern const kernel_table kernel_table_avx2;
extern const kernel_table kernel_table_avx512;
extern const kernel_table kernel_table_avx512_bf16;

#endif
