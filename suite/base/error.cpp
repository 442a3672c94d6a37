#include "suite/base/error.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace bitquake {

std::string to_string(const Error& error) {
  std::string text = error.where.empty() ? "" : error.where + ": ";
  text += "error: " + error.what;
  if (!error.source.empty()) text += "\n" + error.source;
  if (!error.hint.empty()) text += "\nhint: " + error.hint;
  return text;
}

Exception::Exception(Error error) : std::runtime_error(to_string(error)), error_(std::move(error)) {}

namespace {

std::size_t levenshtein(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row.back();
}

}  // namespace

std::string_view did_you_mean(std::string_view word,
                              const std::vector<std::string_view>& candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = levenshtein(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace bitquake
