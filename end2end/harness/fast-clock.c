/* A monotonic clock that is 10 times as fast. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RATE = 10, SECOND = 1000000000 };

static struct timespec now(clockid_t clock) {
    struct timespec time = {0, 0};
    syscall(SYS_clock_gettime, clock, &time);
    return time;
}

static struct timespec start;
__attribute__((constructor)) static void begin(void) { start = now(CLOCK_MONOTONIC); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    *time = now(clock);
    if (clock == CLOCK_MONOTONIC) {
        long long passed = (time->tv_sec - start.tv_sec) * (long long)SECOND + time->tv_nsec - start.tv_nsec;
        long long shown = start.tv_nsec + passed * RATE;
        time->tv_sec = start.tv_sec + shown / SECOND;
        time->tv_nsec = shown % SECOND;
    }
    return 0;
}

/* Who waits for a time of that clock waits as much shorter. */
int epoll_wait(int queue, struct epoll_event *events, int most, int timeout) {
    static int (*wait)(int, struct epoll_event *, int, int);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "epoll_wait");
    return wait(queue, events, most, timeout > 0 ? (timeout + RATE - 1) / RATE : timeout);
}
