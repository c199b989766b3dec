// Everything that is compiled once a level. The includer sets the target attributes and names its table LEVEL_TABLE.
// Vectors pass only between functions that are always inlined, so no calling convention is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

#include "lanes.h"

#include "explog.h"

#include "blocks.h"

#include "elementwise.h"

#include "rows.h"

#include "random.h"

#include "gemm.h"

#include "attention.h"

#include "fast.h"

#include "regroup.h"

#include "grouped.h"

#include "cached.h"

const kernel_table LEVEL_TABLE = {
#define X(result, name, parameters, arguments) .name = name##_level,
    EVERY_KERNEL(X)
#undef X
};
