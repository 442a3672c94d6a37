#pragma once

#include "suite/base/rng.hpp"

#include <opencv2/core/mat.hpp>

#include <vector>

// Internal: filters on CV_32FC1 and CV_32FC3 images of any size. Plain loops of IEEE arithmetic:
// the same bytes on every CPU.

namespace bitquake::augment::detail {

/// What lies beyond the edge of an image abcd.
enum class Border {
  replicate,    ///< aaa|abcd|ddd
  reflect,      ///< cba|abcd|dcb
  reflect_101,  ///< dcb|abcd|cba
};

/// The index in [0, size) that stands for any index.
int border_index(int index, int size, Border border);

/// Blurs with a normalised Gaussian of radius floor(truncate * sigma + 0.5) pixels, as
/// scipy.ndimage does; sigma = 0 changes nothing. O(pixels * radius).
cv::Mat gaussian(const cv::Mat& values, double sigma, double truncate = 4,
                 Border border = Border::replicate);

/// Sum over a kernel (CV_32FC1, odd sides, nothing negative) of kernel times the pixel at the same
/// offset. Zeros of the kernel cost nothing.
cv::Mat correlate(const cv::Mat& values, const cv::Mat& kernel, Border border);

/// Mean over positions on a line that starts at the pixel, with the weights of half a Gaussian.
/// @param radius  2 * radius + 1 positions, 1 px apart    @param sigma  px, > 0
/// @param angle_degrees  where the line goes: 0 to the right, 90 down
cv::Mat motion(const cv::Mat& values, int radius, double sigma, double angle_degrees);

/// The centre of the image, enlarged so that it fills it; bilinear. @param zoom  >= 1
cv::Mat clipped_zoom(const cv::Mat& values, double zoom);

/// The image at (x[i], y[i]), bilinear. @param x, y  px from the centre of the first pixel,
/// CV_32FC1, size of the result
cv::Mat sample(const cv::Mat& values, const cv::Mat& x, const cv::Mat& y, Border border);

/// A fractal height map in [0, 1]: diamond-square on a torus whose side is the smallest power of
/// two that holds `size`. @param decay  how much smaller each finer level is; 1: equally rough
/// Draws the same numbers whatever the decay.
cv::Mat plasma(cv::Size size, double decay, Draws draws);

/// Standard normal numbers times sigma plus mean, CV_32FC1.
cv::Mat normal_field(cv::Size size, double mean, double sigma, Draws draws);

}  // namespace bitquake::augment::detail
