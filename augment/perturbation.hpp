#pragma once

#include "augment/scene.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"
#include "suite/base/rng.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitquake::augment {

enum class Group : std::uint8_t { noise, blur, weather, digital, extra, sensor, geometric };

inline constexpr std::array kGroups{
    Named<Group>{Group::noise, "noise", "random values; ImageNet-C"},
    Named<Group>{Group::blur, "blur", "lost sharpness; ImageNet-C"},
    Named<Group>{Group::weather, "weather", "between the camera and the scene; ImageNet-C"},
    Named<Group>{Group::digital, "digital", "processing of the image; ImageNet-C"},
    Named<Group>{Group::extra, "extra", "the four that ImageNet-C holds back for validation"},
    Named<Group>{Group::sensor, "sensor", "camera, its electronics, what is in front of it"},
    Named<Group>{Group::geometric, "geometric", "where things are in the image"},
};

inline constexpr int kMaxSeverity = 5;
using Severities = std::array<double, kMaxSeverity>;  ///< a value for each severity 1..5

/// Which of a parameter's two tables gives its value.
enum class Table : std::uint8_t { automatic, small, large };

/// The shorter side, in pixels, up to which `automatic` means `small`. CIFAR-10-C has 32, Tiny
/// ImageNet 64, ImageNet-C 224.
inline constexpr int kLargestSmallSide = 64;

inline constexpr std::array kTables{
    Named<Table>{Table::automatic, "auto", "small if the shorter side has at most 64 pixels"},
    Named<Table>{Table::small, "small", "the values of CIFAR-10-C, made for 32x32 pixels"},
    Named<Table>{Table::large, "large", "the values of ImageNet-C, made for 224x224 pixels"},
};

/// A number that says how strong a kind is.
struct Parameter {
  std::string name{};
  std::string doc{};        ///< one line
  std::string unit{};       ///< "px", "fraction", …; empty: a plain number
  double min = 0, max = 1;  ///< what an override may be; both included
  Severities large{};       ///< for large images, or for all where there is no other table
  std::optional<Severities> small{};  ///< for small images
  bool integer = false;               ///< whole numbers only
};

inline constexpr std::size_t kMaxParameters = 12;  ///< of one kind

/// Where the random numbers of one application come from: a pure function of (seed, sample, kind,
/// occurrence). The severity is no part of it: the same sample under another severity is the same
/// weather, only stronger (common random numbers).
class DrawKey {
 public:
  /// @param sample      of the data set
  /// @param kind        name of the perturbation
  /// @param occurrence  how many steps of the same kind came before in the pipeline
  DrawKey(std::uint64_t seed, std::uint64_t sample, std::string_view kind,
          std::uint32_t occurrence = 0);

  /// Numbers for this sample. Each part is a sequence of its own: give a part to each purpose whose
  /// count of draws depends on the severity. @param part  < 2^16
  Draws draws(std::uint32_t part = 0) const;

  /// Numbers that are the same for every sample: for what belongs to the camera, such as dead
  /// pixels. @param part  < 2^16
  Draws camera_draws(std::uint32_t part = 0) const;

 private:
  std::uint64_t seed_, sample_, kind_;
  std::uint32_t occurrence_;
};

/// Perturbs `scene` in place. Pure: the result depends on the arguments alone. Threads may call it
/// at the same time, with different scenes. The image keeps type and size, and the pixels of the
/// Mat that it comes with must not be written to (others may share them): replace the Mat.
/// @param values  of the kind's parameters, in their order, each within its range
using ApplyFunction = void (*)(Scene& scene, std::span<const double> values, const DrawKey& key);

/// A perturbation: what it is called, what it does and how strong it is at each severity.
struct Kind {
  std::string name{};
  Group group{};
  std::string doc{};     ///< one line
  std::string source{};  ///< of formula and values
  std::vector<Parameter> parameters{};
  bool random = false;       ///< draws random numbers
  bool moves_boxes = false;  ///< changes where objects are, or removes some
  bool takes_16_bit = true;  ///< otherwise images have 8 bits per value
  bool takes_grey = true;    ///< otherwise images have colours
  ApplyFunction apply = nullptr;
};

/// Most kinds of one program, the built-in ones included.
inline constexpr std::size_t kMaxKinds = 256;

/// All kinds: the built-in ones by group, then the registered ones in the order of registration.
std::span<const Kind> kinds();

/// The kind of that name, or Errc::scenario with the name that was perhaps meant.
Result<const Kind*> find_kind(std::string_view name);

/// Adds a kind of the program's own. From then on steps and pipelines know its name.
/// @return the kind, or Errc::usage with what is wrong with it
/// @note Not thread-safe. Register at the start of the program, before it does anything else with
///       Bitquake.
Result<const Kind*> register_kind(Kind kind);

/// One perturbation as it is to be applied: a small value, cheap to copy. Made by make_step().
struct Step {
  const Kind* kind = nullptr;
  int severity = 0;  ///< 0 changes nothing
  Table table = Table::automatic;
  std::array<std::optional<double>, kMaxParameters> overrides{};  ///< of the kind's parameters

  bool operator==(const Step&) const = default;
};

/// Values that replace those of the severity, by name of the parameter.
using Overrides = std::vector<std::pair<std::string, double>>;

/// A step, or Errc::scenario: an unknown kind or parameter, a parameter named twice, a severity
/// outside 0..5, a value out of its range, or overrides at severity 0.
Result<Step> make_step(std::string_view name, int severity, const Overrides& overrides = {},
                       Table table = Table::automatic);

/// Values of the parameters for an image of that size, in the order of the kind's parameters.
/// @param step  of severity 1..5
std::vector<double> parameter_values(const Step& step, cv::Size size);

/// "fog/3"; with overrides "fog/3[amount=2.5;table=small]", overrides in the order of parameters.
std::string label(const Step& step);

/// The scene under the step, or what is wrong with its image. The given pixels stay as they are.
/// Thread-safe.
Result<Scene> apply(const Step& step, const Scene& scene, const DrawKey& key);

}  // namespace bitquake::augment
