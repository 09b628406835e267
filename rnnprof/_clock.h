/* The clock of `time.perf_counter_ns`, read without Python. */
#ifndef RNNPROF_CLOCK_H
#define RNNPROF_CLOCK_H
#include <stdint.h>
#include <time.h>

#if defined(_WIN32)
#include <windows.h>
static int64_t
read_clock(void)
{
    LARGE_INTEGER ticks, rate;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&rate);
    return ticks.QuadPart / rate.QuadPart * 1000000000 + ticks.QuadPart % rate.QuadPart * 1000000000 / rate.QuadPart;
}
#elif defined(__APPLE__)
static int64_t read_clock(void) { return (int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }
#else
static int64_t
read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
#endif
#endif
