#include "suite/scenario/convert.hpp"

#include "augment/pipeline.hpp"
#include "suite/scenario/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bitquake::scenario {

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// 007 and 00.5: some readers take them for octal, so they are not accepted as numbers.
bool has_leading_zero(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9';
}

Problem mistyped(const Key& key, std::string_view expected, const Scalar& scalar,
                 std::string_view hint) {
  return {.what = fmt::format("{}: expected {}, got {}{}", key.name, expected,
                              scalar.quoted ? "the text " : "", in_quotes(scalar.text)),
          .hint = std::string(scalar.quoted ? "remove the quotes" : hint)};
}

Problem out_of_range(const Key& key, const Scalar& scalar) {
  return {.what = fmt::format("{}: must be {}, got {}", key.name, item_range_text(key),
                              in_quotes(scalar.text)),
          .hint = ""};
}

Result<std::uint64_t, Problem> to_integer(const Key& key, const Scalar& scalar) {
  const std::string_view text = scalar.text;
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (scalar.quoted || !all_digits(digits) || has_leading_zero(digits)) {
    return mistyped(key, "an integer", scalar,
                    "decimal digits only: no leading zeros, point, exponent or separators");
  }
  std::uint64_t value = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const auto [low, high] = key.integer_range;
  if (negative || status != std::errc() || value < low || value > high) {
    return out_of_range(key, scalar);
  }
  return value;
}

Result<double, Problem> to_real(const Key& key, const Scalar& scalar) {
  const std::string_view text = scalar.text;
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool complete = end == text.data() + text.size() && status != std::errc::invalid_argument;
  const bool finite = status != std::errc() || std::isfinite(value);
  if (scalar.quoted || !complete || !finite ||
      has_leading_zero(text.substr(text.starts_with('-') ? 1 : 0))) {
    return mistyped(key, "a number", scalar, "a finite decimal number, such as 0.5 or 1e-3");
  }
  if (status != std::errc()) {
    return Problem{.what = fmt::format("{}: {} does not fit a double", key.name, in_quotes(text)),
                   .hint = ""};
  }
  const auto [low, high, above_low] = key.real_range;
  if (value < low || value > high || (above_low && value == low)) return out_of_range(key, scalar);
  return value;
}

Result<std::string, Problem> to_text(const Key& key, const Scalar& scalar) {
  const bool control = std::any_of(scalar.text.begin(), scalar.text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control) {
    return Problem{
        .what = fmt::format("{}: control character in {}", key.name, in_quotes(scalar.text)),
        .hint = ""};
  }
  if (scalar.text.empty()) {
    return Problem{.what = fmt::format("{}: must not be empty", key.name), .hint = ""};
  }
  return scalar.text;
}

Result<std::string, Problem> to_choice(const Key& key, const Scalar& scalar) {
  std::vector<std::string_view> names;
  for (const Word& word : key.choices) {
    if (word.name == scalar.text) return scalar.text;
    names.push_back(word.name);
  }
  if (!key.refusal.empty()) {
    return Problem{
        .what = fmt::format("{}: {} is refused: {}", key.name, in_quotes(scalar.text), key.refusal),
        .hint = fmt::format("remove the key, or write {}", fmt::join(names, " or "))};
  }
  const std::string_view near = did_you_mean(std::string_view(scalar.text).substr(0, 64), names);
  return Problem{.what = fmt::format("{}: unknown word {}", key.name, in_quotes(scalar.text)),
                 .hint = near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                                      : fmt::format("did you mean '{}'? one of: {}", near,
                                                    fmt::join(names, ", "))};
}

/// `convert` of each scalar; the first problem ends it.
template <class Convert>
auto to_list(const Key& key, const std::vector<Scalar>& scalars, Convert convert)
    -> Result<Value, Problem> {
  using Item = std::remove_cvref_t<decltype(*convert(key, scalars.front()))>;
  std::vector<Item> list;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    auto item = convert(key, scalars[i]);
    if (!item) {
      Problem problem = std::move(item).error();
      problem.item = i;
      return problem;
    }
    list.push_back(*item);
  }
  return Value{std::move(list)};
}

template <class T>
Result<Value, Problem> as_value(Result<T, Problem> result) {
  if (!result) return std::move(result).error();
  return Value{std::move(result).value()};
}

/// Labels of the perturbations, none twice.
Result<Value, Problem> to_perturbations(const Key& key, const std::vector<Scalar>& scalars) {
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    auto pipelines = augment::parse_alternatives(scalars[i].text);
    if (!pipelines) {
      Error error = std::move(pipelines).error();
      return Problem{fmt::format("{}: {}", key.name, error.what), std::move(error.hint), i};
    }
    for (const augment::Pipeline& pipeline : *pipelines) {
      labels.push_back(augment::label(pipeline));
      if (!seen.insert(labels.back()).second) {
        return Problem{fmt::format("{}: {} is there twice", key.name, in_quotes(labels.back())),
                       "remove one of the two", i};
      }
    }
  }
  if (labels.size() < key.items.low || labels.size() > key.items.high) {
    return Problem{fmt::format("{}: expected {} to {} perturbations, got {}", key.name,
                               key.items.low, key.items.high, labels.size()),
                   "write clean for the images as they are"};
  }
  return Value{std::move(labels)};
}

}  // namespace

Result<Value, Problem> to_value(const Key& key, const std::vector<Scalar>& scalars) {
  if (key.kind == Kind::perturbations) return to_perturbations(key, scalars);
  const bool list = key.kind == Kind::integers || key.kind == Kind::reals ||
                    key.kind == Kind::words || key.kind == Kind::paths;
  if (list && (scalars.size() < key.items.low || scalars.size() > key.items.high)) {
    return Problem{
        .what =
            scalars.empty()
                ? fmt::format("{}: expected at least one item, got an empty list", key.name)
                : fmt::format("{}: expected {}, got {}", key.name, range_text(key), scalars.size()),
        .hint = std::string(key.doc)};
  }
  assert(list || scalars.size() == 1);
  switch (key.kind) {
    case Kind::integer:
      return as_value(to_integer(key, scalars.front()));
    case Kind::real:
      return as_value(to_real(key, scalars.front()));
    case Kind::text:
    case Kind::path:
      return as_value(to_text(key, scalars.front()));
    case Kind::choice:
      return as_value(to_choice(key, scalars.front()));
    case Kind::integers:
      return to_list(key, scalars, to_integer);
    case Kind::reals:
      return to_list(key, scalars, to_real);
    case Kind::words:
    case Kind::paths:
      return to_list(key, scalars, key.choices.empty() ? to_text : to_choice);
    case Kind::perturbations:
      break;
  }
  return Problem{.what = fmt::format("{}: no such kind of key", key.name), .hint = ""};
}

}  // namespace bitquake::scenario
