//! What the credential may use, asked of the API server.
//!
//! Only [`super`] uses it.

use super::api_problem;
use crate::app::access::Access;
use crate::app::{Id, Message};
use crate::cluster::access::answers;
use crate::cluster::client::Client;
use crate::model::Text;
use crate::model::access::{judge, questions};

/// Asks about every feature.
pub(super) async fn access(client: Client, id: Id, namespaces: Vec<Text>) -> Message {
    let result = match answers(&client, &questions(&namespaces)).await {
        Ok((answers, silent)) => {
            Ok(Access { judged: judge(&namespaces, &answers), silent: silent.map(|error| error.to_string()) })
        }
        Err(error) => Err(api_problem(error)),
    };
    Message::AccessFound { id, result }
}
