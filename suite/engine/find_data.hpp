#pragma once

#include "suite/base/result.hpp"
#include "suite/scenario/scenario.hpp"

#include <filesystem>
#include <vector>

namespace bitquake::engine {

/// Finds a data set in `given`: one directory (its files, not those of subdirectories), or files.
/// Files are told by what they hold, not by their names; names only decide between several sets of
/// images (a test set is preferred) and several files of labels. The data set is named after the
/// directory of its images. A directory may also be one of images in class folders, PASCAL VOC's
/// (Annotations, JPEGImages), or COCO's (a JSON file, images beside it or in the folder images).
/// @param given        a directory, or files
/// @param with_labels  look for labels too; a data set without any is fine
/// @return section `data` of a scenario, its paths beginning as in `given`. Errc::data, with a list
///         of what was found, when there is no data set or more than one to choose from
Result<scenario::Scenario::Data> find_data(const std::vector<std::filesystem::path>& given,
                                           bool with_labels);

}  // namespace bitquake::engine
