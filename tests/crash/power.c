/*
 * A disk that keeps nothing but what was flushed to it. Loaded before libc, it copies a file to the folder that
 * BILLHOOK_FLUSHED names whenever the file is flushed; what lies there is what a power cut leaves. Of writes that were
 * not flushed a real disk may keep any part; this one keeps none. A flush also makes last that files beside it are gone,
 * as it does in the journal of ext4 or xfs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy(int from, const char *path) {
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char buffer[1 << 16];
    off_t at = 0;
    ssize_t length;
    if (to < 0)
        return -1;
    while ((length = pread(from, buffer, sizeof buffer, at)) > 0) {
        if (write(to, buffer, length) != length) {
            length = -1;
            break;
        }
        at += length;
    }
    close(to);
    return length < 0 ? -1 : 0;
}

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

/* The name is set in one step, so that a process killed while it copies leaves the flush before whole. */
static int keep(int fd) {
    const char *folder = getenv("BILLHOOK_FLUSHED");
    char link[64], path[PATH_MAX], partial[PATH_MAX], whole[PATH_MAX];
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
    if (snprintf(whole, sizeof whole, "%s/%s", folder, name) >= PATH_MAX ||
        snprintf(partial, sizeof partial, "%s/.%s.%d", folder, name, gettid()) >= PATH_MAX)
        return -1;
    if (copy(fd, partial) != 0 || rename(partial, whole) != 0)
        return -1;
    forget_gone(folder, path);
    return 0;
}

int fsync(int fd) { return keep(fd); }

int fdatasync(int fd) { return keep(fd); }
