#pragma once

#include "datasets/sample.hpp"
#include "suite/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::datasets {

/// A class or a kind of object: its number in labels and boxes, and its name.
struct Category {
  std::int64_t number = 0;
  std::string name;
  bool operator==(const Category&) const = default;
};

/// What is known of a sample before its image is read.
struct Entry {
  std::uint32_t file_number = 0;  ///< row of Dataset::files
  std::uint64_t index = 0;        ///< Sample::index
  std::uint64_t id = 0;           ///< Sample::id
  std::optional<std::int64_t> label;
};

/// A finite, ordered collection of samples. Immutable; every member is thread-safe and pure.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::uint64_t size() const = 0;
  /// Sample `i`, i < size(). Errc::data when its image cannot be read.
  virtual Result<Sample> get(std::uint64_t i) const = 0;
  /// Height and width shared by all samples, when the format guarantees it.
  virtual std::optional<cv::Size> fixed_size() const = 0;
  /// SHA-256 of each file read when the data set was opened, by file name as given: evidence for
  /// the manifest. For a folder: of the list of its images. Images that are files of their own are
  /// told by Sample::content_hash.
  virtual const std::vector<std::pair<std::string, std::string>>& checksums() const = 0;

  /// By default from get(i); throws Exception when that fails.
  virtual Entry entry(std::uint64_t i) const;
  /// Names of the files that samples come from, relative to the data set, so that they are the same
  /// on every machine. By default the file of sample 0.
  virtual std::vector<std::string> files() const;
  /// Sample::content_hash of sample `i`, without decoding where that is possible.
  virtual Result<std::uint64_t> content_hash(std::uint64_t i) const;
  /// Names of classes or of kinds of objects, ascending by number; empty when there are none.
  virtual const std::vector<Category>& categories() const;
  /// Whether images are prepared (datasets/geometry.hpp) and perturbed already, so that preparing
  /// them would come too late. By default not.
  virtual bool perturbed() const { return false; }
};

using OpenedDataset = Result<std::shared_ptr<const Dataset>>;

/// Largest image that is decoded unless the caller says otherwise, in pixels.
inline constexpr std::uint64_t kMaxPixels = 100'000'000;

/// A MNIST-style pair of idx files (unsigned bytes; images of rank 3, labels of rank 1), gzip or
/// plain, held in memory. Every header field is checked against the file's real length. `labels` is
/// optional, and so is a file of class names, one a line. Names in samples and checksums are the
/// paths' text as given.
/// Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", "FILE FORMATS".
/// @return Errc::data when a file cannot be read, is damaged, or the two do not belong together
OpenedDataset open_idx(const std::string& name, const std::filesystem::path& images,
                       const std::optional<std::filesystem::path>& labels,
                       const std::optional<std::filesystem::path>& class_names = std::nullopt);

/// Sizes of the dimensions in the header of an idx file of unsigned bytes, gzip or plain; none when
/// the file does not begin with such a header. Errc::data when it cannot be read.
Result<std::optional<std::vector<std::uint64_t>>> idx_sizes(const std::filesystem::path& path);

/// The three layouts of CIFAR's binary files: what the label bytes before the pixels are.
enum class CifarLabels : std::uint8_t {
  cifar10,          ///< one byte, 0 to 9
  cifar100_fine,    ///< two bytes; the second, 0 to 99, is the label
  cifar100_coarse,  ///< two bytes; the first, 0 to 19, is the label
};

/// Bytes of a record of CIFAR-10 and of CIFAR-100: label bytes and 3 x 32 x 32 pixels.
inline constexpr std::uint64_t kCifar10Record = 3073, kCifar100Record = 3074;

/// CIFAR-10 or CIFAR-100 in the binary version, held in memory; several files follow each other.
/// Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and the data
/// set's page, "Binary version".
/// @param classes  optional text file, a class name per line
/// @return Errc::data when a file cannot be read, is no whole number of records, or holds a label
///         out of range
OpenedDataset open_cifar(const std::string& name, const std::vector<std::filesystem::path>& files,
                         CifarLabels labels, const std::optional<std::filesystem::path>& classes);

/// Images in NumPy's .npy format, held in memory: uint8 of shape [N, height, width, 3] or
/// [N, height, width]; labels as a .npy of N integers. This is the form of CIFAR-10-C and
/// CIFAR-100-C: one file per corruption whose five equal parts are severities 1 to 5.
/// Source: Hendrycks, Dietterich, ICLR 2019, and NumPy enhancement proposal 1 (the format).
/// @param severity  1 to 5: only that fifth of the rows; Sample::index stays the row of the file
OpenedDataset open_npy(const std::string& name, const std::filesystem::path& images,
                       const std::optional<std::filesystem::path>& labels,
                       std::optional<unsigned> severity,
                       const std::optional<std::filesystem::path>& classes);

/// Shape of a .npy file of unsigned bytes; none when the file does not begin with such a header.
Result<std::optional<std::vector<std::uint64_t>>> npy_sizes(const std::filesystem::path& path);

/// Where to find images that are files of their own.
struct ImageFolder {
  std::filesystem::path root;
  std::optional<std::filesystem::path> list;     ///< text file; see the formats
  std::optional<std::filesystem::path> classes;  ///< text file, a class name per line
  std::uint64_t max_pixels = kMaxPixels;         ///< larger images are refused before decoding
};

/// Images with one class each. Without a list: the folders in `root`, sorted bytewise, are the
/// classes 0, 1, …; every file in them, sorted by path, is an image, hidden ones (".…") excepted.
/// With a list: lines "path label", paths relative to `root`.
OpenedDataset open_image_folder(const std::string& name, const ImageFolder& folder);

/// COCO: images and boxes of a JSON file, image files in `folder.root`. Samples are in the order of
/// the file, boxes in that of its annotations. A box may reach at most one pixel out of its image
/// (coordinates are rounded) and is kept as it is.
/// Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org,
/// "Data format".
OpenedDataset open_coco(const std::string& name, const std::filesystem::path& annotations,
                        const ImageFolder& folder);

/// PASCAL VOC: `root` holds Annotations/*.xml and JPEGImages. A list names the annotations to use,
/// one stem per line (the first word, as in ImageSets/Main). Categories are the names in the file
/// of classes, or else all names found, sorted; numbers from 0. VOC counts pixels from 1 and
/// includes the last one: a box becomes [xmin - 1, xmax] x [ymin - 1, ymax]. Objects marked
/// `difficult` become crowds: VOC counts them neither as found nor as missed.
/// Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 88 (2010), and the
/// development kit's annotation format.
OpenedDataset open_voc(const std::string& name, const ImageFolder& folder);

enum class Layout : std::uint8_t {
  nhwc,  ///< [samples, height, width, channels], or [samples, height, width]
  nchw,  ///< [samples, channels, height, width]
};

/// Data sets in an HDF5 file of another program.
struct Hdf5Names {
  std::string images;
  std::optional<std::string> labels;
  Layout layout = Layout::nhwc;
};

/// Images in an HDF5 file, held in memory: one that write_hdf5 (datasets/hdf5.hpp) made, or with
/// `names` any file that has uint8 or uint16 images of rank 3 or 4 and labels of rank 1. libhdf5
/// parses foreign files, and crashes on some damaged ones; files of ours are sealed and checked
/// first.
/// @param perturbation  only the samples perturbed by it, as augment/ writes it ("fog/3"): of a
/// file
///                      that write_hdf5 made with EnrichedData::perturbations
OpenedDataset open_hdf5(const std::string& name, const std::filesystem::path& file,
                        const std::optional<Hdf5Names>& names,
                        const std::optional<std::filesystem::path>& classes,
                        const std::optional<std::string>& perturbation = std::nullopt);

enum class Order : std::uint8_t {
  first,       ///< the first n, in order
  random,      ///< n drawn without replacement, in drawn order
  stratified,  ///< drawn within each class, as many as its share, in order of the data set
};

/// `count` samples of `whole`; Sample::index stays that of `whole`. With one seed a smaller random
/// subset is the beginning of a larger one. Stratified: class c of size n_c has
/// floor(count n_c / N) samples, and those left over go to the largest remainders, ties to the
/// lower class.
/// @return Errc::data when count is 0 or exceeds the data set, or strata are asked for of samples
///         without labels
OpenedDataset subset(std::shared_ptr<const Dataset> whole, std::uint64_t count, Order order,
                     std::uint64_t seed);

/// The samples with these ids (Sample::id), in this order.
/// @return Errc::data for an id that is not there or given twice, or no ids at all
OpenedDataset select(std::shared_ptr<const Dataset> whole, const std::vector<std::uint64_t>& ids);

/// The same with ids from a text file, one number a line; blank lines are passed over. The file is
/// one of the checksums.
OpenedDataset select(std::shared_ptr<const Dataset> whole, const std::filesystem::path& ids_file);

}  // namespace bitquake::datasets
