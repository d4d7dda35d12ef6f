// A volume in HU through a bundle's OpenVINO artefact, with nothing of MiniSeg Edge: C++17, OpenVINO, libcrypto for SHA-256.
//
//   segment_volume MODEL.xml SHA256 MODEL.bin SHA256 LOW_HU HIGH_HU VOLUME.raw MASK.raw
//
// The digests and the window are those of the bundle's manifest. VOLUME.raw holds slices of the bundle's size one after
// another, int16, little-endian, HU; MASK.raw gets a byte a voxel, 1 where lesion. As many slices are in flight as
// OpenVINO finds best here, each thread with an infer request of its own. Exit codes: 0 done, 1 error, 2 usage.
//
//   c++ -std=c++17 -pthread -I$OPENVINO/include segment_volume.cpp -L$OPENVINO/libs -lopenvino -lcrypto -o segment_volume
#include <openssl/sha.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Error : std::runtime_error {
    Error(const std::string& code, const std::string& problem) : std::runtime_error(code + ": " + problem) {}
};

struct Window {
    float low_hu;
    float grey_per_hu;

    // Double for the quotient, float for the rest, in this order: the same bits as the Python runtime's.
    Window(double low, double high) : low_hu(float(low)), grey_per_hu(float(255.0 / (high - low))) {}

    float grey_from_hu(std::int16_t hu) const {
        return std::clamp((float(hu) - low_hu) * grey_per_hu, 0.0f, 255.0f);
    }
};

std::string bytes_from_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    if (!stream) throw Error("INPUT", path + " cannot be read");
    return bytes;
}

// The file is read once; the bytes that are hashed are the bytes that are parsed.
std::string verified_file(const std::string& path, const std::string& sha256) {
    std::string bytes = bytes_from_file(path);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
    std::string found;
    for (unsigned char byte : digest) {
        char hex[3];
        std::snprintf(hex, sizeof hex, "%02x", byte);
        found += hex;
    }
    if (found != sha256) throw Error("INTEGRITY", path + " was changed");
    return bytes;
}

ov::CompiledModel opened(ov::Core& core, const std::string& xml, std::string& weights) {
    auto model = core.read_model(xml, ov::Tensor(ov::element::u8, {weights.size()}, weights.data()));
    // The precision is set explicitly: a CPU with BF16 would use it by default, and return another mask.
    return core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                              ov::hint::performance_mode(ov::hint::PerformanceMode::THROUGHPUT),
                              ov::hint::enable_cpu_pinning(false));
}

void segment(ov::InferRequest& request, const Window& window, const std::int16_t* hu, std::uint8_t* mask, size_t pixels) {
    float* grey = request.get_input_tensor().data<float>();
    for (size_t i = 0; i < pixels; ++i) grey[i] = window.grey_from_hu(hu[i]);
    // Not infer(): called from several threads on a busy machine, OpenVINO keeps memory of each call.
    request.start_async();
    request.wait();
    const float* logit = request.get_output_tensor().data<const float>();
    for (size_t i = 0; i < pixels; ++i) {
        if (!std::isfinite(logit[i])) throw Error("NUMERIC", "the output is not finite; the mask was discarded");
        mask[i] = logit[i] > 0.0f;
    }
}

// Threads take the next slice as they get free, and write each mask in its slice's place: the order is the volume's.
std::vector<std::uint8_t> segmented(ov::CompiledModel& compiled, const Window& window, const std::string& volume) {
    const ov::Shape shape = compiled.input().get_shape();
    if (shape.size() != 4 || shape[0] != 1 || shape[1] != 1 || compiled.output().get_shape() != shape)
        throw Error("INCOMPATIBLE", "the bundle takes no single grey slices, or has more than two classes");
    const size_t pixels = shape[2] * shape[3], slice_bytes = pixels * sizeof(std::int16_t);
    if (volume.empty() || volume.size() % slice_bytes)
        throw Error("INPUT", "the volume holds no whole slices of the bundle's size");
    std::vector<std::int16_t> hu(volume.size() / 2);
    for (size_t i = 0; i < hu.size(); ++i)
        hu[i] = std::int16_t(std::uint8_t(volume[2 * i]) | std::uint8_t(volume[2 * i + 1]) << 8);
    std::vector<std::uint8_t> mask(hu.size());
    std::atomic<size_t> next{0};
    auto work = [&] {
        ov::InferRequest request = compiled.create_infer_request();
        for (size_t at; (at = next++ * pixels) < hu.size();) segment(request, window, &hu[at], &mask[at], pixels);
    };
    std::vector<std::future<void>> workers;
    for (unsigned i = compiled.get_property(ov::optimal_number_of_infer_requests); i > 0; --i)
        workers.push_back(std::async(std::launch::async, work));
    for (auto& worker : workers) worker.get();  // rethrows what a worker threw
    return mask;
}

void write_file(const std::string& path, const std::vector<std::uint8_t>& bytes) {
    std::ofstream stream(path, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
    stream.close();
    if (!stream) {
        std::remove(path.c_str());
        throw Error("OUTPUT", path + " cannot be written");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 9) {
        std::cerr << "usage: segment_volume MODEL.xml SHA256 MODEL.bin SHA256 LOW_HU HIGH_HU VOLUME.raw MASK.raw\n";
        return 2;
    }
    try {
        const std::string xml = verified_file(argv[1], argv[2]);
        std::string weights = verified_file(argv[3], argv[4]);
        const Window window(std::stod(argv[5]), std::stod(argv[6]));
        ov::Core core;
        ov::CompiledModel compiled = opened(core, xml, weights);
        write_file(argv[8], segmented(compiled, window, bytes_from_file(argv[7])));
        return 0;
    } catch (const Error& error) {
        std::cerr << error.what() << '\n';
    } catch (const std::exception& error) {
        std::cerr << "INFERENCE: " << error.what() << '\n';
    }
    return 1;
}
