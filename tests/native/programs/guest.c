/* What the library takes from its host while it runs: a line for each function with the number of times that it asked for
 * memory. guest PLAN HEIGHT WIDTH THREADS. Of glibc, whose own functions are behind those that are counted here. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "miniseg.h"

static atomic_int taken;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) { return atomic_fetch_add(&taken, 1), __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return atomic_fetch_add(&taken, 1), __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return atomic_fetch_add(&taken, 1), __libc_realloc(block, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  return atomic_fetch_add(&taken, 1), __libc_memalign(alignment, size);
}
void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
  return atomic_fetch_add(&taken, 1), (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}

static int taken_by[16], count;
static const char *names[16];

static void check(const char *name, int32_t code, const miniseg_error *error) {
  taken_by[count] = atomic_load(&taken);
  names[count++] = name;
  if (code != MINISEG_OK) {
    fprintf(stderr, "%s: %d: %s\n", name, (int)code, error->message);
    exit(3);
  }
}

#define CALL(name, ...) (atomic_store(&taken, 0), check(name, __VA_ARGS__, &error))

static int32_t told(void *user, uint32_t done, uint32_t slices) {
  *(uint32_t *)user += done <= slices;
  return 0;
}

int main(int words, char **word) {
  if (words != 5) return 2;
  static unsigned char plan[1 << 22], pixels[3 * 512 * 512], masks[3 * 512 * 512];
  static float logits[512 * 512], weights[8 * 8 * 9], maps[2][8 * 16 * 16];
  const uint32_t height = (uint32_t)atoi(word[2]), width = (uint32_t)atoi(word[3]), threads = (uint32_t)atoi(word[4]);
  FILE *file = fopen(word[1], "rb");
  if (file == NULL || height > 512 || width > 512) return 2;
  const size_t size = fread(plan, 1, sizeof plan, file);
  fclose(file);
  for (size_t i = 0; i < sizeof pixels; ++i) pixels[i] = (unsigned char)(i * i >> 7);

  miniseg_error error;
  miniseg_model *model;
  miniseg_context *context;
  miniseg_chain *chain;
  miniseg_description about = {.struct_size = sizeof about};
  const miniseg_context_options options = {sizeof options, threads, height, width, 0};
  const miniseg_chain_options of_chain = {sizeof of_chain, MINISEG_SET_BEST, threads, 8, 16, 16, 3, weights};
  CALL("open", miniseg_open(plan, size, MINISEG_SET_BEST, &model, &error));
  CALL("context open", miniseg_context_open(model, &options, &context, &error));
  CALL("chain open", miniseg_chain_open(&of_chain, &chain, &error));

  const int64_t row = width, map = row * height;
  miniseg_slice slice = {sizeof slice, MINISEG_U8, pixels, height, width, 0, row, 1};
  const miniseg_output as_logits = {sizeof as_logits, MINISEG_LOGITS, logits, 4 * map, 4 * row};
  const miniseg_output as_mask = {sizeof as_mask, MINISEG_MASK, masks, 0, row};
  uint32_t calls = 0;
  const miniseg_volume volume = {sizeof volume, 3, map, map, told, &calls};
  CALL("describe", miniseg_describe(model, &about, &error));
  CALL("run", miniseg_run(context, &slice, &as_logits, &error));
  CALL("run for a mask", miniseg_run(context, &slice, &as_mask, &error));
  slice.height = (height + 1) / 2;
  CALL("run of another size", miniseg_run(context, &slice, &as_mask, &error));
  slice.height = height;
  CALL("run volume", miniseg_run_volume(context, &slice, &as_mask, &volume, NULL, &error));
  CALL("chain run", miniseg_chain_run(chain, maps[0], maps[1], &error));
  CALL("cancel", miniseg_cancel(context));
  miniseg_context_close(context);
  miniseg_chain_close(chain);
  miniseg_close(model);
  if (calls != 3) return 4;
  for (int i = 0; i < count; ++i) printf("%s: %d\n", names[i], taken_by[i]);
  return 0;
}
