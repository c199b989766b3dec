// The system libgit2 (1.5 or newer). Variadic functions get inline shims here, since Swift cannot call them.
#include <git2.h>
#include <git2/sys/commit.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
