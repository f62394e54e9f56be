//! Tests of the grammar.

use super::*;

fn read(line: &str) -> Result<Args, clap::Error> {
    parse(line.split(' ').map(OsString::from))
}

#[test]
fn the_grammar_is_sound() {
    grammar().debug_assert();
}

#[test]
fn without_a_command_everything_goes_to_the_explorer() {
    let args = read("kdisco --context prod -n shop,billing -n shop -l app=web --demo-scale 20,100").unwrap();
    assert!(args.command.is_none());
    assert_eq!(args.explore.context.as_deref(), Some("prod"));
    assert_eq!(args.explore.namespaces(), ["shop", "billing"]);
    assert_eq!(args.explore.origin(), Origin::Demo(Some(Scale { services: 20, pods: 100 })));
    assert_eq!(read("kdisco").unwrap().explore.origin(), Origin::Cluster);
    assert_eq!(read("kdisco --demo").unwrap().explore.origin(), Origin::Demo(None));
}

#[test]
fn flags_stand_before_or_behind_the_command() {
    for line in
        ["kdisco -n shop svc web -o json --no-headers", "kdisco services web -o=json --no-headers -nshop"]
    {
        let args = read(line).unwrap();
        assert_eq!(args.explore.namespaces(), ["shop"], "{line}");
        let Some(Command::Services { names, output }) = args.command else { panic!("{line}") };
        assert_eq!((names, output.form, output.no_headers), (vec!["web".to_owned()], Form::Json, true));
    }
}

#[test]
fn what_excludes_each_other_is_refused() {
    for line in
        ["kdisco --demo --objects f", "kdisco --demo-scale 1", "kdisco --now yesterday", "kdisco frob"]
    {
        assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn as_a_plugin_it_is_called_what_one_types() {
    let usage = |line| read(line).unwrap_err().to_string();
    assert!(
        usage("/usr/bin/kubectl-disco services -o xml").contains("kubectl disco services --help")
            || usage("/usr/bin/kubectl-disco services --bogus").contains("Usage: kubectl disco services")
    );
    assert!(usage("kubectl-disco --help").contains("Usage: kubectl disco [OPTIONS] [COMMAND]"));
    assert!(usage("kdisco --help").contains("Usage: kdisco [OPTIONS] [COMMAND]"));
}
