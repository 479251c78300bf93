/* A libnvidia-ml.so.1 for tests on machines without a card: it answers what its environment says.
 *
 * FAKE_NVML_RC      what nvmlInit_v2 returns
 * FAKE_NVML_HANG    nvmlInit_v2 never returns
 * FAKE_NVML_DRIVER  the version of the driver
 * FAKE_NVML_CUDA    12040 for 12.4
 * FAKE_NVML_CARDS   how many cards there are
 * FAKE_NVML_USED    bytes in use on each
 * FAKE_NVML_LOST    the number of a card that does not answer
 * FAKE_NVML_MIG, FAKE_NVML_ECC, FAKE_NVML_REMAP_FAILED   what the name says, of each
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOTAL_BYTES 24000000000ULL

struct memory { unsigned long long total, free, used; };
struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };

static long long number(const char *name, long long otherwise)
{
    const char *said = getenv(name);
    return said ? atoll(said) : otherwise;
}

static int text(const char *said, char *to, unsigned length)
{
    snprintf(to, length, "%s", said);
    return 0;
}

static unsigned index_of(void *card) { return (unsigned)((size_t)card - 1); }

int nvmlInit_v2(void)
{
    while (getenv("FAKE_NVML_HANG"))
        sleep(3600);
    return (int)number("FAKE_NVML_RC", 0);
}

const char *nvmlErrorString(int rc)
{
    switch (rc) {
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 17: return "Operating System";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *to, unsigned length)
{
    const char *said = getenv("FAKE_NVML_DRIVER");
    return text(said ? said : "550.54.15", to, length);
}

int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    *version = (int)number("FAKE_NVML_CUDA", 12040);
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = (unsigned)number("FAKE_NVML_CARDS", 1);
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card)
{
    if ((long long)index == number("FAKE_NVML_LOST", -1))
        return 15;
    *card = (void *)(size_t)(index + 1);
    return 0;
}

int nvmlDeviceGetName(void *card, char *to, unsigned length)
{
    (void)card;
    return text("NVIDIA L4", to, length);
}

int nvmlDeviceGetUUID(void *card, char *to, unsigned length)
{
    char uuid[16];
    snprintf(uuid, sizeof uuid, "GPU-%u", index_of(card));
    return text(uuid, to, length);
}

int nvmlDeviceGetMemoryInfo(void *card, struct memory *found)
{
    (void)card;
    if (number("FAKE_NVML_NO_MEMORY", 0))
        return 3; /* not supported */
    found->total = TOTAL_BYTES;
    found->used = (unsigned long long)number("FAKE_NVML_USED", 0);
    found->free = TOTAL_BYTES - found->used;
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(void *card, int *major, int *minor)
{
    (void)card;
    *major = 8;
    *minor = 9;
    return 0;
}

int nvmlDeviceGetMigMode(void *card, unsigned *current, unsigned *pending)
{
    (void)card;
    *current = *pending = (unsigned)number("FAKE_NVML_MIG", 0);
    return 0;
}

int nvmlDeviceGetTotalEccErrors(void *card, int type, int counter, unsigned long long *count)
{
    (void)card;
    *count = (unsigned long long)number("FAKE_NVML_ECC", 0);
    return type == 1 && counter == 0 ? 0 : 2;
}

int nvmlDeviceGetRemappedRows(void *card, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed)
{
    (void)card;
    *corrected = *uncorrected = *pending = 0;
    *failed = (unsigned)number("FAKE_NVML_REMAP_FAILED", 0);
    return 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *card, unsigned *count, struct process *found)
{
    (void)card;
    if (number("FAKE_NVML_USED", 0) == 0) {
        *count = 0;
        return 0;
    }
    if (*count < 2)
        return 7;
    *count = 2;
    memset(found, 0, 2 * sizeof *found);
    found[0].pid = (unsigned)getppid();
    found[0].used = (unsigned long long)number("FAKE_NVML_USED", 0);
    found[1].pid = 4000000000U;
    found[1].used = ~0ULL;
    return 0;
}
