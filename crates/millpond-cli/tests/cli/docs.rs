//! The documentation says what the program does.

use std::{fs, path::Path};

use millpond_cli::EXIT_CODES;

use crate::arguments::leaves;

fn cli_document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_command_and_option_is_documented() {
    let document = cli_document();
    for (words, command) in leaves() {
        let name = words.join(" ");
        assert!(document.contains(&format!("`millpond {name}")), "docs/cli.md lacks `millpond {name}`");
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            let option = format!("--{option}");
            assert!(document.contains(&option), "docs/cli.md lacks {option} of `millpond {name}`");
        }
    }
}

#[test]
fn the_table_of_exit_codes_is_the_one_in_the_program() {
    let document = cli_document();
    for (code, kind, meaning) in EXIT_CODES {
        let kind = if kind.is_empty() { "–".to_owned() } else { format!("`{kind}`") };
        let row = format!("| {code} | {kind} | {meaning} |");
        assert!(document.contains(&row), "docs/cli.md lacks the row {row}");
    }
    assert_eq!(
        document.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()).count(),
        EXIT_CODES.len()
    );
}
