/* Preloaded before libc: counts the calls that touch files below one folder, and lets one of them
 * fail, or sends a signal just before it happens. It can also let the wall clock jump.
 *
 * fault_arm() reads its orders from the environment, so that processes started later obey, too:
 *   FAULT_FOLDER   absolute path; only what lies below it counts
 *   FAULT_COUNTER  file of two 64-bit counters that all processes share: all calls, writing calls
 *   FAULT_AMONG    "all" or "writes": which of the two tells the moment
 *   FAULT_AT       number of the call, from 0
 *   FAULT_TIMES    how many calls fail from then on
 *   FAULT_SIGNAL   signal to send to FAULT_TARGET (a process, or minus a process group)
 *   FAULT_ERRNO    what the call fails with; with FAULT_PARTIAL=1 the first one writes one half
 *   FAULT_CLOCK    1: the wall clock is hours off, by another amount at every look
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { READS, WRITES, REMOVES };
enum { PARTIAL = -1 };

static char folder[PATH_MAX];
static long *counters, at, times, target, looks;
static int among_writes, signal_number, error_number, partial, clock_jumps;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) void fault_arm(void) {
    const char *where = getenv("FAULT_FOLDER"), *counter = getenv("FAULT_COUNTER");
    const char *among = getenv("FAULT_AMONG");
    folder[0] = 0;
    clock_jumps = number("FAULT_CLOCK");
    if (!where || !counter) return;
    int fd = open(counter, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    counters = mmap(NULL, 2 * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (counters == MAP_FAILED) return;
    among_writes = among && !strcmp(among, "writes");
    at = number("FAULT_AT"), times = number("FAULT_TIMES"), target = number("FAULT_TARGET");
    signal_number = number("FAULT_SIGNAL"), error_number = number("FAULT_ERRNO");
    partial = number("FAULT_PARTIAL");
    snprintf(folder, sizeof folder, "%s/", where);
}

/* Count a call that touches `path`; return the error that it shall fail with, PARTIAL, or 0. */
static int meet(int class, const char *path) {
    if (!folder[0] || strncmp(path, folder, strlen(folder))) return 0;
    long all = __atomic_fetch_add(&counters[0], 1, __ATOMIC_SEQ_CST);
    long written = class == READS ? LONG_MIN : __atomic_fetch_add(&counters[1], 1, __ATOMIC_SEQ_CST);
    long moment = among_writes ? written : all;
    if (signal_number && moment == at) kill(target, signal_number);
    if (!error_number || class == READS || moment < at || moment >= at + times) return 0;
    /* A full or broken disk still removes files; one that is read-only does not. */
    if (class == REMOVES && error_number != EROFS) return 0;
    return partial && moment == at ? PARTIAL : error_number;
}

static int meet_at(int class, int dir, const char *path) {
    char whole[2 * PATH_MAX] = "", link[64];
    if (!folder[0] || !path) return 0;
    if (path[0] == '/') return meet(class, path);
    if (dir == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t length = readlink(link, whole, PATH_MAX);
        whole[length < 0 ? 0 : length] = 0;
    }
    strcat(whole, "/");
    strncat(whole, path, PATH_MAX - 1);
    return meet(class, whole);
}

static int meet_fd(int class, int fd) {
    return meet_at(class, fd, ""); /* the folder's own files end in "/" here, which does no harm */
}

#define FAIL_IF(error) \
    do { \
        int failure = (error); \
        if (failure) return errno = failure == PARTIAL ? error_number : failure, -1; \
    } while (0)

#define OPENS(name, args, call, dir, path) \
    int name args { \
        REAL(name); \
        mode_t mode = 0; \
        va_list rest; \
        va_start(rest, flags); \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); \
        va_end(rest); \
        FAIL_IF(meet_at(flags & (O_WRONLY | O_RDWR | O_CREAT) ? WRITES : READS, dir, path)); \
        return real call; \
    }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD, path)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD, path)
OPENS(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode), dir, path)
OPENS(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode), dir, path)

/* One call on a path or on an open file, and what decides whether it fails. */
#define CALL(type, name, args, call, check) \
    type name args { \
        REAL(name); \
        FAIL_IF(check); \
        return real call; \
    }
#define WRITE_CALL(name, args, call, half) \
    ssize_t name args { \
        REAL(name); \
        int failure = meet_fd(WRITES, fd); \
        if (failure == PARTIAL && size > 1) return real half; \
        FAIL_IF(failure); \
        return real call; \
    }
CALL(int, creat, (const char *p, mode_t m), (p, m), meet_at(WRITES, AT_FDCWD, p))
CALL(int, creat64, (const char *p, mode_t m), (p, m), meet_at(WRITES, AT_FDCWD, p))
CALL(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), meet_fd(READS, fd))
CALL(ssize_t, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o), meet_fd(READS, fd))
CALL(ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o), meet_fd(READS, fd))
WRITE_CALL(write, (int fd, const void *b, size_t size), (fd, b, size), (fd, b, size / 2))
WRITE_CALL(pwrite, (int fd, const void *b, size_t size, off_t o), (fd, b, size, o),
           (fd, b, size / 2, o))
WRITE_CALL(pwrite64, (int fd, const void *b, size_t size, off64_t o), (fd, b, size, o),
           (fd, b, size / 2, o))
CALL(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), meet_fd(WRITES, fd))
CALL(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o),
     meet_fd(WRITES, fd))
CALL(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o),
     meet_fd(WRITES, fd))
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile64(int, int, off64_t *, size_t);
CALL(ssize_t, sendfile, (int fd, int in, off_t *o, size_t n), (fd, in, o, n), meet_fd(WRITES, fd))
CALL(ssize_t, sendfile64, (int fd, int in, off64_t *o, size_t n), (fd, in, o, n),
     meet_fd(WRITES, fd))
CALL(ssize_t, copy_file_range,
     (int in, off64_t *from, int fd, off64_t *to, size_t n, unsigned flags),
     (in, from, fd, to, n, flags), meet_fd(WRITES, fd))
CALL(int, fsync, (int fd), (fd), meet_fd(WRITES, fd))
CALL(int, fdatasync, (int fd), (fd), meet_fd(WRITES, fd))
CALL(int, ftruncate, (int fd, off_t n), (fd, n), meet_fd(WRITES, fd))
CALL(int, ftruncate64, (int fd, off64_t n), (fd, n), meet_fd(WRITES, fd))
CALL(int, fallocate, (int fd, int mode, off_t o, off_t n), (fd, mode, o, n), meet_fd(WRITES, fd))
CALL(int, rename, (const char *a, const char *b), (a, b), meet_at(WRITES, AT_FDCWD, b))
CALL(int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b),
     meet_at(WRITES, e, b))
CALL(int, renameat2, (int d, const char *a, int e, const char *b, unsigned f), (d, a, e, b, f),
     meet_at(WRITES, e, b))
CALL(int, link, (const char *a, const char *b), (a, b), meet_at(WRITES, AT_FDCWD, b))
CALL(int, linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f),
     meet_at(WRITES, e, b))
CALL(int, symlink, (const char *a, const char *b), (a, b), meet_at(WRITES, AT_FDCWD, b))
CALL(int, symlinkat, (const char *a, int e, const char *b), (a, e, b), meet_at(WRITES, e, b))
CALL(int, mkdir, (const char *p, mode_t m), (p, m), meet_at(WRITES, AT_FDCWD, p))
CALL(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m), meet_at(WRITES, d, p))
CALL(int, unlink, (const char *p), (p), meet_at(REMOVES, AT_FDCWD, p))
CALL(int, unlinkat, (int d, const char *p, int f), (d, p, f), meet_at(REMOVES, d, p))
CALL(int, rmdir, (const char *p), (p), meet_at(REMOVES, AT_FDCWD, p))

/* Hours that the wall clock is off by: -3, -2, .. 3, and again. */
static long jump(void) {
    return clock_jumps ? 3600 * (__atomic_fetch_add(&looks, 1, __ATOMIC_SEQ_CST) % 7 - 3) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int result = real(now, zone);
    if (!result) now->tv_sec += jump();
    return result;
}

time_t time(time_t *now) {
    REAL(time);
    time_t result = real(NULL) + jump();
    if (now) *now = result;
    return result;
}
