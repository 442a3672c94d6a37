#include "tests/cli/process.hpp"

#include "tests/base/temp_directory.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace bitquake::test {
namespace {

void require(int status, const char* action) {
  if (status != 0) throw std::runtime_error(std::string(action) + ": " + std::strerror(status));
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  const auto replaced = [&](const std::string& text) {
    return std::any_of(variables.begin(), variables.end(), [&](const std::string& variable) {
      return text.starts_with(variable.substr(0, variable.find('=') + 1));
    });
  };
  std::vector<std::string> all = variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!replaced(*entry)) all.emplace_back(*entry);
  }
  return all;
}

std::filesystem::path new_file() {
  std::string name = (std::filesystem::temp_directory_path() / "bitquake_cli_XXXXXX").string();
  const int descriptor = mkstemp(name.data());
  if (descriptor < 0) throw std::runtime_error("cannot make " + name);
  close(descriptor);
  return name;
}

}  // namespace

Process::Process(const std::filesystem::path& directory, const std::vector<std::string>& arguments,
                 const std::filesystem::path& stdout_file,
                 const std::vector<std::string>& variables, const std::string& program)
    : out_(stdout_file.empty() ? new_file() : stdout_file),
      err_(new_file()),
      owns_out_(stdout_file.empty()) {
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = environment_with(variables);
  posix_spawn_file_actions_t actions;
  require(posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
  require(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), "stdin");
  require(posix_spawn_file_actions_addopen(&actions, 1, out_.c_str(), O_WRONLY, 0), "stdout");
  require(posix_spawn_file_actions_addopen(&actions, 2, err_.c_str(), O_WRONLY, 0), "stderr");
  require(posix_spawn_file_actions_addchdir_np(&actions, directory.c_str()), "chdir");
  const int status = posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers(words).data(),
                                 pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  require(status, "posix_spawn");
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (owns_out_) std::filesystem::remove(out_, ignored);
  std::filesystem::remove(err_, ignored);
}

void Process::signal(int number) const {
  if (kill(pid_, number) != 0) throw std::runtime_error("kill failed");
}

std::string Process::err_so_far() const { return read_bytes(err_); }

Finished Process::wait() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) throw std::runtime_error("waitpid failed");
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, owns_out_ ? read_bytes(out_) : "",
          read_bytes(err_)};
}

Finished run_command(const std::filesystem::path& directory,
                     const std::vector<std::string>& arguments) {
  return Process(directory, arguments).wait();
}

std::vector<Finished> run_commands(const std::filesystem::path& directory,
                                   const std::vector<std::vector<std::string>>& lists) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<Finished> results;
  for (std::size_t first = 0; first < lists.size(); first += cores) {
    std::vector<std::unique_ptr<Process>> running;
    for (std::size_t i = first; i < std::min(first + cores, lists.size()); ++i) {
      running.push_back(std::make_unique<Process>(directory, lists[i]));
    }
    for (const auto& process : running) results.push_back(process->wait());
  }
  return results;
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> list;
  for (std::string word; stream >> word;) list.push_back(word);
  return list;
}

}  // namespace bitquake::test
