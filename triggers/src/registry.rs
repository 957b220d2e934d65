//! The one list of trigger kinds. A new kind is a folder of its own and a line here.

use crate::kind::Kind;
use crate::queue::{LuaConsumer, LuaTrigger};
use crate::relay::Relay;
use crate::script::ami::AmiScript;
use crate::source::DataSource;
use crate::timer::Timer;
use crate::view::aggregate::Aggregate;
use crate::view::decorate::Decorate;
use crate::view::join::Join;
use crate::view::projection::Projection;

/// All kinds.
pub static KINDS: &[&dyn Kind] =
    &[&AmiScript, &Aggregate, &Projection, &Join, &Decorate, &LuaTrigger, &LuaConsumer, &Relay, &Timer, &DataSource];

/// A kind by the name in `TriggerDef::kind`.
#[must_use]
pub fn kind(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).copied()
}
