//! The command line in Korean, for users with a Korean locale: commands, arguments, errors.

mod arguments;
mod commands;
mod errors;

use clap::{Arg, Command};
use seoham_model::Lang;

use arguments::{ARGUMENTS, Argument};
use commands::PAGES;
pub(crate) use errors::in_korean;

/// The layout of the help.
const LAYOUT: &str = "{before-help}{about-with-newline}
사용법: {usage}

{all-args}{after-help}";

/// The command line in `lang`.
pub(crate) fn in_language(mut command: Command, lang: Lang) -> Command {
    if lang == Lang::En {
        return command;
    }
    // Adds clap's own arguments and commands now, so that they are translated too.
    command.build();
    translated(command, "")
}

fn translated(command: Command, path: &str) -> Command {
    let mut command = command.help_template(LAYOUT).subcommand_help_heading("명령");
    if let Some(page) = PAGES.iter().find(|page| page.0 == path) {
        command = command.about(page.1).long_about(page.1);
        command = if page.2.is_empty() { command } else { command.after_help(page.2) };
    } else if path.split(' ').any(|name| name == "help") {
        command = command.about("명령의 도움말을 출력합니다").long_about("명령의 도움말을 출력합니다");
    }
    command = command.mut_args(|argument| in_korean_argument(argument, path));
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    command.mut_subcommands(|sub| {
        let path = below(sub.get_name());
        translated(sub, &path)
    })
}

fn in_korean_argument(argument: Arg, path: &str) -> Arg {
    let heading = if argument.is_positional() { "인자" } else { "옵션" };
    let argument = argument.help_heading(heading);
    let Some(Argument(.., help)) = ARGUMENTS.iter().find(|known| is_of(known, &argument, path)) else {
        return argument;
    };
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let takes_value = argument.get_action().takes_values();
    let help = if defaults.is_empty() || !takes_value || help.contains("기본값") {
        (*help).to_owned()
    } else {
        format!("{help} [기본값: {}]", defaults.join(", "))
    };
    argument.help(help.clone()).long_help(help).hide_default_value(true).hide_possible_values(true)
}

fn is_of(Argument(paths, id, _): &Argument, argument: &Arg, path: &str) -> bool {
    let below =
        |known: &&str| path.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    argument.get_id() == *id && (paths.is_empty() || paths.iter().any(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    fn is_korean(text: &str) -> bool {
        text.chars().any(|c| ('가'..='힣').contains(&c))
    }

    fn check(command: &mut Command, path: &str) {
        let help = command.render_long_help().to_string();
        for english in
            ["Usage:", "Options:", "Arguments:", "Commands:", "Print ", "[default", "Possible values"]
        {
            assert!(!help.contains(english), "{path}: {english} in {help}");
        }
        if !path.contains("help") {
            assert!(is_korean(&command.get_about().expect("described").to_string()), "{path}");
            assert!(PAGES.iter().any(|page| page.0 == path), "{path}");
            for argument in command.get_arguments() {
                let help = argument.get_help().expect("described").to_string();
                assert!(is_korean(&help), "{path} {}: {help}", argument.get_id());
            }
        }
        for sub in command.get_subcommands_mut() {
            let below = format!("{path} {}", sub.get_name());
            check(sub, below.trim());
        }
    }

    #[test]
    fn everything_is_in_korean() {
        check(&mut in_language(Cli::command(), Lang::Ko), "");
    }

    #[test]
    fn nothing_is_translated_that_is_not_there() {
        let mut command = Cli::command();
        command.build();
        for page in &PAGES {
            let mut found = &command;
            for name in page.0.split(' ').filter(|name| !name.is_empty()) {
                found = found.find_subcommand(name).unwrap_or_else(|| panic!("{}", page.0));
            }
        }
    }
}
