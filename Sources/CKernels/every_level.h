// Everything that is compiled once for each level. The file that includes this one sets the target attributes and names its table
// LEVEL_TABLE. Vectors are passed only between functions that are always inlined, so no calling convention is involved.
#pragma clang diagnostic ignored "-Wpsabi"

#include "attention.h"
#include "blocks.h"
#include "cached.h"
#include "elementwise.h"
#include "fast.h"
#include "gemm.h"
#include "grouped.h"
#include "random.h"
#include "regroup.h"
#include "rows.h"

const kernel_table LEVEL_TABLE = {
#define KERNEL(result, name, parameters, arguments) .name = name##_level,
#include "every_kernel.h"
#undef KERNEL
};
