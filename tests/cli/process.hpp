#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace bitquake::test {

/// What a process left behind.
struct Finished {
  int exit_code = 0;  ///< -1: ended by a signal
  std::string out, err;
};

/// The built command with some arguments, running in a directory. stdin is empty.
class Process {
 public:
  /// @param stdout_file  receives stdout instead of Finished::out when not empty
  /// @param variables    "NAME=value", in place of the environment's variables of these names
  /// @param program      run instead of the built command
  Process(const std::filesystem::path& directory, const std::vector<std::string>& arguments,
          const std::filesystem::path& stdout_file = {},
          const std::vector<std::string>& variables = {},
          const std::string& program = BITQUAKE_COMMAND);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void signal(int number) const;
  /// What it has printed on stderr up to now.
  std::string err_so_far() const;
  Finished wait();

 private:
  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
  bool owns_out_;
};

/// Runs the command to its end.
Finished run_command(const std::filesystem::path& directory,
                     const std::vector<std::string>& arguments);

/// Runs it with each list of arguments, as many at a time as there are cores; results in order.
std::vector<Finished> run_commands(const std::filesystem::path& directory,
                                   const std::vector<std::vector<std::string>>& lists);

/// Words of a command line without quotes.
std::vector<std::string> words(const std::string& line);

}  // namespace bitquake::test
