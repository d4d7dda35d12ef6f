// A volume in HU through a bundle's plan with libminiseg, and nothing else but libcrypto for SHA-256. C++17.
//
//   segment_native_volume MODEL.miniseg SHA256 HEIGHT WIDTH LOW_HU HIGH_HU VOLUME.raw MASK.raw
//
// The digest, the size and the window are those of the bundle's manifest. VOLUME.raw holds slices one after another, int16,
// little-endian, HU; MASK.raw gets a byte a voxel, the class. Exit codes: 0 done, 1 error, 2 usage.
//
//   c++ -std=c++17 -o segment_native_volume segment_native_volume.cpp -lcrypto $(python -m miniseg_edge.native --cflags --libs)
#include <miniseg.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Failure : std::runtime_error {
    Failure(const std::string& code, const std::string& what) : std::runtime_error(code + ": " + what) {}
};

struct Closing {
    void operator()(miniseg_model* model) const { miniseg_close(model); }
    void operator()(miniseg_context* context) const { miniseg_context_close(context); }
};
using Model = std::unique_ptr<miniseg_model, Closing>;
using Context = std::unique_ptr<miniseg_context, Closing>;

std::string bytes_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    if (!stream) throw Failure("INPUT", path + " cannot be read");
    return bytes;
}

std::string sha256(const std::string& bytes) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
    std::string hex;
    for (unsigned char byte : digest) hex += "0123456789abcdef"[byte / 16], hex += "0123456789abcdef"[byte % 16];
    return hex;
}

// Double for the quotient, float for the rest, in this order: the same bits as the Python runtime's.
std::vector<float> grey_from_hu(const std::string& volume, double low, double high) {
    const float low_hu = float(low), grey_per_hu = float(255.0 / (high - low));
    std::vector<float> grey(volume.size() / 2);
    for (std::size_t i = 0; i < grey.size(); ++i) {
        const auto hu = std::int16_t(std::uint8_t(volume[2 * i]) | std::uint8_t(volume[2 * i + 1]) << 8);
        grey[i] = std::clamp((float(hu) - low_hu) * grey_per_hu, 0.0F, 255.0F);
    }
    return grey;
}

// Called after each slice, in this thread; anything but 0 would stop the run. No exception may leave it.
std::int32_t show(void*, std::uint32_t done, std::uint32_t slices) {
    std::printf("%u of %u\n", done, slices);
    return 0;
}

std::vector<std::uint8_t> segmented(const std::string& plan, const std::vector<float>& grey, unsigned height,
                                    unsigned width) {
    miniseg_error error{};
    const auto check = [&](std::int32_t code, const char* name) {
        if (code != MINISEG_OK) throw Failure(name, error.message);
    };
    miniseg_model* opened = nullptr;
    check(miniseg_open(plan.data(), plan.size(), MINISEG_SET_BEST, &opened, &error), "INCOMPATIBLE");
    const Model model(opened);
    miniseg_description about{};
    about.struct_size = sizeof about;
    check(miniseg_describe(model.get(), &about, &error), "INFERENCE");
    if (about.values != MINISEG_GREY || about.channels != 1) throw Failure("INCOMPATIBLE", "the plan takes no grey slices");
    const miniseg_context_options options{sizeof options, 2, height, width, 0};
    miniseg_context* made = nullptr;
    check(miniseg_context_open(model.get(), &options, &made, &error), "MEMORY");
    const Context context(made);
    std::vector<std::uint8_t> mask(grey.size());
    const std::int64_t row = width, pixels = row * height;
    const auto slices = std::uint32_t(grey.size() / std::size_t(pixels));
    const miniseg_slice first{sizeof first, MINISEG_F32, grey.data(), height, width, 0, 4 * row, 4};
    const miniseg_output output{sizeof output, MINISEG_MASK, mask.data(), 0, row};
    const miniseg_volume volume{sizeof volume, slices, 4 * pixels, pixels, show, nullptr};
    check(miniseg_run_volume(context.get(), &first, &output, &volume, nullptr, &error), "INFERENCE");
    if (std::count(mask.begin(), mask.end(), 255)) throw Failure("NUMERIC", "the logits are not finite");
    return mask;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 9) {
        std::cerr << "usage: segment_native_volume MODEL SHA256 HEIGHT WIDTH LOW_HU HIGH_HU VOLUME MASK\n";
        return 2;
    }
    try {
        const std::string plan = bytes_of(argv[1]), volume = bytes_of(argv[7]);
        if (sha256(plan) != argv[2]) throw Failure("INTEGRITY", "the plan was changed");
        const auto height = unsigned(std::stoul(argv[3])), width = unsigned(std::stoul(argv[4]));
        if (height < 1 || height > 4096 || width < 1 || width > 4096 || volume.size() % (2ULL * height * width))
            throw Failure("INPUT", "the volume holds no whole slices of that size");
        const auto mask = segmented(plan, grey_from_hu(volume, std::stod(argv[5]), std::stod(argv[6])), height, width);
        std::ofstream out(argv[8], std::ios::binary);
        out.write(reinterpret_cast<const char*>(mask.data()), std::streamsize(mask.size())).flush();
        if (!out) throw Failure("OUTPUT", std::string(argv[8]) + " cannot be written");
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
