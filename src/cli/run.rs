//! From the command line to the exit code: which command does what with which facts.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::{self, Args, Command, EnvArgs, Explore, Form, KeysForm, Origin, Output};
use super::crash;
use super::environment;
use super::explore::start_demo;
use super::facts::{self, Facts, Needs};
use super::failure::{Exit, Failure, Stop, tell};
use super::list::List;
use super::live::Cluster;
use super::log;
use super::names::Query;
use super::report::{self, Watch};
use super::restart;
use super::wait::{block_on, wait_for};
use crate::app::Problem;
use crate::cluster::client::detached;
use crate::config::load::{self, LoadError};
use crate::config::{Complaint, Settings};
use crate::model::Kind;
use crate::model::text::clean;
use clap::error::ErrorKind;

/// Runs the program: reads the command line, does what it says, tells what went wrong.
pub fn run() -> ExitCode {
    if let Some(code) = detached::become_asked() {
        return code;
    }
    detached::offer();
    crash::install();
    // Help and version end here: no file is read, no runtime started.
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return refused(&error),
    };
    match command(args) {
        Ok(exit) => exit.into(),
        Err(Stop::Failure(failure)) => {
            tell(&mut io::stderr(), "error", &failure.problem);
            failure.exit.into()
        }
        // Who reads us has enough (`kdisco services | head -1`): that is no failure.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Fine.into(),
        Err(Stop::Output(error)) => {
            let why = error.to_string();
            tell(
                &mut io::stderr(),
                "error",
                &Problem { what: "cannot write the output".into(), why, hint: String::new() },
            );
            Exit::Problems.into()
        }
    }
}

/// Help, version, or what is wrong with the command line.
fn refused(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    // A closed output is no reason to fail, nor can anything be told then.
    let _ = error.print();
    if asked_for { Exit::Fine } else { Exit::Usage }.into()
}

fn command(args: Args) -> Result<Exit, Stop> {
    let Args { explore, command } = args;
    let Some(command) = command else {
        let settings = settings(&explore)?;
        log::start(&settings)?;
        return Ok(super::explore::run(&explore, &settings)?);
    };
    // Commands are scripts' own: settings that are about the screen do not concern them, nor what is wrong there.
    if explore.log_file.is_some() {
        log::start(&settings(&explore)?)?;
    }
    let out = &mut io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let exit = match command {
        Command::Services { names, output } => list(&explore, &names, &List::Services, output, out)?,
        Command::Endpoints { names, output } => list(&explore, &names, &List::Endpoints, output, out)?,
        Command::Dns { health: true, output, .. } => super::check::health(&explore, output, out)?,
        Command::Dns { names, output, .. } => list(&explore, &names, &List::Dns, output, out)?,
        Command::Resolvconf { names, output } => list(&explore, &names, &List::ResolvConf, output, out)?,
        Command::Doctor(doctor) => super::doctor::run(&explore, &doctor, out)?,
        Command::Resolve(resolve) => super::resolve::run(&explore, &resolve, out)?,
        Command::Check(check) => super::check::run(&explore, &check, out)?,
        Command::Env { names, args } => env(&explore, &names, &args, out)?,
        Command::Restart { names, yes, force, dry_run } => {
            let settings = settings(&explore)?;
            let how = restart::How { yes, force, dry_run };
            block_on(restart::run(&explore, &settings, &names, how, out))?
        }
        Command::Access(flags) => super::access::run(&explore, flags, out)?,
        Command::Proxy(flags) => super::proxy::run(&explore, &flags, out)?,
        Command::Forward(forward) => super::forward::run(&explore, &forward, out)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::grammar(), "kdisco", &mut script);
            out.write_all(&script)?;
            Exit::Fine
        }
        Command::Man { command } => {
            manual(command.as_deref(), out)?;
            Exit::Fine
        }
        Command::Config => {
            let settings = settings(&explore)?;
            out.write_all(report::settings::toml(&settings).as_bytes())?;
            Exit::Fine
        }
        Command::Keys { output } => {
            let keymap = settings(&explore)?.keymap;
            let text = match output {
                KeysForm::Table => report::keys::table(&keymap),
                KeysForm::Markdown => report::keys::markdown(&keymap),
                KeysForm::Toml => report::keys::toml(&keymap),
            };
            out.write_all(text.as_bytes())?;
            Exit::Fine
        }
    };
    out.flush()?;
    Ok(exit)
}

/// The manual page of the program or of one command.
fn manual(command: Option<&str>, out: &mut impl Write) -> Result<(), Stop> {
    let mut grammar = args::grammar();
    let Some(name) = command else { return Ok(clap_mangen::Man::new(grammar).render(out)?) };
    // Flags that all commands have are handed down when the grammar is built.
    grammar.build();
    let page = grammar.find_subcommand(name).cloned().ok_or_else(|| {
        let hint = "`kdisco --help` lists the commands.";
        Failure::new(Exit::Usage, format!("there is no command \"{name}\""), "", hint)
    })?;
    let title = page.get_display_name().unwrap_or(name).to_owned();
    Ok(clap_mangen::Man::new(page).title(title).render(out)?)
}

/// The settings; what is unknown in the file is told and does not stop.
fn settings(explore: &Explore) -> Result<Settings, Failure> {
    let settings = load::load(&explore.flags()).map_err(|e| wrong_settings(&e))?;
    for complaint in &settings.unknown {
        tell(&mut io::stderr(), "warning", &unknown(complaint));
    }
    Ok(settings)
}

fn unknown(complaint: &Complaint) -> Problem {
    Problem { what: complaint.to_string(), ..Problem::default() }
}

fn wrong_settings(error: &LoadError) -> Failure {
    let hint = "`kdisco config` shows what is in force; --config FILE uses another file.";
    let (what, why, hint) = match error {
        LoadError::Unreadable { path, error } => {
            (format!("cannot read {}", path.display()), error.to_string(), hint)
        }
        LoadError::Wrong(complaint) => (
            format!("the configuration can't be used: {}", complaint.message),
            format!("{}, line {}, column {}", complaint.file, complaint.line, complaint.column)
                + &if complaint.place.is_empty() { String::new() } else { format!(", {}", complaint.place) },
            hint,
        ),
        LoadError::Variable { .. } => (
            "an environment variable can't be used".to_owned(),
            error.to_string(),
            "Unset it, or set it to 1 or 0.",
        ),
    };
    Failure::new(Exit::Usage, what, why, hint)
}

/// Environments: a list, or what goes beyond one.
fn env(explore: &Explore, names: &[String], args: &EnvArgs, out: &mut impl Write) -> Result<Exit, Stop> {
    environment::check(args, explore.objects.is_some())?;
    let about = List::Env { container: args.container.clone(), show_secrets: args.show_secrets };
    if let (false, Some(form)) = (environment::is_more(args), args.output.form.list()) {
        let output = Output { form, watch: args.output.watch, no_headers: args.output.no_headers };
        return list(explore, names, &about, output, out);
    }
    let query = Query::new(explore, names, about.kinds())?;
    let mut needs = about.needs(&query, args.output.form.list().unwrap_or(Form::Json));
    if args.local {
        // A forward to a pod stands for the Services that the pod is behind.
        needs.helpful.push(Kind::EndpointSlice);
    }
    block_on(async {
        // Kept until the end: dropping it stops the demo cluster and removes its files.
        let demo = match explore.origin() {
            Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
            _ => None,
        };
        let (cluster, facts) = if let Origin::Objects(file) = explore.origin() {
            (None, facts::from_file(&file, explore, &query, &needs)?)
        } else {
            let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
            let cluster = Cluster::open(explore, kubeconfig, &query).await?;
            let facts = cluster.once(&about, &query, &needs).await?;
            (Some(cluster), facts)
        };
        for warning in &facts.warnings {
            tell(&mut io::stderr(), "warning", warning);
        }
        let absent = missing(&about, &facts, &query, None);
        if absent != Exit::Fine {
            return Ok(absent);
        }
        let exit = environment::run(args, &facts, &query, cluster.as_ref(), out).await?;
        Ok::<_, Stop>(facts.exit.max(exit))
    })
}

/// Gathers the facts and prints one list.
fn list(
    explore: &Explore,
    names: &[String],
    list: &List,
    output: Output,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let query = Query::new(explore, names, list.kinds())?;
    let needs = list.needs(&query, output.form);
    if let Origin::Objects(file) = explore.origin() {
        if output.watch {
            let (what, why) = ("a saved file can't be watched", "It does not change.");
            return Err(Failure::new(Exit::Usage, what, why, "Leave out --watch, or --objects.").into());
        }
        let facts = facts::from_file(&file, explore, &query, &needs)?;
        return show(list, &facts, &query, output, out);
    }
    wait_for(list_cluster(explore, &query, &needs, list, output, out))
}

async fn list_cluster(
    explore: &Explore,
    query: &Query,
    needs: &Needs,
    list: &List,
    output: Output,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster and removes its files.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let work = async {
        let cluster = Cluster::open(explore, kubeconfig, query).await?;
        if output.watch {
            return watch(&cluster, query, needs, list, output, out).await;
        }
        let facts = cluster.once(list, query, needs).await?;
        show(list, &facts, query, output, out)
    };
    tokio::select! {
        result = work => result,
        // Ends a watch as it should, and everything else without leaving anything behind.
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

/// Prints the list, then what else is to be told.
fn show(
    list: &List,
    facts: &Facts,
    query: &Query,
    output: Output,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    for warning in &facts.warnings {
        tell(&mut io::stderr(), "warning", warning);
    }
    let nothing = list.print(facts, query, output, out)?;
    out.flush()?;
    if let List::Env { container, .. } = list
        && matches!(output.form, Form::Table | Form::Wide)
    {
        environment::tell_findings(facts, query, container.as_deref());
    }
    Ok(facts.exit.max(missing(list, facts, query, nothing)))
}

/// Prints the list, then each change, until somebody has enough.
async fn watch(
    cluster: &Cluster,
    query: &Query,
    needs: &Needs,
    list: &List,
    output: Output,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let (mut watch, mut begun) = (Watch::default(), false);
    let print = |facts: &Facts, lost: Option<&Problem>| -> Result<(), Stop> {
        for warning in facts.warnings.iter().chain(lost) {
            tell(&mut io::stderr(), "warning", warning);
        }
        list.print_changes(facts, query, output, &mut watch, out)?;
        // What is named may come to be later: that is what one waits for.
        if !std::mem::replace(&mut begun, true) {
            missing(list, facts, query, None);
        }
        Ok(())
    };
    match cluster.follow(list, query, needs, print).await {
        Err(stop) => Err(stop),
    }
}

/// Tells what was asked for and is not there.
fn missing(list: &List, facts: &Facts, query: &Query, nothing: Option<String>) -> Exit {
    if list.tell_missing(facts, query) {
        return Exit::Problems;
    }
    if let Some(nothing) = nothing {
        // As kubectl: an empty list is no failure, and it is not told where programs read.
        let _ = writeln!(io::stderr(), "{}", clean(&nothing));
    }
    Exit::Fine
}
