#pragma once

#include <cstdint>

/// Inner loops over contiguous floats, compiled for several instruction sets. Each does exactly one
/// rounding where its name says so; which form equals LibTorch's is found by experiment.
namespace bitquake::model::loops {

void relu(const float* in, float* out, std::int64_t n);
void clamp(const float* in, float low, float high, float* out, std::int64_t n);
void leaky_relu(const float* in, float slope, float* out, std::int64_t n);
void hardswish(const float* in, float* out, std::int64_t n);
/// in * scale + shift, rounded twice.
void scale_shift(const float* in, float scale, float shift, float* out, std::int64_t n);
/// in * scale + shift, rounded once.
void scale_shift_fused(const float* in, float scale, float shift, float* out, std::int64_t n);
void add(const float* a, const float* b, float* out, std::int64_t n);
void subtract(const float* a, const float* b, float* out, std::int64_t n);
void multiply(const float* a, const float* b, float* out, std::int64_t n);
void divide(const float* a, const float* b, float* out, std::int64_t n);
void add(const float* a, float b, float* out, std::int64_t n);
void multiply(const float* a, float b, float* out, std::int64_t n);
bool all_finite(const float* in, std::int64_t n);

}  // namespace bitquake::model::loops
