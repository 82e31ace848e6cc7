//! Parse: each template rendered once, recording what it asks for.

mod config;
mod node;
mod test_names;

pub use config::Config;
pub use node::{
    Column, Details, GenericTest, HookTime, Node, RefCall, ResourceType, Source, SourceCall,
    Template, UniqueId, UnitTest, UnitTestRows,
};
