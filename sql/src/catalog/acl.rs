//! Access lists: what a role may do by one, who grants by it, and how GRANT and REVOKE change it, as PostgreSQL has it.
//! A list that is empty stands for the object's defaults; one from which everything was revoked keeps an item of the
//! owner's without privileges.

use std::borrow::Cow;
use std::ops::{BitAnd, BitOr};
use std::sync::Arc;

use super::PUBLIC;
use super::changes::Entry;
use super::database::{Catalog, Shared};
use super::function::FunctionKind;
use super::role::{AclItem, Privilege};
use super::table::Column;
use crate::error::{Result, SqlError, SqlState};
use crate::types::{Oid, USER_ARRAY};

/// What an access list is of: this decides what can be granted, and what is when nobody has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Guarded {
    Table,
    Column,
    Sequence,
    Schema,
    /// The schema public, which everybody may use.
    Public,
    Database,
    Function,
    Type,
}

const ALL: [Privilege; 12] = [
    Privilege::Select,
    Privilege::Insert,
    Privilege::Update,
    Privilege::Delete,
    Privilege::Truncate,
    Privilege::References,
    Privilege::Trigger,
    Privilege::Usage,
    Privilege::Create,
    Privilege::Connect,
    Privilege::Temporary,
    Privilege::Execute,
];

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// Those of a list.
    #[must_use]
    pub fn of(list: &[Privilege]) -> Rights {
        let bit = |privilege: &Privilege| ALL.iter().position(|own| own == privilege).map_or(0, |place| 1 << place);
        Rights(list.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are not in the other set.
    #[must_use]
    pub fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn list(self) -> impl Iterator<Item = Privilege> {
        ALL.into_iter().enumerate().filter(move |(place, _)| self.0 & (1 << place) != 0).map(|(_, own)| own)
    }
}

impl BitOr for Rights {
    type Output = Rights;
    fn bitor(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Rights;
    fn bitand(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }
}

impl Guarded {
    /// All that can be granted.
    #[must_use]
    pub fn all(self) -> Rights {
        Rights::of(match self {
            Guarded::Table => &ALL[..7],
            Guarded::Column => &[Privilege::Insert, Privilege::Select, Privilege::Update, Privilege::References],
            Guarded::Sequence => &[Privilege::Select, Privilege::Update, Privilege::Usage],
            Guarded::Schema | Guarded::Public => &[Privilege::Usage, Privilege::Create],
            Guarded::Database => &[Privilege::Create, Privilege::Connect, Privilege::Temporary],
            Guarded::Function => &[Privilege::Execute],
            Guarded::Type => &[Privilege::Usage],
        })
    }

    /// What everybody may do with an object that nobody has granted anything on.
    fn public(self) -> Rights {
        Rights::of(match self {
            Guarded::Database => &[Privilege::Connect, Privilege::Temporary],
            Guarded::Function => &[Privilege::Execute],
            Guarded::Type | Guarded::Public => &[Privilege::Usage],
            _ => &[],
        })
    }

    /// What an object grants when nobody has said anything: PUBLIC's part, then the owner's.
    #[must_use]
    pub fn defaults(self, owner: Oid) -> Vec<AclItem> {
        let own = if self == Guarded::Column { Rights::default() } else { self.all() };
        let parts = [(0, self.public()), (owner, own)].into_iter().filter(|(_, rights)| !rights.is_empty());
        parts.map(|(grantee, rights)| item(grantee, owner, rights, Rights::default())).collect()
    }
}

fn item(grantee: Oid, grantor: Oid, rights: Rights, options: Rights) -> AclItem {
    let with_option = |privilege: Privilege| (privilege, !(Rights::of(&[privilege]) & options).is_empty());
    AclItem { grantee, grantor, privileges: rights.list().map(with_option).collect() }
}

/// Privileges of an item, and those that may be granted on.
fn rights(item: &AclItem) -> (Rights, Rights) {
    let of = |options: bool| {
        let list = item.privileges.iter().filter(|(_, option)| *option || !options);
        Rights::of(&list.map(|(privilege, _)| *privilege).collect::<Vec<_>>())
    };
    (of(false), of(true))
}

impl Shared {
    /// Whether a role is a superuser.
    #[must_use]
    pub fn is_superuser(&self, role: Oid) -> bool {
        self.role(role).is_some_and(|def| def.superuser)
    }

    /// Whether `role` is `group` or a member of it, directly or not: it may SET ROLE to it.
    #[must_use]
    pub fn is_member(&self, role: Oid, group: Oid) -> bool {
        role == group || self.groups(role, false).contains(&group)
    }

    /// Whether `role` has what `group` has without saying so: it is the same, a superuser, or a member by inheritance.
    #[must_use]
    pub fn has_rights_of(&self, role: Oid, group: Oid) -> bool {
        role == group || self.is_superuser(role) || self.groups(role, true).contains(&group)
    }

    /// A role and those that it is a member of; with `inherited` only those whose rights it has.
    #[must_use]
    pub fn groups(&self, role: Oid, inherited: bool) -> Vec<Oid> {
        let mut known = vec![role];
        let mut at = 0;
        while let Some(oid) = known.get(at).copied() {
            if let Some(def) = self.role(oid).filter(|def| def.inherit || !inherited) {
                for (parent, _) in &def.member_of {
                    if !known.contains(parent) {
                        known.push(*parent);
                    }
                }
            }
            at += 1;
        }
        known
    }
}

/// An access list to ask and to change.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    shared: &'a Shared,
    kind: Guarded,
    owner: Oid,
    items: Cow<'a, [AclItem]>,
}

impl<'a> Access<'a> {
    /// The list of an object; an empty one stands for what its kind grants by itself.
    #[must_use]
    pub fn new(shared: &'a Shared, kind: Guarded, owner: Oid, list: &'a [AclItem]) -> Access<'a> {
        let items = if list.is_empty() { Cow::Owned(kind.defaults(owner)) } else { Cow::Borrowed(list) };
        Access { shared, kind, owner, items }
    }

    /// Which of the privileges a role has: as a superuser, by itself, by its groups, or as everybody.
    #[must_use]
    pub fn held(&self, role: Oid, wanted: Rights) -> Rights {
        if self.shared.is_superuser(role) {
            return wanted;
        }
        let groups = self.shared.groups(role, true);
        let mine = self.items.iter().filter(|item| item.grantee == 0 || groups.contains(&item.grantee));
        mine.fold(Rights::default(), |held, item| held | rights(item).0) & wanted
    }

    /// Which of the privileges a role may grant. An owner may grant all.
    #[must_use]
    pub fn grantable(&self, role: Oid, wanted: Rights) -> Rights {
        if self.shared.has_rights_of(role, self.owner) {
            return wanted;
        }
        let groups = self.shared.groups(role, true);
        let mine = self.items.iter().filter(|item| groups.contains(&item.grantee));
        mine.fold(Rights::default(), |held, item| held | rights(item).1) & wanted
    }

    /// As whom a role grants or revokes these privileges, and which of them that one may grant: the owner if it can act
    /// for it, else itself or the group that may grant most of them.
    #[must_use]
    pub fn grantor(&self, role: Oid, wanted: Rights) -> (Oid, Rights) {
        if self.shared.has_rights_of(role, self.owner) {
            return (self.owner, wanted);
        }
        let mut best = (role, Rights::default());
        for group in self.shared.groups(role, true) {
            let own = self.items.iter().filter(|item| item.grantee == group);
            let options = own.fold(Rights::default(), |all, item| all | rights(item).1) & wanted;
            if options == wanted {
                return (group, options);
            }
            if options.count() > best.1.count() {
                best = (group, options);
            }
        }
        best
    }

    /// The list as it is kept: the defaults are kept as no list, and nothing at all as the owner's item without rights.
    #[must_use]
    pub fn into_list(self) -> Vec<AclItem> {
        let mut items = self.items.into_owned();
        items.retain(|item| !item.privileges.is_empty());
        if items.is_empty() && self.kind != Guarded::Column {
            items.push(item(self.owner, self.owner, Rights::default(), Rights::default()));
        }
        items
    }

    /// Grants privileges, the right to grant them on too if `options` is set. Errors: 0LP01 for such a right to PUBLIC, or
    /// back to somebody whom the grantor has it from.
    pub fn grant(&mut self, grantor: Oid, grantee: Oid, given: Rights, options: bool) -> Result<()> {
        let invalid = |text: &str| Err(SqlError::new(SqlState::new("0LP01"), text));
        if options && grantee == 0 {
            return invalid("grant options can only be granted to roles");
        }
        if options && grantor != self.owner && !given.without(self.rooted(grantor, grantee)?).is_empty() {
            return invalid("grant options cannot be granted back to your own grantor");
        }
        let options = if options { given } else { Rights::default() };
        let items = self.items.to_mut();
        match items.iter_mut().find(|own| own.grantee == grantee && own.grantor == grantor) {
            Some(own) => {
                let (had, could) = rights(own);
                *own = item(grantee, grantor, had | given, could | options);
            }
            None => items.push(item(grantee, grantor, given, options)),
        }
        Ok(())
    }

    /// What a grantor could grant if the grantee could grant nothing.
    fn rooted(&self, grantor: Oid, grantee: Oid) -> Result<Rights> {
        let mut rest = self.clone();
        while let Some(own) = rest.items.iter().find(|own| own.grantee == grantee && !rights(own).1.is_empty()) {
            let (from, (all, _)) = (own.grantor, rights(own));
            rest.revoke(from, grantee, all, false, true)?;
        }
        Ok(rest.grantable(grantor, self.kind.all()))
    }

    /// Takes away what one role granted another: the privileges, or with `option_only` the right to grant them on; by
    /// `cascade` also what was granted with it. Errors: 2BP01 for such without `cascade`.
    pub fn revoke(
        &mut self,
        grantor: Oid,
        grantee: Oid,
        taken: Rights,
        option_only: bool,
        cascade: bool,
    ) -> Result<()> {
        let items = self.items.to_mut();
        let Some(own) = items.iter_mut().find(|own| own.grantee == grantee && own.grantor == grantor) else {
            return Ok(());
        };
        let (had, could) = rights(own);
        let left = if option_only { had } else { had.without(taken) };
        *own = item(grantee, grantor, left, could.without(taken));
        items.retain(|item| !item.privileges.is_empty());
        let lost = could & taken;
        // An owner can grant whatever others took from him.
        if lost.is_empty() || grantee == self.owner {
            return Ok(());
        }
        let lost = lost.without(self.grantable(grantee, lost));
        loop {
            let dependent = |item: &&AclItem| item.grantor == grantee && !(rights(item).0 & lost).is_empty();
            let Some(next) = self.items.iter().find(dependent).map(|item| item.grantee) else { return Ok(()) };
            if !cascade {
                let text = "dependent privileges exist";
                return Err(SqlError::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, text)
                    .hint("Use CASCADE to revoke them too."));
            }
            self.revoke(grantee, next, lost, false, true)?;
        }
    }
}

/// What an owner gave or had becomes the new owner's.
pub fn hand_over(acl: &mut Vec<AclItem>, from: Oid, to: Oid) {
    let mut merged: Vec<AclItem> = Vec::with_capacity(acl.len());
    let new = |role: Oid| if role == from { to } else { role };
    for old in acl.drain(..) {
        let (grantee, grantor) = (new(old.grantee), new(old.grantor));
        // The new owner may have been granted something before.
        match merged.iter_mut().find(|own| own.grantee == grantee && own.grantor == grantor) {
            Some(own) => {
                let ((had, could), (more, options)) = (rights(own), rights(&old));
                *own = item(grantee, grantor, had | more, could | options);
            }
            None => merged.push(AclItem { grantee, grantor, ..old }),
        }
    }
    *acl = merged;
}

/// An access list as it is changed: what it is of, the owner, the list.
pub type Visited<'v> = (Guarded, Oid, &'v mut Vec<AclItem>);

impl Entry {
    /// Owner and access list of what has them; columns have lists of their own.
    #[must_use]
    pub fn guard(&self) -> Option<(Guarded, Oid, &[AclItem])> {
        Some(match self {
            Entry::Database(def) => (Guarded::Database, def.owner, &def.acl),
            Entry::Schema(def) if def.oid == PUBLIC => (Guarded::Public, def.owner, &def.acl),
            Entry::Schema(def) => (Guarded::Schema, def.owner, &def.acl),
            Entry::Table(def) if def.is_composite() => (Guarded::Type, def.owner, &def.acl),
            Entry::Table(def) => (Guarded::Table, def.owner, &def.acl),
            Entry::View(def) => (Guarded::Table, def.owner, &def.acl),
            Entry::Sequence(def) => (Guarded::Sequence, def.owner, &def.acl),
            Entry::Function(def) => (Guarded::Function, def.owner, &def.acl),
            Entry::Type(def) => (Guarded::Type, def.owner, &def.acl),
            Entry::Role(_) | Entry::Trigger(_) => return None,
        })
    }

    /// Columns of a relation.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Entry::Table(def) => &def.columns,
            Entry::View(def) => &def.columns,
            _ => &[],
        }
    }

    /// Whether an item of its lists meets a condition.
    #[must_use]
    pub fn any_item(&self, met: impl Fn(&AclItem) -> bool) -> bool {
        self.guard().is_some_and(|(_, _, list)| list.iter().any(&met))
            || self.columns().iter().any(|column| column.acl.iter().any(&met))
    }

    /// Visits its list, then those of its columns. Errors: those of `visit`.
    pub fn change_lists(&mut self, mut visit: impl FnMut(Visited<'_>) -> Result<()>) -> Result<()> {
        let Some((kind, owner, _)) = self.guard() else { return Ok(()) };
        let columns: &mut [Column] = match self {
            Entry::Database(def) => return visit((kind, owner, &mut Arc::make_mut(def).acl)),
            Entry::Schema(def) => return visit((kind, owner, &mut Arc::make_mut(def).acl)),
            Entry::Sequence(def) => return visit((kind, owner, &mut Arc::make_mut(def).acl)),
            Entry::Function(def) => return visit((kind, owner, &mut Arc::make_mut(def).acl)),
            Entry::Type(def) => return visit((kind, owner, &mut Arc::make_mut(def).acl)),
            Entry::Role(_) | Entry::Trigger(_) => return Ok(()),
            Entry::Table(def) => {
                let def = Arc::make_mut(def);
                visit((kind, owner, &mut def.acl))?;
                &mut def.columns
            }
            Entry::View(def) => {
                let def = Arc::make_mut(def);
                visit((kind, owner, &mut def.acl))?;
                &mut def.columns
            }
        };
        columns.iter_mut().try_for_each(|column| visit((Guarded::Column, owner, &mut column.acl)))
    }

    /// Gives it another owner, who takes over what the old one granted and was granted.
    pub fn give_to(&mut self, to: Oid) {
        // The visitor cannot fail.
        let _ = self.change_lists(|(_, from, list)| {
            hand_over(list, from, to);
            Ok(())
        });
        match self {
            Entry::Database(def) => Arc::make_mut(def).owner = to,
            Entry::Schema(def) => Arc::make_mut(def).owner = to,
            Entry::Table(def) => Arc::make_mut(def).owner = to,
            Entry::View(def) => Arc::make_mut(def).owner = to,
            Entry::Sequence(def) => Arc::make_mut(def).owner = to,
            Entry::Function(def) => Arc::make_mut(def).owner = to,
            Entry::Type(def) => Arc::make_mut(def).owner = to,
            Entry::Role(_) | Entry::Trigger(_) => {}
        }
    }

    /// What messages call it and its name: `table`, `materialized view` ….
    #[must_use]
    pub fn described(&self) -> (&'static str, &str) {
        match self {
            Entry::Role(def) => ("role", &def.name),
            Entry::Database(def) => ("database", &def.name),
            Entry::Schema(def) => ("schema", &def.name),
            Entry::Table(def) if def.is_composite() => ("type", &def.name),
            Entry::Table(def) if def.is_materialized() => ("materialized view", &def.name),
            Entry::Table(def) => ("table", &def.name),
            Entry::View(def) => ("view", &def.name),
            Entry::Sequence(def) => ("sequence", &def.name),
            Entry::Trigger(def) => ("trigger", &def.name),
            Entry::Function(def) if def.kind == FunctionKind::Procedure => ("procedure", &def.name),
            Entry::Function(def) => ("function", &def.name),
            Entry::Type(def) => ("type", &def.name),
        }
    }
}

impl Catalog {
    /// What guards a type: a type that a user made, also below an array of it; none for types of tables and built-in ones.
    #[must_use]
    pub fn guarded_type(&self, ty: Oid) -> Option<Entry> {
        if let Some(def) = self.user_type(ty & !USER_ARRAY) {
            return Some(Entry::Type(def.clone()));
        }
        self.table_of_row_type(ty).filter(|table| table.is_composite()).cloned().map(Entry::Table)
    }

    /// Everything in it that has an owner.
    pub fn owned(&self) -> impl Iterator<Item = Entry> {
        let schemas = self.schemas().cloned().map(Entry::Schema);
        let tables = self.tables().cloned().map(Entry::Table);
        let views = self.views().cloned().map(Entry::View);
        let sequences = self.sequences().cloned().map(Entry::Sequence);
        let functions = self.functions().cloned().map(Entry::Function);
        let types = self.types().cloned().map(Entry::Type);
        schemas.chain(tables).chain(views).chain(sequences).chain(functions).chain(types)
    }
}
