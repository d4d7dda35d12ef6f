/* Prints the SHA-256 of the logits of many slices, and the instruction set that ran: the same on every platform.
 * digest SET THREADS (PLAN SLICES HEIGHT WIDTH)...
 * Without words, an error of each kind that this platform can give, by its code. */
#include <stdio.h>
#include <stdlib.h>

#include "miniseg.h"
#include "sha256.h"

static void *contents(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
  *size = (size_t)ftell(file);
  rewind(file);
  void *bytes = malloc(*size);
  if (bytes == NULL || fread(bytes, 1, *size, file) != *size) exit(2);
  fclose(file);
  return bytes;
}

static void check(int32_t code, const miniseg_error *error) {
  if (code == MINISEG_OK) return;
  fprintf(stderr, "%d: %s\n", (int)code, error->message);
  exit(3);
}

static uint32_t digest(sha256 *hash, uint32_t set, uint32_t threads, char **words) {
  const uint32_t height = (uint32_t)atoi(words[2]), width = (uint32_t)atoi(words[3]);
  size_t plan_size, slices_size;
  void *plan = contents(words[0], &plan_size);
  uint8_t *pixels = contents(words[1], &slices_size);
  miniseg_error error;
  miniseg_model *model;
  miniseg_context *context;
  miniseg_description about = {.struct_size = sizeof about};
  const miniseg_context_options options = {sizeof options, threads, height, width, 0};
  check(miniseg_open(plan, plan_size, set, &model, &error), &error);
  check(miniseg_describe(model, &about, &error), &error);
  check(miniseg_context_open(model, &options, &context, &error), &error);
  const size_t area = (size_t)height * width, bytes = (about.classes - 1) * area * sizeof(float);
  float *logits = malloc(bytes);
  if (logits == NULL || slices_size == 0 || slices_size % area != 0) exit(2);
  for (size_t at = 0; at < slices_size; at += area) {
    const miniseg_slice slice = {sizeof slice, MINISEG_U8, pixels + at, height, width, 0, width, 1};
    const miniseg_output output = {sizeof output, MINISEG_LOGITS, logits, (int64_t)(4 * area), 4 * (int64_t)width};
    check(miniseg_run(context, &slice, &output, &error), &error);
    sha256_add(hash, logits, bytes);
  }
  miniseg_context_close(context);
  miniseg_close(model);
  free(logits);
  free(pixels);
  free(plan);
  return about.instruction_set;
}

/* What a host gets that asks for too much, or for what is not there. */
static int refusals(void) {
  const char plan[64] = "no plan";
  miniseg_error error;
  miniseg_model *model = NULL;
  const uint32_t absent = miniseg_has(MINISEG_SET_NEON) ? MINISEG_SET_AVX2 : MINISEG_SET_NEON;
  static const float weights[9];
  const miniseg_chain_options large = {sizeof large, MINISEG_SET_BEST, 65, 1, 8, 8, 1, weights};
  const miniseg_chain_options foreign = {sizeof foreign, absent, 1, 1, 8, 8, 1, weights};
  miniseg_chain *chain = NULL;
  printf("%d", (int)miniseg_open(plan, sizeof plan, MINISEG_SET_BEST, &model, &error));
  printf(" %d", (int)miniseg_open(NULL, 0, MINISEG_SET_BEST, &model, &error));
  printf(" %d", (int)miniseg_chain_open(&large, &chain, &error));
  printf(" %d\n", (int)miniseg_chain_open(&foreign, &chain, &error));
  return model != NULL || chain != NULL;
}

int main(int count, char **words) {
  if (count == 1) return refusals();
  if (count < 7 || count % 4 != 3) return 2;
  sha256 hash;
  char hex[65];
  uint32_t set = 0;
  sha256_begin(&hash);
  for (int i = 3; i < count; i += 4) set = digest(&hash, (uint32_t)atoi(words[1]), (uint32_t)atoi(words[2]), words + i);
  sha256_end(&hash, hex);
  printf("%s %u\n", hex, (unsigned)set);
  return 0;
}
