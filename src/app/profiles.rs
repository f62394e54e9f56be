//! Forwards that are kept under a name: saved from what runs, started, started with their context, deleted.
//!
//! Only `app` uses it. The file is elsewhere; what is in it arrives as a message.

use std::sync::Arc;

use crate::model::Text;
use crate::model::session::ForwardSpec;
use crate::model::session::profile::{Profile, ProfileAct};

use super::App;
use super::effect::Effect;
use super::overlay::{Choice, Confirm, Entry, Overlay, Picker, PickerKind};
use super::problem::Problem;
use super::state::Tone;

/// What a menu of profiles is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileUse {
    /// To start one.
    Start,
    /// To keep what runs under a name.
    Save,
    /// To have one started with its context, or no longer.
    Autostart,
    /// To delete one.
    Delete,
}

impl App {
    /// Has the profiles of the context read; they arrive as a message.
    pub(super) fn read_profiles(&self) -> Vec<Effect> {
        if self.is_saved() { vec![] } else { self.profile_effect(ProfileAct::Read).into_iter().collect() }
    }

    fn profile_effect(&self, act: ProfileAct) -> Option<Effect> {
        let context = self.connection.identity.as_ref()?.context.clone();
        Some(Effect::Profiles { epoch: self.connection.epoch, context, act })
    }

    /// Opens the menu of profiles. Another program of ours may have changed them: they are read again meanwhile.
    pub(super) fn choose_profile(&mut self, what: ProfileUse) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: it has no forwards to keep");
            return vec![];
        }
        if self.connection.identity.is_none() {
            self.notify(Tone::Note, "profiles belong to a context, and none is connected");
            return vec![];
        }
        if what == ProfileUse::Save && self.running_here().is_empty() {
            self.notify(Tone::Note, "no forward of this context runs that could be kept");
            return vec![];
        }
        let picker = Picker::new(PickerKind::Profile(what), self.profile_entries(what));
        self.overlays.push(Overlay::Picker(picker));
        self.read_profiles()
    }

    pub(super) fn profile_entries(&self, what: ProfileUse) -> Vec<Entry> {
        let profiles = self.sessions.profiles.iter().map(|profile| {
            let mut note = profile.words();
            if profile.autostart {
                note = format!("starts with the context  {note}");
            }
            Entry { label: profile.name.to_string(), note, choice: Choice::Profile(profile.name.clone()) }
        });
        let hint = |label: &str, note: String| Entry { label: label.into(), note, choice: Choice::Nothing };
        let first = match what {
            ProfileUse::Save => {
                let count = forwards(self.running_here().len());
                Some(hint("NAME", format!("type one to keep {count} under it, or choose one to replace")))
            }
            _ if self.sessions.profiles.is_empty() => Some(hint(
                "none",
                "no forwards are kept for this context: :profile-save keeps those that run".into(),
            )),
            _ => None,
        };
        first.into_iter().chain(profiles).collect()
    }

    /// What runs in the context that is looked at.
    fn running_here(&self) -> Vec<ForwardSpec> {
        let context = self.connection.identity.as_ref().map(|identity| &identity.context);
        let here = self.sessions.running().filter(|f| Some(&f.context) == context);
        here.map(|forward| forward.spec.clone()).collect()
    }

    /// Takes a name, chosen or typed.
    pub(super) fn use_profile(&mut self, what: ProfileUse, name: &str) -> Vec<Effect> {
        let name: Text = name.trim().into();
        if name.is_empty() {
            return vec![];
        }
        let known = self.sessions.profiles.iter().find(|profile| profile.name == name).cloned();
        match (what, known) {
            (ProfileUse::Save, known) => return self.save_profile(&name, known.as_ref()),
            (_, None) => {
                self.notify(Tone::Fault, format!("no profile of this context is called \"{name}\""));
            }
            (ProfileUse::Start, Some(profile)) => return self.start_profile(&profile),
            (ProfileUse::Autostart, Some(profile)) => {
                return self
                    .profile_effect(ProfileAct::Autostart(name, !profile.autostart))
                    .into_iter()
                    .collect();
            }
            (ProfileUse::Delete, Some(profile)) => {
                let lines = vec![
                    format!("It holds {}.", profile.words()),
                    "Forwards that run are not stopped.".to_owned(),
                ];
                let yes = self.profile_effect(ProfileAct::Delete(name.clone())).into_iter().collect();
                let title = format!("Delete the profile \"{name}\"?");
                self.overlays.push(Overlay::Confirm(Confirm::new(title, lines, yes)));
            }
        }
        vec![]
    }

    fn save_profile(&mut self, name: &Text, known: Option<&Profile>) -> Vec<Effect> {
        let forwards = self.running_here();
        if forwards.is_empty() {
            self.notify(Tone::Note, "no forward of this context runs that could be kept");
            return vec![];
        }
        let after = Profile { name: name.clone(), autostart: false, forwards: Ok(forwards.clone()) };
        let save =
            self.profile_effect(ProfileAct::Save { name: name.clone(), forwards }).into_iter().collect();
        let Some(before) = known.filter(|before| before.forwards != after.forwards) else { return save };
        let lines =
            vec![format!("It holds {}.", before.words()), format!("It would hold {}.", after.words())];
        let title = format!("Replace the profile \"{name}\"?");
        self.overlays.push(Overlay::Confirm(Confirm::new(title, lines, save)));
        vec![]
    }

    /// Starts the forwards of a profile that do not run yet.
    fn start_profile(&mut self, profile: &Profile) -> Vec<Effect> {
        let name = &profile.name;
        let forwards = match &profile.forwards {
            Ok(forwards) => forwards.clone(),
            Err(why) => {
                self.notify(Tone::Fault, format!("the profile \"{name}\" can't be used: {why}"));
                return vec![];
            }
        };
        let running = self.running_here();
        let missing: Vec<ForwardSpec> = forwards.into_iter().filter(|spec| !running.contains(spec)).collect();
        if missing.is_empty() {
            self.notify(Tone::Note, format!("all that the profile \"{name}\" holds runs already"));
            return vec![];
        }
        let what = format!("{} of the profile \"{name}\"", forwards_of(missing.len()));
        self.start_specs(&what, missing)
    }

    /// News of the profiles: what was done, and what there is now.
    pub(super) fn take_profiles(
        &mut self,
        epoch: u64,
        act: &ProfileAct,
        result: Result<Arc<Vec<Profile>>, Problem>,
    ) -> Vec<Effect> {
        let profiles = match result {
            Ok(profiles) => profiles,
            Err(problem) => {
                self.refused(problem);
                return vec![];
            }
        };
        let done = match act {
            ProfileAct::Read => None,
            ProfileAct::Save { name, forwards: kept } => {
                Some(format!("kept {} under the name \"{name}\"", forwards(kept.len())))
            }
            ProfileAct::Delete(name) => Some(format!("deleted the profile \"{name}\"")),
            ProfileAct::Autostart(name, true) => {
                Some(format!("\"{name}\" starts with this context from now on"))
            }
            ProfileAct::Autostart(name, false) => Some(format!("\"{name}\" no longer starts by itself")),
        };
        if let Some(done) = done {
            self.notify(Tone::Done, done);
        }
        let here = self.connection.identity.as_ref().map(|identity| identity.context.clone());
        let Some(context) = here.filter(|_| epoch == self.connection.epoch) else { return vec![] };
        self.sessions.profiles = profiles;
        self.refresh_picker();
        if !self.sessions.autostarted.insert(context) {
            return vec![];
        }
        let profiles = self.sessions.profiles.clone();
        let wanted = profiles.iter().filter(|profile| profile.autostart);
        wanted.flat_map(|profile| self.start_profile(profile)).collect()
    }
}

fn forwards(count: usize) -> String {
    if count == 1 { "1 forward".to_owned() } else { format!("{count} forwards") }
}

fn forwards_of(count: usize) -> String {
    if count == 1 { "the forward".to_owned() } else { format!("{count} forwards") }
}
