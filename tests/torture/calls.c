/* Stands between a process and its system, for calls that concern one folder, and lets one of them
 * fail. It is loaded with LD_PRELOAD and does nothing before `torture_begin`.
 *
 * A call is known by its kind and its number among those of its kind. It can fail with an error
 * number, or end the process: by SIGKILL, or as a power cut does. A write that ends the process has
 * written half. A power cut takes the content of every file that was written and not flushed. The
 * worse one also undoes every name that was given, taken or changed since its folder was flushed. A
 * power cut can come after all is done, too; then the process ends as it would.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, STAT, LIST, RENAME, MKDIR, UNLINK, FSYNC, LOCK, CHANGE, END, KINDS };
enum { POWER_CUT = -2, POWER_CUT_OF_NAMES = -3 };
enum { MOST_FILES = 1024, MOST_UNFLUSHED = 256, MOST_CHANGES = 1 << 16 };
enum { NO_EXCHANGE = 1, NO_FLUSH = 2 }; /* what the system cannot do, or says that it has done */

/* What the parent reads after the process has ended. */
struct shared { long counts[KINDS]; int reached; };

static struct shared *shared;
static char place[4096], keeping[4096];
static size_t place_length;
static int is_on, kind_meant, fault_meant, lacks;
static long number_meant;
static unsigned char is_below[MOST_FILES];

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

long *torture_counts(void) {
  if (!shared)
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return shared->counts;
}

int torture_reached(void) { return shared->reached; }

/* Count calls from here on. `number` < 0: none fails. `keeper` is an empty folder of that disk. */
void torture_begin(const char *folder, const char *keeper, int kind, long number, int fault,
                   int lacking) {
  torture_counts();
  memset(shared, 0, sizeof *shared);
  strncpy(place, folder, sizeof place - 1);
  strncpy(keeping, keeper, sizeof keeping - 1);
  place_length = strlen(place);
  kind_meant = kind, number_meant = number, fault_meant = fault, lacks = lacking;
  is_on = 1;
}

static int concerns(int folder, const char *path) {
  if (!is_on || !path) return 0;
  if (path[0] == '/')
    return !strncmp(path, place, place_length)
      && (path[place_length] == '/' || !path[place_length]);
  return folder == AT_FDCWD || (folder >= 0 && folder < MOST_FILES && is_below[folder]);
}

static int concerns_open(int file) {
  return is_on && file >= 0 && file < MOST_FILES && is_below[file];
}

static int noted(int file, int below) {
  if (file >= 0 && file < MOST_FILES) is_below[file] = below;
  return file;
}

#include "power_cut.h"

/* Whether this call is to fail; errno is set then. */
static int fails(enum kind kind) {
  long number = __atomic_fetch_add(&shared->counts[kind], 1, __ATOMIC_RELAXED);
  if ((int)kind != kind_meant || number != number_meant) return 0;
  shared->reached = 1;
  if (fault_meant < 0) die();
  errno = fault_meant;
  return 1;
}

/* ---- calls with a path ---- */

#define OPENING(name, folder, ...) { \
  va_list more; va_start(more, flags); \
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
  va_end(more); \
  REAL(name); \
  int below = concerns(folder, path); \
  if (below && fails(OPEN)) return -1; \
  if (!below || !(flags & O_CREAT)) return noted(real(__VA_ARGS__, path, flags, mode), below); \
  struct change change = before(GIVEN, 0, NULL, folder, path); \
  return noted(after(change, real(__VA_ARGS__, path, flags, mode)), below); }
#define OPENING_HERE(name) { \
  va_list more; va_start(more, flags); \
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
  va_end(more); \
  REAL(name); \
  int below = concerns(AT_FDCWD, path); \
  if (below && fails(OPEN)) return -1; \
  if (!below || !(flags & O_CREAT)) return noted(real(path, flags, mode), below); \
  struct change change = before(GIVEN, 0, NULL, AT_FDCWD, path); \
  return noted(after(change, real(path, flags, mode)), below); }

int open(const char *path, int flags, ...) OPENING_HERE(open)
int open64(const char *path, int flags, ...) OPENING_HERE(open64)
int openat(int folder, const char *path, int flags, ...) OPENING(openat, folder, folder)
int openat64(int folder, const char *path, int flags, ...) OPENING(openat64, folder, folder)

#define OF_PATH(kind, type, name, folder, path, parameters, arguments) \
  type name parameters { \
    REAL(name); \
    if (concerns(folder, path) && fails(kind)) return -1; \
    return real arguments; }

OF_PATH(STAT, int, stat64, AT_FDCWD, path, (const char *path, struct stat64 *s), (path, s))
OF_PATH(STAT, int, lstat64, AT_FDCWD, path, (const char *path, struct stat64 *s), (path, s))
OF_PATH(STAT, int, fstatat64, f, path, (int f, const char *path, struct stat64 *s, int flags),
        (f, path, s, flags))
OF_PATH(STAT, int, access, AT_FDCWD, path, (const char *path, int mode), (path, mode))
OF_PATH(STAT, int, faccessat, f, path, (int f, const char *path, int mode, int flags),
        (f, path, mode, flags))
OF_PATH(STAT, ssize_t, readlink, AT_FDCWD, path, (const char *path, char *to, size_t n),
        (path, to, n))
OF_PATH(STAT, ssize_t, readlinkat, f, path, (int f, const char *path, char *to, size_t n),
        (f, path, to, n))
/* Calls that give, take or change a name. */
#define NAMING(kind, what, name, a, from, b, at, parameters, arguments) \
  int name parameters { \
    REAL(name); \
    if (!concerns(b, at)) return real arguments; \
    if (fails(kind)) return -1; \
    struct change change = before(what, a, from, b, at); \
    return after(change, real arguments); }

NAMING(MKDIR, GIVEN, mkdir, 0, NULL, AT_FDCWD, path, (const char *path, mode_t mode), (path, mode))
NAMING(MKDIR, GIVEN, mkdirat, 0, NULL, f, path, (int f, const char *path, mode_t mode),
       (f, path, mode))
NAMING(UNLINK, TAKEN, unlink, 0, NULL, AT_FDCWD, path, (const char *path), (path))
NAMING(UNLINK, TAKEN, unlinkat, 0, NULL, f, path, (int f, const char *path, int flags),
       (f, path, flags))
NAMING(UNLINK, TAKEN, rmdir, 0, NULL, AT_FDCWD, path, (const char *path), (path))
NAMING(RENAME, CHANGED, rename, AT_FDCWD, from, AT_FDCWD, to, (const char *from, const char *to),
       (from, to))
NAMING(RENAME, CHANGED, renameat, a, from, b, to,
       (int a, const char *from, int b, const char *to), (a, from, b, to))
NAMING(RENAME, GIVEN, link, 0, NULL, AT_FDCWD, to, (const char *from, const char *to),
       (from, to))
NAMING(RENAME, GIVEN, linkat, 0, NULL, b, to,
       (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
NAMING(RENAME, GIVEN, symlink, 0, NULL, AT_FDCWD, to, (const char *from, const char *to),
       (from, to))
OF_PATH(CHANGE, int, chmod, AT_FDCWD, path, (const char *path, mode_t mode), (path, mode))
OF_PATH(CHANGE, int, truncate64, AT_FDCWD, path, (const char *path, off64_t n), (path, n))
OF_PATH(CHANGE, int, utimensat, f, path,
        (int f, const char *path, const struct timespec times[2], int flags),
        (f, path, times, flags))

int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
  REAL(renameat2);
  if (!concerns(b, to)) return real(a, from, b, to, flags);
  if (lacks & NO_EXCHANGE) { errno = ENOSYS; return -1; }
  if (fails(RENAME)) return -1;
  struct change change = before(flags & RENAME_EXCHANGE ? EXCHANGED : CHANGED, a, from, b, to);
  return after(change, real(a, from, b, to, flags));
}

DIR *opendir(const char *path) {
  REAL(opendir);
  int below = concerns(AT_FDCWD, path);
  if (below && fails(LIST)) return NULL;
  DIR *found = real(path);
  if (found) noted(dirfd(found), below);
  return found;
}

/* ---- calls with a descriptor ---- */

DIR *fdopendir(int file) {
  REAL(fdopendir);
  if (concerns_open(file) && fails(LIST)) return NULL;
  return real(file);
}

struct dirent64 *readdir64(DIR *folder) {
  REAL(readdir64);
  if (concerns_open(dirfd(folder)) && fails(LIST)) return NULL;
  return real(folder);
}

int fstat64(int file, struct stat64 *status) {
  REAL(fstat64);
  if (concerns_open(file) && fails(STAT)) return -1;
  return real(file, status);
}

ssize_t read(int file, void *content, size_t count) {
  REAL(read);
  if (concerns_open(file) && fails(READ)) return -1;
  return real(file, content, count);
}

ssize_t write(int file, const void *content, size_t count) {
  REAL(write);
  if (concerns_open(file)) {
    written(file, 0);
    int is_meant = kind_meant == WRITE && shared->counts[WRITE] == number_meant;
    if (is_meant && fault_meant < 0 && real(file, content, count / 2) < 0) die();
    if (fails(WRITE)) return -1;
  }
  return real(file, content, count);
}

#define OF_FILE(kind, type, name, file, parameters, arguments) \
  type name parameters { \
    REAL(name); \
    if (concerns_open(file)) { \
      if (kind == WRITE) written(file, 0); \
      if (fails(kind)) return -1; \
    } \
    return real arguments; }

OF_FILE(READ, ssize_t, pread64, f, (int f, void *to, size_t n, off64_t at), (f, to, n, at))
OF_FILE(READ, ssize_t, readv, f, (int f, const struct iovec *to, int n), (f, to, n))
OF_FILE(WRITE, ssize_t, pwrite64, f, (int f, const void *from, size_t n, off64_t at),
        (f, from, n, at))
OF_FILE(WRITE, ssize_t, writev, f, (int f, const struct iovec *from, int n), (f, from, n))
OF_FILE(CHANGE, int, ftruncate64, f, (int f, off64_t length), (f, length))
OF_FILE(CHANGE, int, fchmod, f, (int f, mode_t mode), (f, mode))
OF_FILE(CHANGE, int, futimens, f, (int f, const struct timespec times[2]), (f, times))
OF_FILE(LOCK, int, flock, f, (int f, int how), (f, how))

#define FLUSH(name) { \
  REAL(name); \
  if (!concerns_open(file)) return real(file); \
  if (fails(FSYNC)) return -1; \
  if (lacks & NO_FLUSH) return 0; \
  written(file, 1); \
  flushed_names(file); \
  return real(file); }

int fsync(int file) FLUSH(fsync)

int fdatasync(int file) FLUSH(fdatasync)

int fcntl64(int file, int command, ...) {
  va_list more; va_start(more, command);
  void *argument = va_arg(more, void *);
  va_end(more);
  REAL(fcntl64);
  int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK;
  if (locks && concerns_open(file) && fails(LOCK)) return -1;
  int result = real(file, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) noted(result, concerns_open(file));
  return result;
}

/* Closing never fails, but frees the number for other files. */
int close(int file) {
  REAL(close);
  noted(file, 0);
  return real(file);
}

int closedir(DIR *folder) {
  REAL(closedir);
  noted(dirfd(folder), 0);
  return real(folder);
}
