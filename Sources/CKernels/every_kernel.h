// The kernels: each signature is here and nowhere else. The file that includes this one defines KERNEL(result, name, parameters,
// arguments): as the declaration of kernel_<name>, as an entry in the table of a level, or as the call through that table.

// ---- Matrices --------------------------------------------------------------------------------------------------------------

// Writes row `row` of the matrix as float32 to out[columns].
KERNEL(void, matrix_row, (float *out, const kernel_matrix *matrix, ptrdiff_t row), (out, matrix, row))
// Blocks of 64 floats as NF4 blocks of 36 bytes, as bitsandbytes quantises them: the code nearest to x / absmax, the lower
// of two equally near.
KERNEL(void, nf4_from_f32, (uint8_t *out, const float *x, ptrdiff_t blocks), (out, x, blocks))

// ---- GEMM ------------------------------------------------------------------------------------------------------------------

// to = sum over k of a[m, k] b[k, n]. a[m, k] is at a[m * a_row + k * a_column] (in elements, so a transposed A needs no copy). b is [K, N]
// as stored, or [N, K] as stored where b_transposed (a weight [out, in] in the forward pass). K is at most the stored extent of b, so a
// quantised row longer than K is not an error. c overlaps neither a nor the workspace; a workspace belongs to one call at a time (about 2.6
// MB per thread).
KERNEL(void, gemm,
       (const kernel_target *to, const float *a, ptrdiff_t a_row, ptrdiff_t a_column, const kernel_matrix *b,
        int32_t b_transposed, ptrdiff_t K, void *workspace),
       (to, a, a_row, a_column, b, b_transposed, K, workspace))
// kernel_gemm of `count` terms, each added after the one before: the same bits as that many calls, in as few passes over c as the workspace
// allows.
KERNEL(void, gemm_sum, (const kernel_target *to, const kernel_term *terms, ptrdiff_t count, void *workspace),
       (to, terms, count, workspace))

// ---- GEMM of the fast numerics: bfloat16 inputs, float32 sums ----------------------------------------------------------------

// out[t, :] = bfloat16 of x[t, :], to nearest even, denormals to zero. A row of odd length is followed by one zero.
// Rows of out are out_row apart (an even number of elements, and out 4-byte aligned), as kernel_fast_gemm_sum reads them.
KERNEL(void, fast_rows,
       (uint16_t *out, ptrdiff_t out_row, const float *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns),
       (out, out_row, x, x_row, rows, columns))
// out[t / 2, i] = the bfloat16 of x[t, i] in the lower half, of x[t + 1, i] in the upper; x [rows, columns]. A last odd row is paired with
// zeros.
KERNEL(void, fast_pairs, (uint32_t *out, const float *x, ptrdiff_t rows, ptrdiff_t columns), (out, x, rows, columns))
// As kernel_gemm_sum, with a in bfloat16 and b rounded to bfloat16 while it is packed. Pairs (k, k + 1) are taken in order, in blocks of
// KERNEL_FAST_K_BLOCK: fused multiply-add of the odd k, then of the even one (VDPBF16PS), denormals read and written as zero. Block sums
// are added in order. Where K is odd, a has a zero after each row. The bits are the same at every level and for every split.
KERNEL(void, fast_gemm_sum, (const kernel_target *to, const kernel_term *terms, ptrdiff_t count, void *workspace),
       (to, terms, count, workspace))
// c += u^T y (for any value of `accumulate`) with M the rank, u [T, M] as kernel_fast_pairs makes it, y [T, >= last_column] in bfloat16,
// its rows y_row apart: the same bits as kernel_fast_gemm_sum gives for u transposed.
KERNEL(void, fast_cross,
       (const kernel_target *to, const uint32_t *u, const uint16_t *y, ptrdiff_t y_row, ptrdiff_t T),
       (to, u, y, y_row, T))

// ---- Norms, rotary embedding, activation -------------------------------------------------------------------------------------

// RMSNorm: out[t, :] = x[t, :] * inverse_rms[t] * weight, inverse_rms[t] = 1 / sqrt(mean(x[t, :]^2) + epsilon); [rows] of it.
KERNEL(void, rmsnorm_forward,
       (float *out, float *inverse_rms, const float *x, const float *weight, float epsilon, ptrdiff_t rows,
        ptrdiff_t columns),
       (out, inverse_rms, x, weight, epsilon, rows, columns))
// Adds to dx: with g = dout * weight, dx += inverse_rms * (g - x * inverse_rms^2 * mean(g * x)). The weight is frozen.
KERNEL(void, rmsnorm_backward,
       (float *dx, const float *dout, const float *x, const float *weight, const float *inverse_rms, ptrdiff_t rows,
        ptrdiff_t columns),
       (dx, dout, x, weight, inverse_rms, rows, columns))
// Rotary embedding in place, Hugging Face pairing (i, i + D/2). x[t] is at x + t * row, with `heads` heads of D; positions[t] selects its
// row of the tables.
KERNEL(void, rope,
       (float *x, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t heads, const int32_t *positions,
        const kernel_rotation *rotation),
       (x, row, rows, heads, positions, rotation))
// out = silu(gate) * up, elementwise.
KERNEL(void, swiglu_forward, (float *out, const float *gate, const float *up, ptrdiff_t count), (out, gate, up, count))
// Overwrites dgate and dup (which may be the buffers gate and up themselves).
KERNEL(void, swiglu_backward,
       (float *dgate, float *dup, const float *dout, const float *gate, const float *up, ptrdiff_t count),
       (dgate, dup, dout, gate, up, count))

// ---- Attention ---------------------------------------------------------------------------------------------------------------

// One head of causal attention for consecutive tokens. The result for a query does not depend on how many queries are in the call (if all
// given keys and values are finite): keys are taken in blocks of 96 aligned within each span. The gradients of keys and values also do not
// depend on how queries are split between calls, if the calls come in the queries' order. No whole [queries, keys] matrix is ever held.
KERNEL(void, attention_forward,
       (const kernel_attention_queries *queries, const kernel_attention_span *span, void *scratch),
       (queries, span, scratch))
// Adds to dq, and to dk and dv of both spans.
KERNEL(void, attention_backward,
       (const kernel_attention_gradients *gradients, const kernel_attention_queries *queries,
        const kernel_attention_span *span, void *scratch),
       (gradients, queries, span, scratch))

// ---- Decoding: few rows at a time ----------------------------------------------------------------------------------------------

// Writes rows first_row .. last_row - 1 of b into out, which must be zero before; the ranges of two threads must meet at a multiple of 16.
KERNEL(void, group_rows, (void *out, const kernel_matrix *b, ptrdiff_t first_row, ptrdiff_t last_row),
       (out, b, first_row, last_row))
// to = sum over k of a[m, k] b[n, k], with the bits of kernel_gemm with b_transposed. first_column is a multiple of 16; M is at least 1.
// The workspace is that of kernel_gemm.
KERNEL(void, grouped_product,
       (const kernel_target *to, const float *a, ptrdiff_t a_row, const kernel_grouped *b, void *workspace),
       (to, a, a_row, b, workspace))
// Appends `count` rows of keys and values to a cache as keys first, first + 1, ...
KERNEL(void, cache_append,
       (float *cache, ptrdiff_t first, const float *keys, const float *values, ptrdiff_t row, ptrdiff_t count,
        ptrdiff_t D),
       (cache, first, keys, values, row, count, D))
// Copies keys and values from another cache.
KERNEL(void, cache_copy,
       (float *cache, ptrdiff_t first, const float *from, ptrdiff_t from_first, ptrdiff_t count, ptrdiff_t D),
       (cache, first, from, from_first, count, D))
// kernel_attention_forward's result, bit by bit, for `heads` query heads that are stored side by side (head h at q + h * D) and share one
// cached key-value head. The own keys of these queries must be in the cache already.
KERNEL(void, cached_attention,
       (float *out, ptrdiff_t out_row, const float *q, ptrdiff_t q_row, ptrdiff_t queries, ptrdiff_t heads,
        const kernel_cached_span *span, void *scratch),
       (out, out_row, q, q_row, queries, heads, span, scratch))

// ---- Loss ------------------------------------------------------------------------------------------------------------------------

// Cross-entropy of one row of logits[V] against a label: returns log_sum_exp - logits[label] in *loss and overwrites the
// row with scale * (softmax - onehot(label)).
KERNEL(void, cross_entropy_backward, (float *loss, float *logits, int32_t label, float scale, ptrdiff_t V),
       (loss, logits, label, scale, V))
// The loss alone; logits are not changed.
KERNEL(float, cross_entropy, (const float *logits, int32_t label, ptrdiff_t V), (logits, label, V))
// log(sum(exp(x))).
KERNEL(float, log_sum_exp, (const float *x, ptrdiff_t count), (x, count))
// The first index of the largest element.
KERNEL(int32_t, argmax, (const float *x, ptrdiff_t count), (x, count))

// ---- Elementwise and reductions ------------------------------------------------------------------------------------------------

// y += x
KERNEL(void, add, (float *y, const float *x, ptrdiff_t count), (y, x, count))
// y *= scale
KERNEL(void, scale, (float *y, float scale, ptrdiff_t count), (y, scale, count))
// Accumulated in double, 16 lanes.
KERNEL(double, sum_of_squares, (const float *x, ptrdiff_t count), (x, count))
// 1 if there is no NaN and no infinity.
KERNEL(int32_t, all_finite, (const float *x, ptrdiff_t count), (x, count))

// ---- Random numbers --------------------------------------------------------------------------------------------------------------

// Words first .. first + count - 1 of the stream.
KERNEL(void, random_words, (uint32_t *out, kernel_random random, uint64_t first, ptrdiff_t count),
       (out, random, first, count))
// Uniform in [low, high): low + (word >> 8) * 2^-24 * (high - low).
KERNEL(void, random_uniform,
       (float *out, kernel_random random, uint64_t first, ptrdiff_t count, float low, float high),
       (out, random, first, count, low, high))
// Inverted dropout of elements first .. first + count - 1, first a multiple of 16, probability above 0: an element is kept where (word >>
// 8) * 2^-24 >= probability, and then multiplied by 1 / (1 - probability). Bit i of mask[j] is 1 where element first + 16 j + i was kept.
KERNEL(void, dropout,
       (float *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first, ptrdiff_t count,
        float probability),
       (out, mask, x, random, first, count, probability))
// The same again, from the mask of the first call.
KERNEL(void, dropout_again,
       (float *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability),
       (out, mask, x, count, probability))
// Both for fast numerics: out is bfloat16, rounded as kernel_fast_rows does.
KERNEL(void, fast_dropout,
       (uint16_t *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first, ptrdiff_t count,
        float probability),
       (out, mask, x, random, first, count, probability))
KERNEL(void, fast_dropout_again,
       (uint16_t *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability),
       (out, mask, x, count, probability))

// ---- Optimizer --------------------------------------------------------------------------------------------------------------------

KERNEL(void, adamw,
       (float *w, float *m, float *v, const float *g, ptrdiff_t count, const kernel_adamw_settings *settings),
       (w, m, v, g, count, settings))

// ---- exp and log by themselves, so that their error can be measured over all of their range ----------------------------------------

KERNEL(void, exp, (float *out, const float *x, ptrdiff_t count), (out, x, count))
KERNEL(void, log, (float *out, const float *x, ptrdiff_t count), (out, x, count))
