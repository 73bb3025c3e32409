// qmail-local [-nN] USER HOMEDIR LOCAL DASH EXT DOMAIN SENDER DEFAULTDELIVERY: delivers the message on
// descriptor 0 as the recipient's dot-file says. man qmail-local, dot-qmail, qmail-command.
//
// Started by qmail-lspawn it may be an agent (lib/base/agent.h): it stays and delivers further messages,
// still to the same user and as the same user.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "lib/base/agent.h"
#include "lib/base/conf.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/mail/dotfile.h"
#include "lib/mail/dsn.h"
#include "lib/mail/envelope.h"
#include "lib/mail/suite_command.h"
#include "lib/net/submit.h"
#include "lib/store/control.h"
#include "lib/store/maildir.h"
#include "lib/store/mbox.h"
#include "lib/store/message_file.h"
#include "lib/store/orders.h"
#include "local/delivery.h"
#include "local/forward.h"
#include "local/mailbox_room.h"
#include "local/output.h"
#include "local/program.h"

using namespace hato;

namespace {

using Kind = DotfileInstruction::Kind;

constexpr int message_fd = 0;
constexpr int error_fd = 2;
constexpr int exit_done = 0, exit_temporary = 111;

void go_home(const Delivery& delivery) {
  if (chdir(delivery.home.c_str()) != 0)
    throw TempError("Unable to switch to " + delivery.home + ": " + errno_text(errno) + ". (#4.3.0)");
  struct stat status;
  if (stat(".", &status) != 0)
    throw TempError("Unable to stat home directory: " + errno_text(errno) + ". (#4.3.0)");
  switch (home_state(status.st_mode)) {
    case HomeState::fine:
      return;
    case HomeState::writable:
      throw TempError("Uh-oh: home directory is writable. (#4.7.0)");
    case HomeState::sticky:
      if (!delivery.describe_only)
        throw TempError("Home directory is sticky: user is editing his .qmail file. (#4.2.1)");
      log_line(2, "Warning: home directory is sticky.");
  }
}

MessageFile open_message(int fd) {
  try {
    return MessageFile(fd);
  } catch (const SystemError&) {
    throw TempError("Unable to rewind message. (#4.3.0)");
  }
}

[[noreturn]] void cannot_read_message(const SystemError& e) {
  throw TempError("Unable to read message: " + errno_text(e.error()) + ". (#4.3.0)");
}

OrdersQuestion question_of(const Delivery& delivery) {
  return {delivery.user, delivery.home,    delivery.dash, delivery.ext, delivery.default_delivery,
          delivery.any,  delivery.programs};
}

Orders orders_at(const DotfilePlace& place, const OrdersQuestion& question) {
  std::optional<Orders> orders = place.orders(question, conf::break_chars);
  if (!orders) throw PermError("Sorry, no mailbox here by that name. (#5.1.1)");
  return *std::move(orders);
}

bool is_program(Kind kind) {
  return kind == Kind::program || kind == Kind::suite_program;
}

// "did F+W+P": how many file, forward and program instructions there were. qmail-send puts it into its log.
struct Counts {
  unsigned files = 0, forwards = 0, programs = 0;
  void add(Kind kind) {
    files += kind == Kind::mbox || kind == Kind::maildir;
    forwards += kind == Kind::forward;
    programs += is_program(kind);
  }
  std::string report() const {
    return "did " + std::to_string(files) + "+" + std::to_string(forwards) + "+" + std::to_string(programs) +
           "\n";
  }
};

void describe(const Dotfile& dotfile, Output& output) {
  Counts counts;
  std::string text;
  for (const DotfileInstruction& instruction : dotfile.instructions) {
    counts.add(instruction.kind);
    const char* word = instruction.kind == Kind::maildir   ? "maildir "
                       : instruction.kind == Kind::mbox    ? "mbox "
                       : is_program(instruction.kind)      ? "program "
                       : instruction.kind == Kind::forward ? "forward "
                                                           : nullptr;
    if (word != nullptr) text += word + std::string(instruction.text) + "\n";
  }
  if (!dotfile.problem) text += counts.report();
  output.say(Output::To::out, text);
  if (dotfile.problem) throw TempError(*dotfile.problem);
}

// One delivery under way.
class Deliverer {
 public:
  Deliverer(const Delivery& delivery, MessageFile& message, Output& output, const DotfilePlace& place,
            const Orders& orders)
      : delivery_(delivery),
        message_(message),
        output_(output),
        place_(place),
        orders_(orders),
        head_(delivery.return_path() + delivery.delivered_to()) {}

  // Follows the instructions in turn, forwards last.
  void follow(const Dotfile& dotfile);

 private:
  void require_allowed(const std::string& name, bool maildir) const;
  void maildir(const std::string& name);
  void mbox(const std::string& name);
  // False: the program asked to ignore the rest of the dot-file.
  bool program(const std::vector<std::string>& words);
  void forward(const std::vector<std::string_view>& recipients, bool nothing_else);
  // What programs and the queue need and a plain Maildir delivery does not.
  void prepare_others();

  const Delivery& delivery_;
  MessageFile& message_;
  Output& output_;
  const DotfilePlace& place_;
  const Orders& orders_;
  std::string head_;  // the lines in front of a message in a file
  std::optional<std::string> new_sender_;
  std::optional<ProgramRunner> programs_;
  std::uint32_t qp_ = 0;
  bool dsn_passed_on_ = false;
};

// The parser has looked at the name; this looks at what is there.
void Deliverer::require_allowed(const std::string& name, bool maildir) const {
  if (!orders_.confinement || name == orders_.confinement->mailbox) return;
  if (const std::optional<std::string_view> path = path_below_home(name, delivery_.home))
    require_below_home(AT_FDCWD, *path, maildir);
}

void Deliverer::maildir(const std::string& name) {
  require_allowed(name, true);
  if (orders_.confinement) make_missing_folder(name);  // a panel can name one, but not make it
  std::optional<MailboxRoom> room;
  if (delivery_.account) {
    require_room_in_contract(*delivery_.account, delivery_, message_);
    room.emplace(*delivery_.account, delivery_, message_, name);
  }
  try {
    deliver_to_maildir(name, head_, message_);
  } catch (const MaildirMissing& e) {
    throw TempError("Unable to chdir to maildir. (#4.2.1)\n" + e.text());
  } catch (const TimeoutError&) {
    throw TempError("Timeout on maildir delivery. (#4.3.0)");
  } catch (const MessageReadError& e) {
    throw TempError("Unable to read message. (#4.3.0)\n" + e.text());
  } catch (const SystemError& e) {
    if (e.error() == EDQUOT) refuse_full_mailbox(message_);  // the file system's own quota
    throw TempError("Temporary error on maildir delivery. (#4.3.0)\n" + e.text());
  } catch (const TempError& e) {
    throw TempError("Temporary error on maildir delivery. (#4.3.0)\n" + e.text());
  }
  if (room) room->delivered(head_.size() + static_cast<std::uint64_t>(message_.size()));
}

void Deliverer::mbox(const std::string& name) {
  require_allowed(name, false);
  if (delivery_.account) require_room_in_contract(*delivery_.account, delivery_, message_);
  try {
    deliver_to_mbox(name, delivery_.from_line() + head_, message_);
  } catch (const MboxMissing& e) {
    throw TempError("Unable to open " + name + ": " + errno_text(e.error()) + ". (#4.2.1)");
  } catch (const TimeoutError&) {
    throw TempError("File has been locked for 30 seconds straight. (#4.3.0)");
  } catch (const MessageReadError& e) {
    cannot_read_message(e);
  } catch (const SystemError& e) {
    if (e.error() == EDQUOT) refuse_full_mailbox(message_);
    throw TempError("Unable to write " + name + ": " + errno_text(e.error()) + ". (#4.3.0)");
  }
}

bool Deliverer::program(const std::vector<std::string>& words) {
  prepare_others();
  if (!programs_) programs_.emplace(message_, program_limits(), output_);
  switch (programs_->run(words)) {
    case ProgramVerdict::delivered:
      return true;
    case ProgramVerdict::delivered_stop:
      return false;
    case ProgramVerdict::hard:
      throw PermError("");  // the program has said why
    case ProgramVerdict::soft:
      throw TempError("");
  }
  return true;
}

void Deliverer::forward(const std::vector<std::string_view>& recipients, bool nothing_else) {
  prepare_others();
  const bool same_sender = *new_sender_ == delivery_.sender;
  const bool only_copy = nothing_else && recipients.size() == 1;
  const std::string params =
      forwarded_recipient_params(env_or(env_recipient_params, ""), same_sender, only_copy);
  const std::string message_params = forwarded_message_params(env_or(env_message_params, ""), same_sender);
  dsn_passed_on_ = !queue_program() && recipient_dsn(params).notify.success;
  try {
    qp_ =
        forward_message(message_, delivery_.delivered_to(), *new_sender_, recipients, message_params, params);
  } catch (const MessageReadError& e) {
    cannot_read_message(e);
  }
}

void Deliverer::prepare_others() {
  if (new_sender_) return;
  const ListOwner owner =
      delivery_.keeps_sender() ? ListOwner::none : place_.list_owner(delivery_.dash, delivery_.ext);
  new_sender_ = delivery_.new_sender(owner);
  set_delivery_environment(delivery_, *new_sender_, orders_.default_part);
  ensure_standard_fds();
  ignore_sigpipe();
}

void Deliverer::follow(const Dotfile& dotfile) {
  Counts counts;
  std::vector<std::string_view> recipients;
  bool go_on = true;
  for (const DotfileInstruction& instruction : dotfile.instructions) {
    counts.add(instruction.kind);
    switch (instruction.kind) {
      case Kind::maildir:
        maildir(std::string(instruction.text));
        break;
      case Kind::mbox:
        mbox(std::string(instruction.text));
        break;
      case Kind::program:
        go_on = program(shell_command(instruction.text));
        break;
      case Kind::suite_program:
        go_on = program(*parse_suite_command(instruction.text));
        break;
      case Kind::forward:
        recipients.push_back(instruction.text);
        break;
      case Kind::comment:
      case Kind::list:
      case Kind::reserved:
        break;
    }
    if (!go_on) break;
  }
  if (go_on && dotfile.problem) throw TempError(*dotfile.problem);
  if (!recipients.empty()) forward(recipients, counts.files + counts.programs == 0);
  std::string said = counts.report();
  if (qp_ != 0) said += "qp " + std::to_string(qp_) + "\n";
  if (dsn_passed_on_) said += dsn_passed_on;
  output_.say(Output::To::out, said);  // it is done, whether anybody hears of it or not
}

// A file that is wrong somewhere is refused before anything is delivered, or each retry would deliver its
// good lines again. Behind a program line it must wait: the program may ask to ignore the rest.
void refuse_broken(const Dotfile& dotfile) {
  if (!dotfile.problem) return;
  for (const DotfileInstruction& instruction : dotfile.instructions)
    if (is_program(instruction.kind)) return;
  throw TempError(*dotfile.problem);
}

void deliver(const Delivery& delivery, int from, Output& output) {
  go_home(delivery);
  const OrdersQuestion question = question_of(delivery);
  if (delivery.describe_only) {
    describe(orders_at(DotfilePlace(Control(), question, AT_FDCWD), question).parse(), output);
    return;
  }
  MessageFile message = open_message(from);
  try {
    if (message.header_has_line(delivery.delivered_to()))
      throw PermError("This message is looping: it already has my Delivered-To line. (#5.4.6)");
  } catch (const MessageReadError& e) {
    cannot_read_message(e);
  }
  const DotfilePlace place(Control(), question, AT_FDCWD);
  const Orders orders = orders_at(place, question);
  const Dotfile dotfile = orders.parse();
  refuse_broken(dotfile);
  Deliverer(delivery, message, output, place, orders).follow(dotfile);
}

// The report goes to the sender or into the log word for word, so it does not begin with the program's name.
void report(const std::string& text, Output& output) {
  constexpr std::size_t line_limit = 4000;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    output.say(Output::To::error, log_safe(std::string_view(text).substr(at, end - at), line_limit) + "\n");
    at = end + 1;
  }
}

// One delivery, from its arguments to its exit code. Nothing that it does to this process outlives it but
// the working directory.
int perform(int argc, char** argv, int from, Output& output) {
  try {
    const std::optional<Delivery> delivery = parse_delivery(argc, argv);
    if (!delivery)
      throw PermError(
          "qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender "
          "defaultdelivery");
    deliver(*delivery, from, output);
    return exit_done;
  } catch (const SystemError& e) {
    report(e.text() + ". (#4.3.0)", output);
    return e.exit_code();
  } catch (const Error& e) {
    report(e.text(), output);
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    report("Out of memory. (#4.3.0)", output);
    return exit_temporary;
  } catch (const std::exception& e) {
    report(std::string("Unexpected failure: ") + e.what() + ". (#4.3.0)", output);
    return exit_temporary;
  }
}

// An agent that is not in order, whatever the reason, is not to be used again.
bool tell(AgentSeat& seat, int code, const std::string& text) {
  const bool stays = seat.more() && code != exit_temporary;
  return seat.report({stays, HostSays::nothing, static_cast<std::uint8_t>(code), text}) && stays;
}

// An agent's first delivery, and those that it is given.
void serve(AgentSeat& seat, int argc, char** argv) {
  std::string text;
  Output output(text);
  const int code = perform(argc, argv, message_fd, output);
  dup2(error_fd, message_fd);  // closes the message, whose lock says that a delivery is under way
  bool stays = tell(seat, code, text);
  while (stays) {
    if (chdir("/") != 0) return;  // nothing of the user's is held while there is nothing to do
    std::optional<AgentSeat::Job> job = seat.next();
    if (!job) return;
    std::vector<char*> args{argv[0]};
    for (std::string& arg : job->args) args.push_back(arg.data());
    args.push_back(nullptr);
    text.clear();
    const int its_code = perform(static_cast<int>(args.size()) - 1, args.data(), job->message.get(), output);
    job->message.reset();
    stays = tell(seat, its_code, text);
  }
}

// A program in the queue's place shares descriptor 2 with us, and what it says there, perhaps later, is for
// one delivery: with such a program there are no agents.
std::optional<AgentSeat> take_seat() {
  std::optional<AgentSeat> seat = AgentSeat::taken(std::string(conf::home) + "/bin/qmail-local");
  if (seat && queue_program()) seat.reset();
  return seat;
}

}  // namespace

int main(int argc, char** argv) {
  umask(077);
  try {
    if (std::optional<AgentSeat> seat = take_seat()) {
      serve(*seat, argc, argv);
      return exit_done;
    }
  } catch (const std::exception& e) {
    // Between two deliveries, or with a report on its way: qmail-lspawn sees the end of this process.
    log_line(error_fd, std::string("Unexpected failure: ") + e.what() + ". (#4.3.0)");
    return exit_temporary;
  }
  Output output;
  return perform(argc, argv, message_fd, output);
}
