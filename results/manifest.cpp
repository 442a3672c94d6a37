#include "results/manifest.hpp"

#include "suite/base/durable.hpp"

#include <nlohmann/json.hpp>

#include <ctime>
#include <fstream>
#include <sys/utsname.h>
#include <thread>

namespace bitquake::results {

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
  };
  write_text_durably(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
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
