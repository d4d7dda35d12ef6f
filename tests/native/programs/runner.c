/* Runs slices through libminiseg and writes their logits: for processors and sanitizers that Python does not run on. The
 * same slices as a volume and through the profile must give the same bits.
 * runner PLAN SLICES HEIGHT WIDTH COUNT SET THREADS LOGITS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miniseg.h"

static void *contents(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
  *size = (size_t)ftell(file);
  rewind(file);
  void *bytes = malloc(*size); /* of exactly this size, so that a sanitizer sees what is read behind it */
  if (bytes == NULL || fread(bytes, 1, *size, file) != *size) exit(2);
  fclose(file);
  return bytes;
}

static void check(int32_t code, const miniseg_error *error) {
  if (code == MINISEG_OK) return;
  fprintf(stderr, "%d: %s\n", (int)code, error->message);
  exit(3);
}

/* Reads what is done, as a program would that shows it. */
static int32_t told(void *logits, uint32_t done, uint32_t slices) { return done > slices || ((float *)logits)[0] > 1e30F; }

int main(int count, char **words) {
  if (count != 9) return 2;
  const uint32_t height = (uint32_t)atoi(words[3]), width = (uint32_t)atoi(words[4]), slices = (uint32_t)atoi(words[5]);
  size_t plan_size, slices_size;
  void *plan = contents(words[1], &plan_size);
  uint8_t *pixels = contents(words[2], &slices_size);
  if (slices_size != (size_t)height * width * slices) return 2;
  miniseg_error error;
  miniseg_model *model;
  check(miniseg_open(plan, plan_size, (uint32_t)atoi(words[6]), &model, &error), &error);
  free(plan);
  miniseg_description description = {.struct_size = sizeof description};
  check(miniseg_describe(model, &description, &error), &error);
  const size_t maps = description.classes - 1;
  miniseg_context_options options = {sizeof options, (uint32_t)atoi(words[7]), height, width, 0};
  miniseg_context *context;
  check(miniseg_context_open(model, &options, &context, &error), &error);
  const size_t floats = maps * height * width;
  float *logits = malloc(slices * floats * sizeof *logits), *again = malloc(slices * floats * sizeof *again);
  FILE *out = fopen(words[8], "wb");
  if (logits == NULL || again == NULL || out == NULL) return 2;
  for (uint32_t i = 0; i < slices; ++i) {
    const miniseg_slice slice = {sizeof slice, MINISEG_U8, pixels + (size_t)i * height * width, height, width, 0, width, 1};
    const miniseg_output output = {sizeof output, MINISEG_LOGITS, logits + i * floats, 4 * (int64_t)height * width, 4 * width};
    check(miniseg_run(context, &slice, &output, &error), &error);
  }
  fwrite(logits, sizeof *logits, slices * floats, out);

  const miniseg_slice first = {sizeof first, MINISEG_U8, pixels, height, width, 0, width, 1};
  const miniseg_output to = {sizeof to, MINISEG_LOGITS, again, 4 * (int64_t)height * width, 4 * width};
  const miniseg_volume volume = {sizeof volume, slices, (int64_t)height * width, (int64_t)(4 * floats), told, again};
  check(miniseg_run_volume(context, &first, &to, &volume, NULL, &error), &error);
  if (memcmp(logits, again, slices * floats * sizeof *logits) != 0) return 4;
  miniseg_context_close(context);
  miniseg_layer layers[200];
  miniseg_profile profile = {sizeof profile, sizeof *layers, 2, 200, layers, 0, 0, 0};
  memset(again, 0, floats * sizeof *again);
  check(miniseg_profile_run(model, &options, &first, &to, &profile, &error), &error);
  if (memcmp(logits, again, floats * sizeof *logits) != 0 || profile.count < 20) return 5;
  miniseg_close(model);
  free(logits);
  free(again);
  free(pixels);
  return fclose(out) == 0 ? 0 : 2;
}
