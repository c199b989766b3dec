// The system libgit2 (1.5 or newer). Variadic functions get inline shims here, since Swift cannot call them.
#include <git2.h>
#include <git2/sys/commit.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
// zlib comes with libgit2, which is built on it: loose objects are inflated with it directly.
#include <zlib.h>

// git_libgit2_opts for the options that take one int.
static inline int shim_git_option_int(int option, int value) { return git_libgit2_opts(option, value); }

// GIT_OPT_SET_SEARCH_PATH: where the configuration files of a level are looked for; "" for nowhere.
static inline int shim_git_search_path(int level, const char *path) {
    return git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, path);
}

// GIT_OPT_SET_SSL_CERT_LOCATIONS: the file of certificates that https servers are checked against.
static inline int shim_git_certificates(const char *file) {
    return git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file, NULL);
}
