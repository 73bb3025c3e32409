#include "qmail-send/delivery_report.h"

#include <sys/wait.h>

#include "qmail-send/getpw.h"

namespace hato {

namespace {

constexpr int signal_exit = -1;

int exit_code(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : signal_exit;
}

std::string until_nul(std::string_view text) {
  return std::string(text.substr(0, text.find('\0')));
}

// Cuts one report (up to its NUL) off the front; false when there is none.
bool take_report(std::string_view& rest, std::string_view& report) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  report = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

bool is_message_report(std::string_view report) {
  return !report.empty() && (report[0] == 'K' || report[0] == 'Z' || report[0] == 'D');
}

// Better is greater, as in "no worse than".
int rank(char status) {
  return status == 'K' ? 1 : status == 'Z' ? 0 : -1;
}

}  // namespace

Verdict digest_getpw_failure(int wait_status) {
  switch (exit_code(wait_status)) {
    case signal_exit:
      return {'Z', "qmail-getpw crashed. (#4.3.0)\n"};
    case getpw_home:
      return {'Z', "Unable to look at the user's home directory. (#4.3.0)\n"};
    case getpw_no_alias:
      return {'Z', "Unable to find alias user!\n"};
    case getpw_system:
      return {'Z', "The account database does not answer. (#4.3.0)\n"};
    default:
      return {'Z', "Unable to run qmail-getpw. (#4.3.0)\n"};
  }
}

Verdict digest_local(int wait_status, std::string_view output) {
  switch (exit_code(wait_status)) {
    case signal_exit:
      return {'Z', "qmail-local crashed.\n"};
    case 0:
      return {'K', until_nul(output)};
    case 71:
    case 74:
    case 75:
    case 111:
      return {'Z', until_nul(output)};
    case 112:
      return {'Z', "Internal qmail-lspawn bug.\n"};
    case 113:
      return {'Z', "Not allowed to perform deliveries as root.\n"};
    case 115:
      return {'Z', "NFS failure in qmail-local.\n"};
    case 116:
      return {'Z', "Unable to find alias user!\n"};
    case 117:
      return {'Z', "Trouble reading users/cdb in qmail-lspawn.\n"};
    case 118:
      return {'Z', "Temporary failure in qmail-lspawn.\n"};
    case 119:
      return {'Z', "Out of memory in qmail-lspawn.\n"};
    case 120:
    case 126:
    case 127:
      return {'Z', "Unable to run qmail-local.\n"};
    case 121:
      return {'Z', "Unable to run qmail-getpw.\n"};
    default:
      return {'D', until_nul(output)};
  }
}

Verdict digest_remote(int wait_status, std::string_view output) {
  switch (exit_code(wait_status)) {
    case signal_exit:
      return {'Z', "qmail-remote crashed.\n"};
    case 0:
      break;
    case 100:
      return {'D', "Unable to run qmail-remote.\n"};
    default:
      return {'Z', "Unable to run qmail-remote.\n"};
  }
  if (output.empty()) return {'Z', "qmail-remote produced no output.\n"};

  std::string_view rest = output, recipient, message;
  take_report(rest, recipient);
  message = recipient;  // qmail-remote may give up before any recipient report
  const bool only_message = is_message_report(recipient);
  while (!is_message_report(message) && take_report(rest, message)) continue;
  if (!is_message_report(message)) return {'Z', "qmail-remote's report is unintelligible. (#4.3.0)\n"};

  char status = message[0];
  if (recipient.starts_with('s')) status = 'Z';
  if (recipient.starts_with('h')) status = 'D';
  std::string text(recipient.empty() ? recipient : recipient.substr(1));
  if (!only_message && rank(message[0]) <= rank(status)) text += message.substr(1);
  return {status, std::move(text)};
}

}  // namespace hato
