#include "results/manifest.hpp"

#include "suite/base/durable.hpp"

#include <nlohmann/json.hpp>

#include <ctime>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>
#include <sys/utsname.h>
#include <thread>

namespace bitquake::results {

namespace {

nlohmann::ordered_json audit_json(const Manifest::Audit& audit) {
  if (audit.state.empty()) return nullptr;
  return {{"state", audit.state}, {"trials", audit.trials}, {"differing", audit.differing}};
}

}  // namespace

void write_manifest(const std::filesystem::path& path, const Manifest& manifest) {
  using Json = nlohmann::ordered_json;
  Json inputs = Json::array();
  for (const Manifest::Input& input : manifest.inputs) {
    inputs.push_back({{"role", input.role}, {"file", input.file}, {"sha256", input.sha256}});
  }
  const Json json = {
      {"schema_version", kManifestVersion},
      {"status", manifest.status},
      {"started_utc", manifest.started_utc},
      {"ended_utc", manifest.ended_utc.empty() ? Json() : Json(manifest.ended_utc)},
      {"seconds", manifest.seconds},
      {"program",
       {{"version", manifest.version},
        {"commit", manifest.commit},
        {"compiler", manifest.compiler},
        {"flags", manifest.flags}}},
      {"host",
       {{"cpu", manifest.host_cpu}, {"cores", manifest.host_cores}, {"os", manifest.host_os}}},
      {"threads", manifest.threads},
      {"inner_threads", manifest.inner_threads},
      {"numeric_fingerprint", manifest.fingerprint},
      {"campaign", manifest.campaign},
      {"seed", manifest.seed},
      {"scenario_file", manifest.scenario_file},
      {"inputs", inputs},
      {"notices", manifest.notices},
      {"samples", manifest.samples},
      {"trials", manifest.trials},
      {"trials_done", manifest.trials_done},
      {"memory_budget_bytes", manifest.memory_budget_bytes},
      {"peak_memory_bytes", manifest.peak_memory_bytes},
      {"audit", audit_json(manifest.audit)},
  };
  write_text_durably(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

namespace {

using nlohmann::json;

std::uint64_t count(const json& object, const char* key) {
  const json& value = object.at(key);
  if (!value.is_number_unsigned())
    throw std::out_of_range("'" + std::string(key) + "' is no count");
  return value.get<std::uint64_t>();
}

Manifest from_json(const json& root) {
  Manifest manifest;
  manifest.status = root.at("status").get<std::string>();
  manifest.started_utc = root.at("started_utc").get<std::string>();
  if (!root.at("ended_utc").is_null()) manifest.ended_utc = root.at("ended_utc");
  manifest.fingerprint = root.at("numeric_fingerprint").get<std::map<std::string, std::string>>();
  manifest.campaign = root.at("campaign").get<std::string>();
  manifest.seed = count(root, "seed");
  manifest.scenario_file = root.at("scenario_file").get<std::string>();
  for (const json& input : root.at("inputs")) {
    manifest.inputs.push_back({input.at("role").get<std::string>(),
                               input.at("file").get<std::string>(),
                               input.at("sha256").get<std::string>()});
  }
  manifest.samples = count(root, "samples");
  manifest.trials = count(root, "trials");
  manifest.trials_done = count(root, "trials_done");
  manifest.threads = count(root, "threads");
  manifest.inner_threads = count(root, "inner_threads");
  manifest.seconds = root.at("seconds").get<double>();
  return manifest;
}

}  // namespace

Result<Manifest> read_manifest(const std::filesystem::path& path) {
  const auto text = read_text(path, Errc::results);
  if (!text) return text.error();
  const auto damaged = [&](const std::string& what) {
    return Error{Errc::results, path.string(), what,
                 "the file is damaged or of another version of Bitquake", ""};
  };
  try {
    const json root = json::parse(*text);
    const std::uint64_t version = count(root, "schema_version");
    if (version == kManifestVersion) return from_json(root);
    return damaged("has schema version " + std::to_string(version) + ", this program reads " +
                   std::to_string(kManifestVersion));
  } catch (const std::exception& error) {
    return damaged("is not the record of a run: " + std::string(error.what()));
  }
}

void describe_host(Manifest& manifest) {
  manifest.host_cores = std::thread::hardware_concurrency();
  utsname system{};
  if (uname(&system) == 0) {
    manifest.host_os = std::string(system.sysname) + " " + system.release + " " + system.machine;
  }
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.rfind("model name", 0) == 0) {
      manifest.host_cpu = line.substr(line.find(':') + 2);
      break;
    }
  }
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace bitquake::results
