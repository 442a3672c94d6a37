#include "suite/cli/command.hpp"

#include "suite/base/durable.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <system_error>
#include <thread>

namespace bitquake::cli {
namespace {

constexpr unsigned kMaxThreads = 1024;

/// Decimal digits only; nothing for other text and for numbers of more than 64 bits.
std::optional<std::uint64_t> parse_whole(const std::string& text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || rest != end) return std::nullopt;
  return number;
}

/// A path below the working directory as people would type it.
std::string from_here(const std::string& where) {
  std::error_code failed;
  const std::string here = std::filesystem::current_path(failed).string() + "/";
  if (failed || where.size() <= here.size() || !where.starts_with(here)) return where;
  return where.substr(here.size());
}

}  // namespace

void ScenarioOptions::add_to(CLI::App& app) {
  app.add_option("SCENARIO", file, "scenario file (YAML)")->required()->type_name("");
  app.add_option("--samples", samples, "number of samples; same as --set data.samples=N")
      ->type_name("N")
      ->check(whole_number(1));
  app.add_option("--seed", seed, "campaign seed; same as --set seed=N")
      ->type_name("N")
      ->check(whole_number(0));
  app.add_option("--execution", execution,
                 "how trials are computed: incremental, batched or reference; results do not\n"
                 "depend on it; same as --set execution=WORD")
      ->type_name("WORD")
      ->check(one_of(scenario::kExecutions));
  app.add_option("--set", set,
                 "set a key of the scenario, such as faults.epochs=4; repeat it for more keys\n"
                 "(bitquake list keys). Paths are relative to the scenario file")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

Result<scenario::Scenario, ExitCode> ScenarioOptions::read() const {
  std::vector<scenario::Override> overrides;
  for (const std::string& text : set) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      return report(
          {Errc::usage, "--set " + shell_word(text), "has no '='", "write --set KEY=VALUE", ""});
    }
    overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  if (samples) overrides.emplace_back("data.samples", std::to_string(*samples));
  if (seed) overrides.emplace_back("seed", std::to_string(*seed));
  if (!execution.empty()) overrides.emplace_back("execution", execution);
  auto read = scenario::read_scenario(file, overrides);
  if (read) return std::move(*read);
  ExitCode code = ExitCode::scenario;
  for (std::size_t i = 0; i < read.error().size(); ++i) {
    const ExitCode reported = report(read.error()[i]);
    if (i == 0) code = reported;
  }
  return code;
}

std::string ScenarioOptions::arguments() const {
  std::string text = shell_word(file);
  if (samples) text += " --samples " + std::to_string(*samples);
  if (seed) text += " --seed " + std::to_string(*seed);
  if (!execution.empty()) text += " --execution " + execution;
  for (const std::string& assignment : set) text += " --set " + shell_word(assignment);
  return text;
}

void ThreadsOption::add_to(CLI::App& app) {
  app.add_option("-j,--threads", given,
                 "worker threads, 1 to 1024; results do not depend on it\n"
                 "(default: BITQUAKE_THREADS, else all cores)")
      ->type_name("N")
      ->check(whole_number(1, kMaxThreads));
}

// CLI11 would check the variable for every subcommand, also those without threads.
Result<unsigned> ThreadsOption::read() const {
  if (given) return *given;
  const char* variable = std::getenv("BITQUAKE_THREADS");
  if (variable == nullptr || *variable == '\0') {
    return std::max(1U, std::thread::hardware_concurrency());
  }
  const auto threads = parse_whole(variable);
  if (threads && *threads >= 1 && *threads <= kMaxThreads) return static_cast<unsigned>(*threads);
  return Error{Errc::usage, "BITQUAKE_THREADS=" + shell_word(variable),
               fmt::format("is not a number of threads, 1 to {}", kMaxThreads),
               "correct or unset it, or give -j", ""};
}

void BaseOption::add_to(CLI::App& app) {
  app.add_option("--base", given,
                 "where relative paths of the scenario start\n"
                 "(default: at the scenario file the campaign was run with)")
      ->type_name("DIR")
      ->check(not_empty());
}

std::optional<std::filesystem::path> BaseOption::read() const {
  if (given.empty()) return std::nullopt;
  return given;
}

CLI::Option* OutputOption::add_to(CLI::App& app, const std::string& doc) {
  auto* option = app.add_option("-o,--output", given, doc)->type_name("FILE")->check(not_empty());
  app.add_flag("-f,--force", force, "replace a file that exists");
  return option;
}

Result<std::filesystem::path> OutputOption::read() const {
  auto file = output_file(given, false);
  if (!file) return file;
  if (const auto failed = exists_already(*file, force)) return *failed;
  return file;
}

std::optional<Error> exists_already(const std::filesystem::path& file, bool force) {
  std::error_code ignored;
  if (force || !std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  return Error{Errc::usage, file.string(), "exists already",
               "choose another file with -o, or replace it with --force", ""};
}

CLI::Validator whole_number(std::uint64_t low, std::uint64_t high) {
  return CLI::Validator(
      [low, high](const std::string& text) {
        const auto number = parse_whole(text);
        if (number && *number >= low && *number <= high) return std::string();
        const bool open = high == std::numeric_limits<std::uint64_t>::max();
        return fmt::format(
            "expected a whole number {}, got '{}'",
            open ? fmt::format("of at least {}", low) : fmt::format("from {} to {}", low, high),
            text);
      },
      "");
}

CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& text) { return std::string(text.empty() ? "is empty" : ""); }, "");
}

std::string shell_word(const std::string& word) {
  constexpr auto kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string counted(std::uint64_t count, const std::string& noun) {
  return with_commas(count) + " " + noun + (count == 1 ? "" : "s");
}

Result<std::vector<std::int64_t>> parse_shape(const std::string& text) {
  std::vector<std::int64_t> shape;
  const char* at = text.data();
  const char* end = at + text.size();
  constexpr std::int64_t kMaxSize = 65536;  // as for model.input in a scenario
  while (true) {
    std::int64_t size = 0;
    const auto [rest, failed] = std::from_chars(at, end, size);
    if (failed != std::errc() || size < 1 || size > kMaxSize) break;
    shape.push_back(size);
    if (rest == end && shape.size() == 3) return shape;
    if (rest == end || *rest != 'x') break;
    at = rest + 1;
  }
  return Error{Errc::usage, "--input " + text, "is not a shape",
               "write channels, height and width, each 1 to 65536, such as --input 1x28x28", ""};
}

ExitCode report(const Error& error) {
  Error shown = error;
  shown.where = from_here(error.where);
  std::cerr << to_string(shown) << "\n";
  return exit_code(error.code);
}

Result<std::filesystem::path> output_file(const std::string& path, bool may_be_device) {
  std::error_code ignored;
  const auto type = std::filesystem::status(path, ignored).type();
  if (type == std::filesystem::file_type::directory) {
    return Error{Errc::usage, path, "is a directory", "name a file", ""};
  }
  const bool device =
      std::filesystem::exists(path, ignored) && type != std::filesystem::file_type::regular;
  if (device && !may_be_device) {
    return Error{Errc::usage, path, "is not a regular file", "name a file", ""};
  }
  // A pipe behind /dev/stdout has no path of its own.
  if (device || !std::filesystem::is_symlink(path, ignored)) return std::filesystem::path(path);
  return std::filesystem::weakly_canonical(path);
}

Result<std::monostate> write_output(const std::string& path, const std::string& text) {
  if (path.empty()) {
    std::cout << text;
    return std::monostate{};
  }
  const auto file = output_file(path, true);
  if (!file) return file.error();
  std::error_code ignored;
  if (std::filesystem::exists(*file, ignored) &&
      !std::filesystem::is_regular_file(*file, ignored)) {
    std::ofstream device(*file, std::ios::binary);
    device << text << std::flush;
    if (device) return std::monostate{};
    return Error{Errc::usage, path, "cannot be written", "choose another file", ""};
  }
  if (std::filesystem::is_regular_file(*file, ignored)) {
    // Tables and pictures are written anew; what a mistyped name hits is neither.
    constexpr std::size_t kBeginning = 8;
    std::string there(std::min(kBeginning, text.size()), '\0');
    std::ifstream(*file, std::ios::binary).read(there.data(), std::ssize(there));
    if (std::filesystem::file_size(*file, ignored) > 0 && !text.starts_with(there)) {
      return Error{Errc::usage, path, "exists, and is not such a file",
                   "choose another file, or remove it first", ""};
    }
  }
  try {
    write_text_durably(*file, text);
  } catch (const Exception& exception) {
    Error error = exception.error();
    error.code = Errc::usage;
    return error;
  }
  return std::monostate{};
}

}  // namespace bitquake::cli
