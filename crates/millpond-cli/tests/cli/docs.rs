//! The documentation says what the program does.

use std::{env, fs, path::Path, process::Command};

use millpond_cli::EXIT_CODES;

use crate::{arguments::leaves, bench::Bench};

fn cli_document() -> String {
    document("docs/cli.md")
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
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

#[test]
fn the_shell_in_the_readme_runs() {
    let readme = document("README.md");
    let (_, script) = readme.split_once("### Shell").expect("the section");
    let (_, script) = script.split_once("```sh\n").expect("a script");
    let (script, _) = script.split_once("```").expect("its end");
    assert!(script.lines().count() > 5, "{script}");
    let bench = Bench::processes();
    let program = Path::new(env!("CARGO_BIN_EXE_millpond")).parent().expect("its directory");
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    let output =
        shell.args(["-e", "-c", script]).env("PATH", path).env("MILLPOND_HOME", bench.home()).output();
    let output = output.expect("a shell");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\nit works"), "{output:?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for name in ["README.md", "docs/cli.md", "docs/model.md", "CHANGELOG.md"] {
        let text = document(name);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let directory = directory.parent().expect("its directory");
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            let file = target.split_once('#').map_or(target, |(file, _)| file);
            assert!(directory.join(file).exists(), "{name} leads to {target}");
        }
    }
}
