#include "lib/base/queue_exit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace hato {

std::string queue_exit_text(int code, const std::string& custom) {
  switch (code) {
    case 0:
      return "";
    case 11:
      return "Denvelope address too long for qq (#5.1.3)";
    case 31:
      return "Dmail server permanently rejected message (#5.3.0)";
    case 51:
      return "Zqq out of memory (#4.3.0)";
    case 52:
      return "Zqq timeout (#4.3.0)";
    case 53:
      return "Zqq write error or disk full (#4.3.0)";
    case 54:
      return "Zqq read error (#4.3.0)";
    case 55:
      return "Zqq unable to read configuration (#4.3.0)";
    case 56:
      return "Zqq trouble making network connection (#4.3.0)";
    case 61:
    case 62:
    case 63:
    case 64:
    case 65:
    case 66:
      return "Zqq trouble in home directory (#4.3.0)";
    case 71:
      return "Zmail server is busy, please try again later (#4.3.2)";
    case 72:
      return "Zqq the queue's gate does not answer (#4.3.0)";
    case 73:
      return "Zqq no permission to use the queue's gate (#4.3.0)";
    case 74:
      return "Zqq communication failed, the message may be queued (#4.3.0)";
    case 81:
      return "Zqq internal bug (#4.3.0)";
    case 82:
      if (custom.size() > 1 && (custom[0] == 'D' || custom[0] == 'Z')) return custom;
      return custom.empty() ? "Zqq temporary problem (#4.3.0)" : "Z" + custom;
    case 91:
      return "Zqq internal bug: envelope format (#4.3.0)";
    case 115:
      return "Dmail server permanently rejected message (#5.3.0)";
    case 120:
      return "Zunable to exec qq (#4.3.0)";
    default:
      // qmail.c: 11 to 40 are permanent, all else is temporary
      return code >= 11 && code <= 40 ? "Dqq permanent problem (#5.3.0)" : "Zqq temporary problem (#4.3.0)";
  }
}

bool tell_queue_text(const std::string& text) {
  constexpr int fd = 6;
  constexpr std::size_t limit = 255;
  struct stat st;
  if (text.empty() || fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) return false;
  return write(fd, text.data(), std::min(text.size(), limit)) > 0;
}

}  // namespace hato
