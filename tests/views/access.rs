//! The page that says what the credential may use.

use std::collections::BTreeMap;
use std::fmt::Write;

use kdisco::app::access::Access;
use kdisco::app::{Action, Effect, Message};
use kdisco::model::access::{judge, questions};

use super::world::tutorial;
use super::{act, draw, in_default, look, screen};

#[test]
fn what_may_be_used_and_the_role_for_the_rest() {
    let mut out = String::new();
    for size in [(60, 20), (100, 30), (160, 48)] {
        let mut app = in_default(tutorial());
        draw(&mut app, &look("dark", false), size);
        let effects = app.update(Message::Action(Action::Access));
        let Some(Effect::AskAccess { id, namespaces, .. }) = effects.first() else { panic!("{effects:?}") };
        if size.0 == 60 {
            let _ = writeln!(out, "asking\n{}", screen(&mut app, size));
        }
        // Nothing of pods but looking at them, and half of the namespaces' questions unanswered.
        let answers: BTreeMap<_, _> = questions(namespaces)
            .into_iter()
            .filter(|right| &*right.resource != "networkpolicies")
            .map(|right| {
                let allowed = !right.resource.contains('/') && &*right.namespace != "kube-system";
                (right, allowed)
            })
            .collect();
        let silent = Some("cannot create reviews: the server is busy".to_owned());
        let access = Access { judged: judge(namespaces, &answers), silent };
        app.update(Message::AccessFound { id: *id, result: Ok(access) });
        let _ = writeln!(out, "access\n{}", screen(&mut app, size));
        act(&mut app, &[Action::Bottom]);
        let _ = writeln!(out, "its end\n{}", screen(&mut app, size));
    }
    insta::assert_snapshot!("access", out);
}
