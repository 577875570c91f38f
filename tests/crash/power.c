/*
 * A disk that keeps nothing but what was flushed to it. Loaded before libc, it copies what was written of a file to the
 * folder that BILLHOOK_FLUSHED names whenever the file is flushed; what lies there is what a power cut leaves. Of writes
 * that were not flushed a real disk may keep any part; this one keeps none. A flush also makes last that files beside it
 * are gone, as it does in the journal of ext4 or xfs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Between which bytes a file was written since it was flushed last. */
static struct span {
    dev_t device;
    ino_t file;
    off_t from, to;
} spans[64];

/* That of a file, empty at first. None when there are more files than it has room for. */
static struct span *span_of(int fd) {
    struct stat about;
    if (fstat(fd, &about) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        struct span *span = &spans[i];
        if (span->file == 0)
            *span = (struct span){about.st_dev, about.st_ino, 0, 0};
        if (span->device == about.st_dev && span->file == about.st_ino)
            return span;
    }
    return NULL;
}

/* Under the lock. What is copied when the process is killed has come as far as a flush that the power cuts short. */
static int copy(int fd, const char *path) {
    static char buffer[1 << 16];
    struct span *span = span_of(fd);
    struct stat about;
    int is_new = access(path, F_OK) != 0;
    int to = open(path, O_WRONLY | O_CREAT, 0600);
    off_t at = is_new || !span ? 0 : span->from;
    ssize_t length = 0;
    if (to < 0 || fstat(fd, &about) != 0)
        return -1;
    off_t end = is_new || !span ? about.st_size : span->to;
    while (at < end && (length = pread(fd, buffer, sizeof buffer, at)) > 0) {
        if (syscall(SYS_pwrite64, to, buffer, length, at) != length) {
            length = -1;
            break;
        }
        at += length;
    }
    if (length >= 0 && ftruncate(to, about.st_size) != 0)
        length = -1;
    if (length >= 0 && span)
        span->from = span->to = 0;
    close(to);
    return length < 0 ? -1 : 0;
}

static ssize_t note(int fd, const void *bytes, size_t count, off_t at) {
    pthread_mutex_lock(&lock);
    ssize_t length = syscall(SYS_pwrite64, fd, bytes, count, at);
    struct span *span = length > 0 ? span_of(fd) : NULL;
    if (span) {
        int is_empty = span->from == span->to;
        span->from = is_empty || at < span->from ? at : span->from;
        span->to = is_empty || at + length > span->to ? at + length : span->to;
    }
    pthread_mutex_unlock(&lock);
    return length;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return note(fd, bytes, count, at); }

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return note(fd, bytes, count, at); }

/* Takes out of the folder what is not beside the file any more. */
static void forget_gone(const char *folder, const char *beside) {
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *listing = opendir(folder);
    while (listing && (entry = readdir(listing)))
        if (entry->d_name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s", beside, entry->d_name) < PATH_MAX && access(path, F_OK) != 0 &&
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < PATH_MAX)
            unlink(path);
    if (listing)
        closedir(listing);
}

static int keep(int fd) {
    const char *folder = getenv("BILLHOOK_FLUSHED");
    char link[64], path[PATH_MAX], kept[PATH_MAX];
    struct stat about;
    ssize_t length;
    if (!folder || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = 0;
    char *name = strrchr(path, '/');
    *name++ = 0;
    if (snprintf(kept, sizeof kept, "%s/%s", folder, name) >= PATH_MAX)
        return -1;
    pthread_mutex_lock(&lock);
    int result = copy(fd, kept);
    pthread_mutex_unlock(&lock);
    if (result == 0)
        forget_gone(folder, path);
    return result;
}

int fsync(int fd) { return keep(fd); }

int fdatasync(int fd) { return keep(fd); }
