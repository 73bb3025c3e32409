#include "panel/texts.h"

#include <cstdint>
#include <cstdio>

namespace hato::panel {

// Designated, so that each line can be checked against its name; -Wextra sees to it that none is left out.
const Texts english = {
    .language = "en",
    .other_language = "ja",
    .other_language_name = "日本語",
    .title = "Mail settings",
    .log_in = "Log in",
    .login = "Mail account",
    .password = "Password",
    .login_hint = "The name and the password that your mail program uses.",
    .log_out = "Log out",
    .login_wrong = "That account and password do not belong together.",
    .login_later = "Logging in is not possible at the moment. Please try again in a few minutes.",
    .login_again = "Please log in again.",
    .mailbox = "Mailbox",
    .used_of = "%1 of %2 used",
    .used = "%1 used",
    .messages = "messages: %1",
    .of_messages = "messages: %1 of %2",
    .use_unknown = "How full the mailbox is cannot be told at the moment.",
    .mailbox_full = "The mailbox is full: new mail is turned away. Please delete some.",
    .nearly_full = "The mailbox is nearly full.",
    .addresses = "Your addresses",
    .any_address = "anything@%1",
    .rules = "Rules",
    .no_rules = "No rules yet: all mail goes into your mailbox.",
    .add_rule = "Add an address",
    .main_rule = "Make a rule for %1",
    .change = "Change",
    .settings = "Settings",
    .change_password = "Change password",
    .everything_else = "every address without a rule",
    .to_mailbox = "into the mailbox",
    .to_folder = "into the folder %1",
    .forwards_to = "to %1",
    .closed = "closed",
    .discarded = "thrown away",
    .vacation = "vacation reply",
    .by_hand = "has lines that were written by hand",
    .broken = "This rule does not work: mail for it waits.",
    .new_rule = "New address",
    .address = "Address",
    .address_hint = "Letters, digits, and . _ - inside. “default” stands for every address without a rule.",
    .what_happens = "What happens to mail for this address",
    .deliver = "Deliver it",
    .keep = "Keep it in the mailbox",
    .folder = "Folder",
    .folder_hint = "Empty: the inbox.",
    .forward = "Forward it to",
    .forward_hint = "One address a line.",
    .refuse = "Closed: send it back",
    .refuse_text = "What the sender is told",
    .refuse_hint =
        "One line in English, for instance: This address is no longer in use. Other mail servers do not show "
        "other scripts; in their place they say that the address takes no mail.",
    .discard = "Throw it away",
    .discard_hint = "Nobody is told. There is no way to get such mail back.",
    .vacation_on = "Answer with a vacation reply",
    .vacation_subject = "Subject",
    .vacation_subject_hint = "Empty: “Auto:” and the subject of the mail.",
    .vacation_text = "Text",
    .vacation_hint = "Each sender gets it once a week, mailing lists never.",
    .from = "First day",
    .until = "Last day",
    .dates_hint = "Empty: at once, and until you switch it off.",
    .other_lines = "Lines written by hand, which stay as they are",
    .save = "Save",
    .cancel = "Cancel",
    .remove = "Delete",
    .remove_question = "Delete the rule for %1?",
    .remove_hint = "Mail for it is then treated like mail for any address without a rule.",
    .saved = "Saved: %1",
    .removed = "Deleted: %1",
    .was_not_there = "There was no such rule: %1",
    .exists_already = "This address has a rule already. Here it is; what you just entered was not saved.",
    .password_now = "Password now",
    .password_new = "New password",
    .password_again = "New password again",
    .password_hint = "At least 8 characters. Your mail program must be told the new one, too.",
    .password_changed = "The password is changed. Remember to change it in your mail program.",
    .passwords_differ = "The two new passwords are not the same.",
    .password_same = "The new password is the one you have.",
    .password_wrong = "The password that you have now is not right.",
    .trouble = "Something went wrong on the server; nothing was changed. Please try again in a few minutes.",
    .form_old =
        "This page had been open for too long, or you logged in again since. Nothing was changed: please "
        "try once more.",
    .bad_address = "This cannot be the first part of an address.",
};

const Texts japanese = {
    .language = "ja",
    .other_language = "en",
    .other_language_name = "English",
    .title = "メール設定",
    .log_in = "ログイン",
    .login = "メールアカウント",
    .password = "パスワード",
    .login_hint = "メールソフトに設定しているアカウント名とパスワードです。",
    .log_out = "ログアウト",
    .login_wrong = "アカウント名またはパスワードが違います。",
    .login_later = "現在ログインできません。数分後にもう一度お試しください。",
    .login_again = "もう一度ログインしてください。",
    .mailbox = "メールボックス",
    .used_of = "%2 中 %1 を使用",
    .used = "%1 を使用",
    .messages = "%1 通",
    .of_messages = "%2 通中 %1 通",
    .use_unknown = "現在、使用量を表示できません。",
    .mailbox_full =
        "メールボックスがいっぱいのため、新しいメールを受け取れません。不要なメールを削除してください。",
    .nearly_full = "メールボックスの空きが残りわずかです。",
    .addresses = "お使いになれるアドレス",
    .any_address = "（任意の名前）@%1",
    .rules = "転送・自動返信の設定",
    .no_rules = "まだ設定はありません。すべてのメールがメールボックスに届きます。",
    .add_rule = "アドレスを追加",
    .main_rule = "%1 の設定を追加",
    .change = "変更",
    .settings = "その他の設定",
    .change_password = "パスワードを変更",
    .everything_else = "設定のないすべてのアドレス",
    .to_mailbox = "メールボックスに保存",
    .to_folder = "フォルダー「%1」に保存",
    .forwards_to = "%1 に転送",
    .closed = "受信停止",
    .discarded = "破棄",
    .vacation = "自動返信",
    .by_hand = "手作業で書かれた行があります",
    .broken = "この設定は正しくありません。届いたメールは保留されています。",
    .new_rule = "アドレスの追加",
    .address = "アドレス",
    .address_hint = "英数字と . _ - が使えます。「default」は、設定のないすべてのアドレスを表します。",
    .what_happens = "このアドレスに届いたメールの扱い",
    .deliver = "受け取る",
    .keep = "メールボックスに保存する",
    .folder = "フォルダー",
    .folder_hint = "空欄のときは受信箱に入ります。",
    .forward = "転送先",
    .forward_hint = "1 行に 1 アドレスずつ入力してください。",
    .refuse = "受信を停止し、送信者に送り返す",
    .refuse_text = "送信者に知らせる文",
    .refuse_hint =
        "半角英数字 1 行で入力してください。例：This address is no longer in "
        "use.（日本語は送信者側に表示されないため、定型の英文になります。）",
    .discard = "破棄する",
    .discard_hint = "送信者には何も知らされず、破棄したメールは元に戻せません。",
    .vacation_on = "自動返信する",
    .vacation_subject = "件名",
    .vacation_subject_hint = "空欄のときは「Auto:」と受信メールの件名になります。",
    .vacation_text = "本文",
    .vacation_hint = "同じ送信者には週に 1 回だけ返信します。メーリングリストには返信しません。",
    .from = "開始日",
    .until = "終了日",
    .dates_hint = "空欄のときは、すぐに始まり、止めるまで続きます。",
    .other_lines = "手作業で書かれた行（そのまま残します）",
    .save = "保存",
    .cancel = "やめる",
    .remove = "削除",
    .remove_question = "%1 の設定を削除しますか？",
    .remove_hint = "削除すると、設定のないアドレスと同じ扱いになります。",
    .saved = "保存しました：%1",
    .removed = "削除しました：%1",
    .was_not_there = "設定はありませんでした：%1",
    .exists_already =
        "このアドレスにはすでに設定があり、下に表示しています。いま入力された内容は保存していません。",
    .password_now = "現在のパスワード",
    .password_new = "新しいパスワード",
    .password_again = "新しいパスワード（確認）",
    .password_hint = "8 文字以上で入力してください。変更後はメールソフトの設定も変更が必要です。",
    .password_changed = "パスワードを変更しました。メールソフトの設定も変更してください。",
    .passwords_differ = "新しいパスワードが確認用の入力と一致しません。",
    .password_same = "新しいパスワードが現在のパスワードと同じです。",
    .password_wrong = "現在のパスワードが違います。",
    .trouble = "サーバーで問題が起きたため、何も変更されていません。数分後にもう一度お試しください。",
    .form_old =
        "ページを長時間開いていたか、ログインし直したため、変更は行われていません。もう一度お試しください。",
    .bad_address = "アドレスの名前として使えない文字があります。",
};

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 999.5 && unit + 1 < std::size(units); ++unit) amount /= 1000;
  char text[32];
  snprintf(text, sizeof text, unit == 0 || amount >= 99.95 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text;
}

std::string filled(std::string_view text, std::string_view first, std::string_view second) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 1 < text.size() && (text[at + 1] == '1' || text[at + 1] == '2'))
      out += text[++at] == '1' ? first : second;
    else
      out += text[at];
  }
  return out;
}

}  // namespace hato::panel
