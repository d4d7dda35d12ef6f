/* One slice through a bundle's plan with libminiseg, and nothing else, on Linux, macOS and Windows.
 *
 *   segment_native MODEL.miniseg SHA256 SLICE.pgm MASK.pgm
 *
 * The digest is that of the bundle's manifest. SLICE.pgm is binary PGM ("P5"), 8 bits, grey 0..255, of the bundle's size;
 * MASK.pgm gets 255 where lesion. Exit codes: 0 done, 1 error, 2 usage.
 *
 *   cc -std=c11 segment_native.c $(python -m miniseg_edge.native --cflags --libs) -o segment_native
 *   x86_64-w64-mingw32-gcc -std=c11 -municode -I. segment_native.c miniseg.lib -o segment_native.exe
 */
#include <miniseg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#ifdef _WIN32
#include <windows.h>
typedef wchar_t path_char; /* UTF-16: any name, whatever the console's code page */
#define MAIN wmain

/* The full path behind the prefix that lifts the limit of 260 characters. */
static const wchar_t *long_path(const wchar_t *path) {
    static wchar_t full[32768] = L"\\\\?\\";
    const int given = wcsncmp(path, full, 4) == 0;
    const DWORD length = given ? 0 : GetFullPathNameW(path, 32768 - 4, full + 4, NULL);
    return length < 200 || length >= 32768 - 4 || full[4] == L'\\' ? path : full; /* shares and short ones as they are */
}

static FILE *open_file(const wchar_t *path, int writing) { return _wfopen(long_path(path), writing ? L"wb" : L"rb"); }
static void remove_file(const wchar_t *path) { _wremove(long_path(path)); }
static int is_text(const wchar_t *word, const char *text) {
    while (*text != 0 && *word == (wchar_t)*text) word++, text++;
    return *word == (wchar_t)*text;
}
#else
typedef char path_char;
#define MAIN main

static FILE *open_file(const char *path, int writing) { return fopen(path, writing ? "wb" : "rb"); }
static void remove_file(const char *path) { remove(path); }
static int is_text(const char *word, const char *text) { return strcmp(word, text) == 0; }
#endif

enum { MAX_PLAN = 1 << 28, MAX_SIDE = 4096 };

static int fail(const char *code, const char *what) {
    fprintf(stderr, "%s: %s\n", code, what);
    exit(1);
}

/* Read once: the bytes that are hashed are the bytes that are parsed. */
static size_t read_file(const path_char *path, unsigned char **bytes) {
    FILE *stream = open_file(path, 0);
    if (stream == NULL || fseek(stream, 0, SEEK_END) != 0) fail("BUNDLE", "the plan cannot be opened");
    long size = ftell(stream);
    if (size < 1 || size > MAX_PLAN || (*bytes = malloc((size_t)size)) == NULL) fail("BUNDLE", "the plan has no size");
    rewind(stream);
    if (fread(*bytes, 1, (size_t)size, stream) != (size_t)size) fail("BUNDLE", "the plan cannot be read");
    fclose(stream);
    return (size_t)size;
}

static int is(const unsigned char *bytes, size_t size, const path_char *digest) {
    sha256 hash;
    char hex[65];
    sha256_begin(&hash);
    sha256_add(&hash, bytes, size);
    sha256_end(&hash, hex);
    return is_text(digest, hex);
}

int MAIN(int argc, path_char **argv) {
    static unsigned char slice[MAX_SIDE * MAX_SIDE], mask[MAX_SIDE * MAX_SIDE];
    if (argc != 5) return fprintf(stderr, "usage: segment_native MODEL.miniseg SHA256 SLICE.pgm MASK.pgm\n"), 2;
    unsigned char *plan;
    size_t bytes = read_file(argv[1], &plan);
    if (!is(plan, bytes, argv[2])) fail("INTEGRITY", "the plan was changed");

    unsigned height = 0, width = 0, greatest = 0;
    FILE *in = open_file(argv[3], 0);
    if (in == NULL || fscanf(in, "P5 %4u %4u %3u", &width, &height, &greatest) != 3 || fgetc(in) == EOF || greatest != 255 ||
        width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE || fread(slice, width, height, in) != height)
        fail("UNSUPPORTED_FORMAT", "the slice is no binary PGM of 8 bits and at most 4096 x 4096 pixels");
    fclose(in);

    miniseg_error error = {0};
    miniseg_model *model;
    miniseg_context *context;
    miniseg_description about = {.struct_size = sizeof about};
    miniseg_context_options options = {.struct_size = sizeof options, .threads = 2, .max_height = height, .max_width = width};
    if (miniseg_open(plan, bytes, MINISEG_SET_BEST, &model, &error)) fail("INCOMPATIBLE", error.message);
    free(plan);
    if (miniseg_describe(model, &about, &error)) fail("INFERENCE", error.message);
    if (about.values != MINISEG_GREY || about.channels != 1) fail("INCOMPATIBLE", "the plan takes no grey slices");
    if (miniseg_context_open(model, &options, &context, &error)) fail("HOST_LIMIT", error.message);
    miniseg_slice from = {sizeof from, MINISEG_U8, slice, height, width, 0, width, 1};
    miniseg_output to = {sizeof to, MINISEG_MASK, mask, 0, width};
    if (miniseg_run(context, &from, &to, &error)) fail("INFERENCE", error.message);
    miniseg_context_close(context);
    miniseg_close(model);

    for (size_t i = 0; i < (size_t)height * width; i++) {
        if (mask[i] == 255) fail("NUMERIC", "the logits are not finite; the mask was discarded");
        mask[i] = mask[i] ? 255 : 0;
    }
    FILE *out = open_file(argv[4], 1);
    if (out == NULL) fail("OUTPUT", "the mask cannot be opened");
    int header = fprintf(out, "P5\n%u %u\n255\n", width, height);
    size_t rows = fwrite(mask, width, height, out);
    if (fclose(out) != 0 || header < 0 || rows != height) return remove_file(argv[4]), fail("OUTPUT", "the mask cannot be written");
    return 0;
}
