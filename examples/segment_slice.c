/* One slice through a bundle's OpenVINO artefact, with nothing of MiniSeg Edge: C, OpenVINO's C API, libcrypto for SHA-256.
 *
 *   segment_slice MODEL.xml SHA256 MODEL.bin SHA256 SLICE.pgm MASK.pgm
 *
 * The digests are those of the bundle's manifest. SLICE.pgm is binary PGM ("P5"), 8 bits, grey 0..255, of the bundle's
 * size; MASK.pgm gets 255 where lesion, as miniseg-segment writes it. Exit codes: 0 done, 1 error, 2 usage.
 *
 *   cc -std=c11 -I$OPENVINO/include segment_slice.c -L$OPENVINO/libs -lopenvino_c -lcrypto -o segment_slice
 */
#include <inttypes.h>
#include <openssl/sha.h>
#include <openvino/c/openvino.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 28 };

typedef struct {
    char *bytes;
    size_t count;
} File;

typedef struct {
    int64_t height, width;
    unsigned char *pixels;
} Image;

static void fail(const char *code, const char *problem, const char *what) {
    fprintf(stderr, "%s: %s: %s\n", code, problem, what);
    exit(1);
}

static void check(ov_status_e status, const char *step) {
    if (status != OK) fail("INFERENCE", step, ov_get_error_info(status));
}

static void *allocated(size_t bytes) {
    void *found = malloc(bytes);
    if (found == NULL) fail("INFERENCE", "allocation", "out of memory");
    return found;
}

/* The file is read once; the bytes that are hashed are the bytes that are parsed. */
static File verified_file(const char *path, const char *sha256) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) fail("BUNDLE", path, "cannot be opened");
    File file = {NULL, 0};
    size_t room = 1 << 16, got = 0;
    do {
        room *= 2;
        if (room > MAX_FILE_BYTES) fail("BUNDLE", path, "too large");
        if ((file.bytes = realloc(file.bytes, room)) == NULL) fail("INFERENCE", path, "out of memory");
        got = fread(file.bytes + file.count, 1, room - file.count, stream);
        file.count += got;
    } while (file.count == room);
    if (ferror(stream)) fail("BUNDLE", path, "cannot be read");
    fclose(stream);

    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256((const unsigned char *)file.bytes, file.count, digest);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
    if (strcmp(hex, sha256) != 0) fail("INTEGRITY", path, "was changed");
    return file;
}

static Image slice_from_pgm(const char *path) {
    Image image = {0, 0, NULL};
    int greatest = 0;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) fail("INPUT", path, "cannot be opened");
    if (fscanf(stream, "P5 %" SCNd64 " %" SCNd64 " %d", &image.width, &image.height, &greatest) != 3 || fgetc(stream) == EOF)
        fail("UNSUPPORTED_FORMAT", path, "no binary PGM without comments");
    if (greatest != 255 || image.width < 1 || image.height < 1 || image.width > 8192 || image.height > 8192)
        fail("UNSUPPORTED_FORMAT", path, "neither 8 bits nor a size that makes sense");
    size_t count = (size_t)(image.width * image.height);
    image.pixels = allocated(count);
    if (fread(image.pixels, 1, count, stream) != count) fail("UNSUPPORTED_FORMAT", path, "truncated");
    fclose(stream);
    return image;
}

static void write_pgm(const char *path, Image image) {
    size_t count = (size_t)(image.width * image.height);
    FILE *stream = fopen(path, "wb");
    if (stream == NULL) fail("OUTPUT", path, "cannot be opened");
    int header = fprintf(stream, "P5\n%" PRId64 " %" PRId64 "\n255\n", image.width, image.height);
    size_t written = fwrite(image.pixels, 1, count, stream);
    if (fclose(stream) != 0 || header < 0 || written != count) {
        remove(path);
        fail("OUTPUT", path, "cannot be written");
    }
}

static ov_compiled_model_t *opened(ov_core_t *core, File xml, File weights) {
    int64_t bytes[] = {(int64_t)weights.count};
    ov_shape_t shape = {1, bytes};
    ov_tensor_t *held;
    ov_model_t *model;
    ov_compiled_model_t *compiled;
    check(ov_tensor_create_from_host_ptr(U8, shape, weights.bytes, &held), "the weights");
    check(ov_core_read_model_from_memory_buffer(core, xml.bytes, xml.count, held, &model), "reading the model");
    /* The precision is set explicitly: a CPU with BF16 would use it by default, and return another mask. */
    check(ov_core_compile_model(core, model, "CPU", 6, &compiled,
                                ov_property_key_hint_inference_precision, "f32",
                                ov_property_key_hint_performance_mode, "LATENCY",
                                ov_property_key_hint_enable_cpu_pinning, "NO"), "compiling the model");
    ov_model_free(model);
    ov_tensor_free(held);
    return compiled;
}

/* Grey values as they are: normalisation lies inside the graph. A logit above 0 is lesion. */
static void segment(ov_infer_request_t *request, Image slice, unsigned char *mask) {
    size_t count = (size_t)(slice.width * slice.height), found = 0;
    ov_tensor_t *input, *output;
    ov_shape_t shape;
    float *grey, *logit;
    check(ov_infer_request_get_input_tensor(request, &input), "the input");
    check(ov_tensor_get_shape(input, &shape), "the input's shape");
    if (shape.rank != 4 || shape.dims[0] != 1 || shape.dims[1] != 1 || shape.dims[2] != slice.height ||
        shape.dims[3] != slice.width)
        fail("INPUT", "the slice", "has another size than the bundle");
    check(ov_tensor_data(input, (void **)&grey), "the input's data");
    for (size_t i = 0; i < count; i++) grey[i] = slice.pixels[i];

    check(ov_infer_request_infer(request), "the inference");

    check(ov_infer_request_get_output_tensor(request, &output), "the output");
    check(ov_tensor_get_size(output, &found), "the output's size");
    if (found != count) fail("INCOMPATIBLE", "the bundle", "has more than two classes");
    check(ov_tensor_data(output, (void **)&logit), "the output's data");
    for (size_t i = 0; i < count; i++) {
        if (logit[i] - logit[i] != 0.0f) fail("NUMERIC", "the output", "is not finite; the mask was discarded");
        mask[i] = logit[i] > 0.0f ? 255 : 0;
    }
    ov_shape_free(&shape);
    ov_tensor_free(output);
    ov_tensor_free(input);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: segment_slice MODEL.xml SHA256 MODEL.bin SHA256 SLICE.pgm MASK.pgm\n");
        return 2;
    }
    File xml = verified_file(argv[1], argv[2]), weights = verified_file(argv[3], argv[4]);
    Image slice = slice_from_pgm(argv[5]);
    Image mask = {slice.height, slice.width, allocated((size_t)(slice.height * slice.width))};

    ov_core_t *core;
    ov_infer_request_t *request;
    check(ov_core_create(&core), "OpenVINO");
    ov_compiled_model_t *compiled = opened(core, xml, weights);
    check(ov_compiled_model_create_infer_request(compiled, &request), "an infer request");
    segment(request, slice, mask.pixels);
    write_pgm(argv[6], mask);

    ov_infer_request_free(request);
    ov_compiled_model_free(compiled);
    ov_core_free(core);
    free(mask.pixels);
    free(slice.pixels);
    free(weights.bytes);
    free(xml.bytes);
    return 0;
}
