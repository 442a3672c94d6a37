#include "datasets/codecs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csetjmp>
#include <cstddef>
#include <cstdio>  // for jpeglib.h
#include <cstring>
#include <jpeglib.h>
#include <png.h>
#include <vector>

namespace bitquake::datasets {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// What libjpeg says, in place of printing it. Source: libjpeg's documentation, libjpeg.txt,
/// section "Error handling".
struct JpegMessages {
  jpeg_error_mgr manager;  ///< first: libjpeg's pointer to it is one to all of this
  std::jmp_buf give_up;
  std::array<char, JMSG_LENGTH_MAX> first;  ///< warning or error; empty: none

  static JpegMessages& of(j_common_ptr jpeg) {
    return *reinterpret_cast<JpegMessages*>(jpeg->err);  // NOLINT(*-reinterpret-cast)
  }
  static void note(j_common_ptr jpeg, int level) {
    auto& first = of(jpeg).first;
    if (level < 0 && first[0] == '\0') jpeg->err->format_message(jpeg, first.data());
  }
  static void stop(j_common_ptr jpeg) {
    note(jpeg, -1);
    std::longjmp(of(jpeg).give_up, 1);  // NOLINT(cert-err52-cpp): libjpeg is C
  }
};

/// All rows of a JPEG: grey, RGB or four inks. No object that needs a destructor is made in here,
/// because an error leaves by longjmp.
void decode_rows(jpeg_decompress_struct& jpeg, JpegMessages& messages, Bytes bytes,
                 cv::Mat& image) {
  if (setjmp(messages.give_up) != 0) return;  // NOLINT(cert-err52-cpp)
  jpeg_mem_src(&jpeg, bytes.data(), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = jpeg.num_components == 1   ? JCS_GRAYSCALE
                         : jpeg.num_components == 4 ? JCS_CMYK
                                                    : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  image.create(static_cast<int>(jpeg.output_height), static_cast<int>(jpeg.output_width),
               CV_8UC(jpeg.out_color_components));
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = image.ptr(static_cast<int>(jpeg.output_scanline));
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
}

/// What libpng says, in place of printing it. Source: libpng's manual, libpng-manual.txt, section
/// V.
struct PngMessages {
  std::jmp_buf give_up;
  std::array<char, 128> error;  ///< empty: none

  [[noreturn]] static void stop(png_structp png, png_const_charp what) {
    auto& messages = *static_cast<PngMessages*>(png_get_error_ptr(png));
    std::strncpy(messages.error.data(), what, messages.error.size() - 1);
    std::longjmp(messages.give_up, 1);  // NOLINT(cert-err52-cpp): libpng is C
  }
  /// Warnings are about chunks that decide no pixel, such as colour profiles.
  static void ignore(png_structp /*png*/, png_const_charp /*what*/) {}
};

/// Hands out the next bytes of a Bytes.
void take_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto& left = *static_cast<Bytes*>(png_get_io_ptr(png));
  if (count > left.size()) png_error(png, "the file ends too early");
  std::copy_n(left.begin(), count, to);
  left = left.subspan(count);
}

/// All rows of a PNG. Objects that need a destructor are the caller's, because an error leaves by
/// longjmp.
void decode_rows(png_structp png, png_infop info, PngMessages& messages, cv::Mat& image,
                 std::vector<png_bytep>& rows) {
  if (setjmp(messages.give_up) != 0) return;  // NOLINT(cert-err52-cpp)
  png_read_info(png, info);
  const unsigned colour = png_get_color_type(png, info);
  const bool coloured = (colour & unsigned{PNG_COLOR_MASK_COLOR}) != 0;
  const bool clear = coloured && png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  const bool alpha = (colour & unsigned{PNG_COLOR_MASK_ALPHA}) != 0 || clear;
  if (std::endian::native == std::endian::little) png_set_swap(png);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  if (clear) png_set_tRNS_to_alpha(png);
  if (alpha && !coloured) png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  image.create(static_cast<int>(png_get_image_height(png, info)),
               static_cast<int>(png_get_image_width(png, info)),
               CV_MAKETYPE(png_get_bit_depth(png, info) == 16 ? CV_16U : CV_8U,
                           png_get_channels(png, info)));
  rows.resize(static_cast<std::size_t>(image.rows));
  for (int y = 0; y < image.rows; ++y) rows[static_cast<std::size_t>(y)] = image.ptr(y);
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
}

}  // namespace

Result<cv::Mat, std::string> decode_jpeg(std::span<const std::uint8_t> bytes) {
  jpeg_decompress_struct jpeg{};
  JpegMessages messages{};
  jpeg.err = jpeg_std_error(&messages.manager);
  messages.manager.emit_message = JpegMessages::note;
  messages.manager.error_exit = JpegMessages::stop;
  jpeg_create_decompress(&jpeg);
  cv::Mat image;
  try {
    decode_rows(jpeg, messages, bytes, image);
  } catch (const cv::Exception&) {  // no memory
    image.release();
  }
  jpeg_destroy_decompress(&jpeg);
  if (messages.first[0] == '\0') return image;
  return fmt::format("is damaged: {}", messages.first.data());
}

Result<cv::Mat, std::string> decode_png(std::span<const std::uint8_t> bytes) {
  PngMessages messages{};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &messages, PngMessages::stop,
                                           PngMessages::ignore);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  cv::Mat image;
  std::vector<png_bytep> rows;
  if (info != nullptr) {
    png_set_read_fn(png, &bytes, take_bytes);
    try {
      decode_rows(png, info, messages, image, rows);
    } catch (const std::exception&) {  // no memory
      image.release();
    }
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (messages.error[0] == '\0') return image;
  return fmt::format("is damaged: {}", messages.error.data());
}

}  // namespace bitquake::datasets
