/* Copyright: (c) 2026, openlab.research_server maintainers
 * GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stand-in for libcuda.so.1 that records what is called and calculates on the CPU. It runs no PTX and proves nothing about a GPU.
 * FAKE_COUNT: number of devices. FAKE_LOG: a file for the calls. FAKE_FAULT: "DEVICE CALL CODE"; code -1 never returns, -2 ends the
 * process, -3 lets the kernel miscalculate.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int current = -1;

static int enter(const char *call) {
    const char *log = getenv("FAKE_LOG"), *fault = getenv("FAKE_FAULT");
    char name[64];
    int device, code;
    if (log) {
        FILE *file = fopen(log, "a");
        fprintf(file, "%d %s\n", current, call);
        fclose(file);
    }
    if (!fault || sscanf(fault, "%d %63s %d", &device, name, &code) != 3) return 0;
    if (strcmp(name, call) || (device >= 0 && device != current)) return 0;
    if (code == -1) for (;;) pause();
    if (code == -2) _exit(9);
    return code;
}

int cuInit(unsigned flags) { return enter("cuInit") + (int)flags; }
int cuGetErrorName(int code, const char **name) {
    *name = code == 46 ? "CUDA_ERROR_DEVICE_UNAVAILABLE" : code == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : NULL;
    return 0;
}
int cuDeviceGetCount(int *count) {
    *count = atoi(getenv("FAKE_COUNT"));
    return enter("cuDeviceGetCount");
}
int cuDeviceGet(int *device, int index) {
    *device = current = index;
    return enter("cuDeviceGet");
}
int cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, length, "Stand-in %d", device);
    return enter("cuDeviceGetName");
}
int cuDeviceGetPCIBusId(char *address, int length, int device) {
    snprintf(address, length, "0000:%02X:00.0", 0x1a + device);
    return enter("cuDeviceGetPCIBusId");
}
int cuDeviceTotalMem_v2(size_t *memory, int device) {
    *memory = (size_t)(device + 1) << 33;
    return enter("cuDeviceTotalMem");
}
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    *context = &current;
    return enter("cuCtxCreate") + (int)flags + 0 * device;
}
int cuModuleLoadData(void **module, const char *text) {
    *module = strstr(text, ".visible .entry smoke") ? &current : NULL;
    return enter("cuModuleLoadData");
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = module;
    return strcmp(name, "smoke") ? 500 : enter("cuModuleGetFunction");
}
int cuMemAlloc_v2(void **memory, size_t size) {
    *memory = calloc(1, size);
    return enter("cuMemAlloc");
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
    uint32_t *results = *(uint32_t **)parameters[0], seed = *(uint32_t *)parameters[1], count = *(uint32_t *)parameters[2];
    int code = enter("cuLaunchKernel");
    if (!function || shared || stream || extra) return 1;
    for (uint32_t i = 0; i < gx * gy * gz * bx * by * bz; i++)
        if (i < count) results[i] = i * i + seed + (code == -3);
    return code == -3 ? 0 : code;
}
int cuCtxSynchronize(void) { return enter("cuCtxSynchronize"); }
int cuMemcpyDtoH_v2(void *to, void *from, size_t size) {
    memcpy(to, from, size);
    return enter("cuMemcpyDtoH");
}
int cuCtxDestroy_v2(void *context) { return context == &current ? enter("cuCtxDestroy") : 201; }
