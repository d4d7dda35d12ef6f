/* libminiseg: MiniSeg on a CPU, from a plan in memory to logits or masks.
 *
 * The FP32 logits are equal to the bit on every instruction set but SIMD128, number of threads, compiler and machine.
 *
 * Conventions
 *   - Functions return MINISEG_OK or another code of `miniseg_code`, and describe a failure in `error` where it is not
 *     null. Nothing is printed, no file, socket or environment variable is touched, no exception leaves the library.
 *   - Structures begin with their own size, which the caller sets (`sizeof` is right). Fields are only ever added at
 *     the end; a library that is older than its caller's header refuses sizes that it does not know.
 *   - There is no global mutable state. Models are immutable and may be used by any number of threads at once.
 *   - A context belongs to one run at a time: a second one at the same time is refused with MINISEG_BUSY.
 *   - After fork, the child may use models, and contexts of one thread. The other contexts are refused there with
 *     MINISEG_FORKED, because their threads stayed in the parent; they can be closed.
 */
#ifndef MINISEG_H
#define MINISEG_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MINISEG_API __declspec(dllexport)
#else
#define MINISEG_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MINISEG_ABI 1

typedef enum miniseg_code {
  MINISEG_OK = 0,
  MINISEG_ARGUMENT = 1,    /* an argument that the function does not take */
  MINISEG_PLAN = 2,        /* not a plan, or a broken one */
  MINISEG_VERSION = 3,     /* a plan of another version than this library reads */
  MINISEG_MEMORY = 4,      /* more memory than the caller's bound, or than the host gives */
  MINISEG_THREADS = 5,     /* the host gives no more threads */
  MINISEG_UNSUPPORTED = 6, /* an instruction set that this processor or library does not have */
  MINISEG_BUSY = 7,        /* the context is in a run */
  MINISEG_CANCELLED = 8,   /* `miniseg_cancel` or `miniseg_context_close` ended the run */
  MINISEG_FORKED = 9,      /* the context's threads are in the parent process */
  MINISEG_INTERNAL = 10    /* a fault of this library */
} miniseg_code;

typedef enum miniseg_set {
  MINISEG_SET_BEST = 0, /* the fastest that this processor has */
  MINISEG_SET_PLAIN = 1,
  MINISEG_SET_AVX2 = 2, /* AVX2 and FMA */
  MINISEG_SET_AVX512 = 3,
  MINISEG_SET_NEON = 4,
  MINISEG_SET_SIMD128 = 5 /* WebAssembly: each product rounded, and then each sum, so its bits are its own */
} miniseg_set;

typedef enum miniseg_type { MINISEG_U8 = 1, MINISEG_I16 = 2, MINISEG_F32 = 3 } miniseg_type;

typedef enum miniseg_values { MINISEG_GREY = 0, MINISEG_HU = 1 } miniseg_values;

typedef enum miniseg_result { MINISEG_LOGITS = 0, MINISEG_MASK = 1 } miniseg_result;

typedef struct miniseg_model miniseg_model;
typedef struct miniseg_context miniseg_context;
typedef struct miniseg_chain miniseg_chain;

/* What went wrong: a code, and a sentence in English that ends with a zero byte. */
typedef struct miniseg_error {
  int32_t code;
  char message[252];
} miniseg_error;

typedef struct miniseg_description {
  uint32_t struct_size;
  uint32_t plan_version;
  uint32_t values;          /* miniseg_values: what pixels mean */
  uint32_t result;          /* miniseg_result: what the plan's author wants; a run may ask for either */
  uint32_t channels;        /* of the slice that a run takes */
  uint32_t classes;         /* background included; logits have one map fewer */
  uint32_t widths[4];       /* channels of the stages */
  uint32_t depths[4];       /* blocks of the stages' main paths */
  uint32_t long_depths[4];  /* and of their long paths */
  uint32_t instruction_set; /* miniseg_set that this model runs on */
  uint64_t parameters;      /* numbers in the plan */
} miniseg_description;

typedef struct miniseg_context_options {
  uint32_t struct_size;
  uint32_t threads;    /* 1..64, the calling one included */
  uint32_t max_height; /* 1..4096: the largest slice that is run */
  uint32_t max_width;
  uint64_t max_memory; /* bytes; 0: no bound */
} miniseg_context_options;

/* A slice. Strides are in bytes and may be negative or 0; values must be aligned for their type. */
typedef struct miniseg_slice {
  uint32_t struct_size;
  uint32_t type; /* miniseg_type */
  const void *pixels;
  uint32_t height, width;
  int64_t channel_stride, row_stride, pixel_stride;
} miniseg_slice;

/* Where a result goes: float (classes - 1, height, width) logits over background, or uint8 (height, width) classes,
 * 255 where logits are not finite. Strides in bytes; pixels of a row lie one after the other. */
typedef struct miniseg_output {
  uint32_t struct_size;
  uint32_t result; /* miniseg_result */
  void *pixels;
  int64_t channel_stride, row_stride;
} miniseg_output;

/* Called after each slice of a volume, in the thread that runs it, with the number of slices whose results are there.
 * Anything but 0 stops the run before the next slice. It must return (no exception, no longjmp) and must not close the
 * context. It may call `miniseg_cancel`; a run of the same context is refused with MINISEG_BUSY. */
typedef int32_t (*miniseg_progress)(void *user, uint32_t done, uint32_t slices);

/* Slices of one size and type, and where their results go, as steps from the first one. */
typedef struct miniseg_volume {
  uint32_t struct_size;
  uint32_t slices;           /* 0 is a volume too */
  int64_t slice_stride;      /* bytes from a slice's pixels to the next one's; may be negative or 0 */
  int64_t output_stride;     /* bytes from a result's pixels to the next one's */
  miniseg_progress progress; /* null: no progress */
  void *user;                /* what it gets */
} miniseg_volume;

/* A layer of a profile. Both texts end with a zero byte. */
typedef struct miniseg_layer {
  char name[48];            /* as "stage 2 block 1 pyramid"; the last one, "between layers", is what threads do there: wait */
  char kind[16];            /* "1x1", "dense 3x3", "depthwise 5x5", "pyramid", "fusion", "upsample", ... */
  uint64_t nanoseconds;     /* of all threads together, in the fastest run */
  uint64_t multiplications; /* by the network's weights, for one slice */
} miniseg_layer;

typedef struct miniseg_profile {
  uint32_t struct_size;
  uint32_t layer_size;   /* sizeof(miniseg_layer) */
  uint32_t runs;         /* 1..1000 that are measured, after one that is not */
  uint32_t capacity;     /* layers that there is room for; 0: nothing is run, `count` alone is filled */
  miniseg_layer *layers; /* filled, in the order of computation */
  uint32_t count;        /* filled: layers of this network, the last one included */
  uint32_t reserved;
  uint64_t nanoseconds; /* filled: of the fastest run, from its call to its end; times the threads, the layers' sum */
} miniseg_profile;

typedef struct miniseg_chain_options {
  uint32_t struct_size;
  uint32_t instruction_set; /* miniseg_set */
  uint32_t threads;         /* 1..64, the calling one included */
  uint32_t channels;        /* 1..1024, in and out; a map has at most 2^28 floats */
  uint32_t height, width;   /* 1..4096 */
  uint32_t layers;          /* 1..64 */
  const float *weights;     /* [channels][channels][3][3], the same for each layer; copied */
} miniseg_chain_options;

/* The version of this interface that the library has: MINISEG_ABI of its header. */
MINISEG_API uint32_t miniseg_abi(void);

/* How the library was built: compiler, flags, instruction sets. A constant text. */
MINISEG_API const char *miniseg_build(void);

/* Whether this processor and library have an instruction set: 1 or 0. */
MINISEG_API int32_t miniseg_has(uint32_t instruction_set);

/* Reads a plan. The bytes are copied: the caller may free them at once.
 * MINISEG_PLAN, MINISEG_VERSION, MINISEG_UNSUPPORTED, MINISEG_MEMORY, MINISEG_ARGUMENT. */
MINISEG_API int32_t miniseg_open(const void *plan, size_t size, uint32_t instruction_set, miniseg_model **model,
                                 miniseg_error *error);

/* Gives the model back. Contexts keep what they need of it; null is ignored. */
MINISEG_API void miniseg_close(miniseg_model *model);

/* Fills `description`, whose `struct_size` the caller has set. */
MINISEG_API int32_t miniseg_describe(const miniseg_model *model, miniseg_description *description,
                                     miniseg_error *error);

/* The bytes that a context with these options takes. */
MINISEG_API int32_t miniseg_context_memory(const miniseg_model *model, const miniseg_context_options *options,
                                           uint64_t *bytes, miniseg_error *error);

/* Takes the memory and starts the threads that runs need, so that runs take neither.
 * MINISEG_MEMORY, MINISEG_THREADS, MINISEG_ARGUMENT. */
MINISEG_API int32_t miniseg_context_open(const miniseg_model *model, const miniseg_context_options *options,
                                         miniseg_context **context, miniseg_error *error);

/* Ends a run in progress as `miniseg_cancel` does, waits for it, then gives everything back. A run that is called
 * after this is the caller's fault, as with any pointer that was freed. Null is ignored. */
MINISEG_API void miniseg_context_close(miniseg_context *context);

/* Segments one slice of up to the context's size. The caller's thread works too. The output is undefined after
 * anything but MINISEG_OK. MINISEG_ARGUMENT, MINISEG_BUSY, MINISEG_CANCELLED, MINISEG_FORKED. */
MINISEG_API int32_t miniseg_run(miniseg_context *context, const miniseg_slice *slice, const miniseg_output *output,
                                miniseg_error *error);

/* Segments the slices of a volume one after the other, as `miniseg_run` does each, with the same bits. `first` is the first
 * slice and `output` its result; `volume` says how many there are and how far apart, and who is told. `*done`, where
 * `done` is not null, is how many results are there; those behind them are undefined after anything but MINISEG_OK.
 * MINISEG_CANCELLED too where `progress` stopped it before the last slice; the rest as `miniseg_run`. Without slices,
 * `first` and `output` are not looked at. */
MINISEG_API int32_t miniseg_run_volume(miniseg_context *context, const miniseg_slice *first,
                                       const miniseg_output *output, const miniseg_volume *volume, uint32_t *done,
                                       miniseg_error *error);

/* Ends the run in progress between two layers, from any thread; the next run is whole. 1: there was one, which ends with
 * MINISEG_CANCELLED unless its last layer was done; a volume is one run. 0: there was none, and nothing happens, to a
 * later run either. */
MINISEG_API int32_t miniseg_cancel(miniseg_context *context);

/* Runs one slice several times in a context of its own, which is made and given back in this call, and says what each
 * layer takes. A clock is read around each row of each layer here, and in no other run. The output is that of a run.
 * MINISEG_ARGUMENT, also where there is room for some layers but not for all (`count` is filled then), MINISEG_MEMORY,
 * MINISEG_THREADS. */
MINISEG_API int32_t miniseg_profile_run(const miniseg_model *model, const miniseg_context_options *options,
                                        const miniseg_slice *slice, const miniseg_output *output,
                                        miniseg_profile *profile, miniseg_error *error);

/* A chain of dense 3x3 convolutions of stride 1 by the kernel that networks run on: how fast this machine multiplies at
 * best, where registers are full and maps lie in the cache. It has threads and memory of its own, like a context.
 * MINISEG_ARGUMENT, MINISEG_UNSUPPORTED, MINISEG_MEMORY, MINISEG_THREADS. */
MINISEG_API int32_t miniseg_chain_open(const miniseg_chain_options *options, miniseg_chain **chain,
                                       miniseg_error *error);

/* Convolves one map; `input` and `output` are contiguous [channels][height][width]. One call at a time.
 * MINISEG_ARGUMENT, MINISEG_BUSY, MINISEG_FORKED. */
MINISEG_API int32_t miniseg_chain_run(miniseg_chain *chain, const float *input, float *output, miniseg_error *error);

/* Gives everything back. Not during a call; null is ignored. */
MINISEG_API void miniseg_chain_close(miniseg_chain *chain);

#ifdef __cplusplus
}
#endif

#endif
