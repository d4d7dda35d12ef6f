/* For LD_PRELOAD: a wall clock that starts at FAR_CLOCK_S seconds since 1970, or, without that, is at another time each
   time it is looked at. What is monotonic stays so. */

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long long JUMPS_S[] = {0, 864000, -864000, 3600};
static atomic_ulong looks;
static long long far_ahead_s;

__attribute__((constructor)) static void start(void) {
    struct timespec now;
    const char *wanted = getenv("FAR_CLOCK_S");
    if (wanted != NULL && syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) == 0)
        far_ahead_s = atoll(wanted) - now.tv_sec;
}

static long long ahead_s(void) {
    return far_ahead_s != 0 ? far_ahead_s : JUMPS_S[atomic_fetch_add(&looks, 1) % 4];
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead_s();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now != NULL)
        *now = found.tv_sec;
    return found.tv_sec;
}
