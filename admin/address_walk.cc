#include "admin/address_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/mail/address.h"
#include "lib/mail/closed_address.h"
#include "lib/store/orders.h"
#include "lib/store/routing.h"

namespace hato {

namespace {

using Kind = DotfileInstruction::Kind;

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::maildir:
      return "maildir";
    case Kind::mbox:
      return "mbox";
    case Kind::forward:
      return "forward";
    case Kind::program:
    case Kind::suite_program:
      return "program";
    case Kind::comment:
    case Kind::list:
    case Kind::reserved:
      break;
  }
  return nullptr;
}

// qmail-local's word on the home; "": it is as it should be, as far as we can see.
std::string home_trouble(const std::string& home) {
  struct stat status {};
  if (stat(home.c_str(), &status) != 0) {
    if (errno == EACCES) return "";
    return "Unable to switch to " + home + ": " + errno_text(errno) + ". (#4.3.0)";
  }
  switch (home_state(status.st_mode)) {
    case HomeState::fine:
      return "";
    case HomeState::writable:
      return "Uh-oh: home directory is writable. (#4.7.0)";
    case HomeState::sticky:
      return "Home directory is sticky: user is editing his .qmail file. (#4.2.1)";
  }
  return "";
}

}  // namespace

std::vector<WalkStep> AddressWalk::follow(const std::string& address) {
  router_ = read_router(control_);
  Search search;
  visit(search, address, "");
  return std::move(search.steps);
}

bool AddressWalk::leads_to(const std::string& target, const std::string& login, const std::string& file) {
  router_ = read_router(control_);
  Search search;
  search.login = login;
  search.file = file;
  visit(search, target, "");
  return search.found;
}

void AddressWalk::visit(Search& search, const std::string& address, const std::string& by) {
  if (search.found || search.steps.size() >= max_walk_steps) return;
  WalkStep step;
  step.address = address;
  step.by = by;
  const Route route = router_->route(address);
  if (route.channel == Channel::remote) {
    step.where = WalkStep::Where::remote;
    search.steps.push_back(std::move(step));
    return;
  }
  look_at_local(search, std::move(step), route);
}

void AddressWalk::look_at_local(Search& search, WalkStep step, const Route& route) {
  const auto end_here = [&](std::string note) {
    step.note = std::move(note);
    search.steps.push_back(std::move(step));
  };
  step.where = WalkStep::Where::local;
  Resolution resolution = recipients_.find(local_part(route.recipient), domain_part(route.recipient));
  if (const auto* asked = std::get_if<AskGetpw>(&resolution)) {
    const std::optional<Assignment> answer = getpw_ ? getpw_(*asked) : std::nullopt;
    if (!answer) {
      step.where = WalkStep::Where::unknown;
      return end_here("perhaps a user of the system: ask as root");
    }
    resolution = recipients_.answered(*asked, *answer);
  }
  if (std::holds_alternative<NoMailbox>(resolution))
    return end_here("Sorry, no mailbox here by that name. (#5.1.1)");
  const LocalUser& user = std::get<LocalUser>(resolution);
  step.account = user.to.user;
  step.uid = user.to.uid;
  OrdersQuestion question{user.to.user,
                          user.to.home,
                          user.to.dash,
                          user.to.ext,
                          default_delivery_of(user, "./Maildir/"),
                          user.any,
                          user.account && user.account->programs,
                          OrdersReader{user.to.uid, user.to.gid}};
  if (const std::string trouble = home_trouble(user.to.home); !trouble.empty()) return end_here(trouble);
  std::optional<Orders> orders;
  Fd home;
  try {
    home = try_open(user.to.home, O_PATH | O_DIRECTORY);
    // Below control/dotdir it is not needed; else there is nothing to say.
    if (!home && (user.to.user == conf::user_alias || !control_.line("dotdir")))
      return end_here("its home cannot be looked into: ask as root");
    const DotfilePlace place(control_, question, home.get());
    orders = place.orders(question, conf::break_chars);
  } catch (const TempError& e) {
    return end_here(e.text());
  }
  // A file that is about to be made may come before the one that is there.
  if (user.to.user == search.login)
    for (const DotfileName& name : dotfile_names(question.dash, question.ext, conf::break_chars)) {
      if (name.name == search.file) search.found = true;
      if (orders && name.name == orders->file) break;
    }
  if (search.found) return;
  if (!orders) return end_here("Sorry, no mailbox here by that name. (#5.1.1)");
  step.file = orders->file;
  const std::string node = user.to.user + "/" + orders->file;
  if (!orders->file.empty() && std::find(search.way.begin(), search.way.end(), node) != search.way.end()) {
    step.loop = true;
    return end_here("a loop: this message has been here");
  }
  if (!search.file.empty() && !search.seen.insert(node).second) return;
  const Dotfile dotfile = orders->parse();
  const std::optional<std::string> words = closing_words(dotfile);
  if (words)
    step.note = "closed: qmail-rcptd has it refused by \"" + closed_reply(*words) + "\"";
  else if (dotfile.problem)
    step.note = *dotfile.problem;
  std::vector<std::string> forwards;
  for (const DotfileInstruction& instruction : dotfile.instructions) {
    const char* name = kind_name(instruction.kind);
    if (name == nullptr) continue;
    if (step.instructions.size() < max_step_instructions)
      step.instructions.push_back({name, std::string(instruction.text)});
    if (instruction.kind == Kind::forward && !words) forwards.emplace_back(instruction.text);
  }
  const std::string address = step.address;
  search.steps.push_back(std::move(step));
  if (dotfile.problem) return;
  search.way.push_back(node);
  for (const std::string& forward : forwards) visit(search, forward, address);
  search.way.pop_back();
}

}  // namespace hato
