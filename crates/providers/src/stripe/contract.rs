//! The client held against what Stripe publishes: every call against the schemas of its parameters, every reader against
//! objects in both shapes.
//!
//! The files are not part of this repository. They are looked for in a folder `shared/stripe` beside it; without them
//! these tests say so and pass.

mod calls;
mod objects;
mod schema;

use std::path::Path;

use serde_json::Value;

/// One of the files, or a word that it is not there.
fn material(name: &str) -> Option<Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.ancestors().map(|folder| folder.join("shared/stripe").join(name)).find(|file| file.is_file());
    let Some(file) = file else {
        println!("skipped: there is no shared/stripe/{name} beside the repository.");
        return None;
    };
    let text = std::fs::read_to_string(&file).expect("the file is readable");
    Some(serde_json::from_str(&text).expect("the file is JSON"))
}
