/* What a power cut takes: the content of files that were not flushed, and names whose folder was not.
 * Part of `calls.c`.
 */

/* The content of a file that was written and not flushed. */
static struct unflushed { dev_t device; ino_t inode; int descriptor; } unflushed[MOST_UNFLUSHED];
static int num_unflushed;

/* A name that was given (`at`), taken (`at`), changed (`from` to `at`) or exchanged with another.
 * `kept` leads to the file that had the name before; it is 0 where there was none. */
enum what { GIVEN, TAKEN, CHANGED, EXCHANGED };
static struct change {
  enum what what;
  char *from, *at;
  int kept, was_folder, is_flushed;
  dev_t device;
  ino_t inode;
} changes[MOST_CHANGES];
static int num_changes, num_kept;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *where) {
  (void)status, (void)type, (void)where;
  return remove(path), 0;
}

static void undo(struct change *change) {
  char kept[4200];
  snprintf(kept, sizeof kept, "%s/%d", keeping, change->kept);
  if (change->what == EXCHANGED)
    renameat2(AT_FDCWD, change->from, AT_FDCWD, change->at, RENAME_EXCHANGE);
  if (change->what == GIVEN) nftw(change->at, delete_one, 16, FTW_DEPTH | FTW_PHYS);
  if (change->what == CHANGED) rename(change->at, change->from);
  if (change->was_folder) mkdir(change->at, 0777);
  else if (change->kept && link(kept, change->at)) return; /* its folder is gone for good */
}

static void lose(void) {
  is_on = 0;
  if (fault_meant > POWER_CUT) return;
  for (int i = 0; i < num_unflushed; i++)
    if (ftruncate(unflushed[i].descriptor, 0)) continue;
  if (fault_meant == POWER_CUT_OF_NAMES)
    for (int i = num_changes; i-- > 0;)
      if (!changes[i].is_flushed) undo(&changes[i]);
}

static void die(void) {
  lose();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void torture_end(void) {
  if (is_on && kind_meant == END && fault_meant < 0) {
    shared->reached = 1;
    lose();
  }
  is_on = 0;
}

static int notes_names(void) { return is_on && fault_meant == POWER_CUT_OF_NAMES; }

/* The whole path; it is to be freed. */
static char *whole(int folder, const char *path) {
  char start[PATH_MAX] = "", whole[2 * PATH_MAX];
  if (path[0] != '/') {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    REAL(readlink);
    ssize_t length = folder == AT_FDCWD ? -1 : real(link, start, sizeof start - 1);
    if (length >= 0) start[length] = 0;
    else if (!getcwd(start, sizeof start)) return NULL;
    snprintf(whole, sizeof whole, "%s/%s", start, path);
  } else snprintf(whole, sizeof whole, "%s", path);
  return strdup(whole);
}

static int look(const char *path, struct stat64 *status) {
  REAL(fstatat64);
  return real(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

/* What a name is before it is given, taken or changed; `from` is NULL where only one is meant. */
static struct change before(enum what what, int a, const char *from, int b, const char *at) {
  struct change change = {.what = what};
  if (!notes_names()) return change;
  int error = errno;
  struct stat64 status;
  change.at = whole(b, at), change.from = from ? whole(a, from) : NULL;
  if (what != EXCHANGED && change.at && !look(change.at, &status)) {
    if (what == GIVEN) free(change.at), change.at = NULL; /* it is there, so nothing changes */
    else if (S_ISDIR(status.st_mode)) change.was_folder = 1;
    else {
      char kept[4200];
      change.kept = __atomic_add_fetch(&num_kept, 1, __ATOMIC_RELAXED);
      snprintf(kept, sizeof kept, "%s/%d", keeping, change.kept);
      REAL(linkat);
      real(AT_FDCWD, change.at, AT_FDCWD, kept, 0);
    }
  }
  errno = error;
  return change;
}

/* It has come so: remember it until its folder is flushed. Returns `result`. */
static int after(struct change change, int result) {
  int error = errno;
  char *slash = change.at ? strrchr(change.at, '/') : NULL;
  if (result < 0 || !slash) return errno = error, result;
  if (num_changes == MOST_CHANGES) {
    fprintf(stderr, "more names changed than can be remembered\n");
    _exit(1);
  }
  struct stat64 status;
  *slash = 0;
  int is_known = !look(change.at[0] ? change.at : "/", &status);
  *slash = '/';
  if (is_known) {
    change.device = status.st_dev, change.inode = status.st_ino;
    pthread_mutex_lock(&changing);
    changes[num_changes++] = change;
    pthread_mutex_unlock(&changing);
  }
  return errno = error, result;
}

static void flushed_names(int folder) {
  if (!notes_names()) return;
  struct stat64 status;
  REAL(fstat64);
  if (real(folder, &status) || !S_ISDIR(status.st_mode)) return;
  pthread_mutex_lock(&changing);
  for (int i = 0; i < num_changes; i++)
    if (changes[i].device == status.st_dev && changes[i].inode == status.st_ino)
      changes[i].is_flushed = 1;
  pthread_mutex_unlock(&changing);
}

/* A file was written, or flushed. */
static void written(int file, int is_flushed) {
  if (fault_meant > POWER_CUT) return;
  struct stat64 status;
  {
    REAL(fstat64);
    if (real(file, &status) || !S_ISREG(status.st_mode)) return;
  }
  for (int i = 0; i < num_unflushed; i++)
    if (unflushed[i].device == status.st_dev && unflushed[i].inode == status.st_ino) {
      if (!is_flushed) return;
      close(unflushed[i].descriptor);
      unflushed[i] = unflushed[--num_unflushed];
      return;
    }
  if (is_flushed) return;
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  REAL(open64);
  int descriptor = real(name, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0 || num_unflushed == MOST_UNFLUSHED) {
    fprintf(stderr, "more is unflushed than can be remembered\n");
    _exit(1); /* so that the case fails */
  }
  unflushed[num_unflushed++] = (struct unflushed){status.st_dev, status.st_ino, descriptor};
}
