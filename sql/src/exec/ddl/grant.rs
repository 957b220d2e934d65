//! GRANT and REVOKE of privileges and of roles.

use std::sync::Arc;

use super::{Ddl, bare};
use crate::catalog::{
    Access, AclItem, DefaultAcl, Entry, FunctionDef, FunctionKind, Guarded, Privilege, Relation, Rights, RoleDef,
    SQL_FUNCTIONS, TypeKind,
};
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::parse::{DefaultPrivileges, GrantStatement, ObjectName};
use crate::types::Oid;

/// What an object of a kind of pg_default_acl grants when nobody has said anything.
fn built_in(kind: char) -> Guarded {
    match kind {
        'r' => Guarded::Table,
        'S' => Guarded::Sequence,
        'n' => Guarded::Schema,
        'f' => Guarded::Function,
        _ => Guarded::Type,
    }
}

/// What a GRANT or REVOKE says of one object: the privileges on the whole of it, and those on its columns.
struct Wanted {
    rights: Rights,
    /// ALL: nobody is told that some of them were not granted.
    all: bool,
    columns: Vec<(String, Rights, bool)>,
}

impl Ddl<'_> {
    /// GRANT and REVOKE. Errors: 42501 for a user who may grant nothing on an object, 0LP01 for privileges that the kind
    /// of object does not have and for grant options given to PUBLIC or back, 2BP01 for what depends on what is revoked,
    /// 0A000 for a grantor other than the user.
    pub(super) fn grant(&self, grant: &GrantStatement) -> Result<String> {
        let tag = if grant.revoke { "REVOKE" } else { "GRANT" };
        if let Some(by) = &grant.granted_by
            && self.role(by)?.oid != self.user()
        {
            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "grantor must be current user"));
        }
        if grant.object_kind.eq_ignore_ascii_case("ROLE") {
            self.grant_roles(grant)?;
            return Ok(format!("{tag} ROLE"));
        }
        let grantees = self.grantees(grant)?;
        let kind = grant.object_kind.to_uppercase();
        for name in &grant.objects {
            for entry in self.objects_meant(&kind, name)? {
                self.grant_on(grant, &kind, &grantees, entry)?;
            }
        }
        Ok(tag.to_owned())
    }

    /// The objects that a name stands for. Errors: those of the look-up of each kind, 0A000 for kinds that are not there.
    fn objects_meant(&self, kind: &str, name: &ObjectName) -> Result<Vec<Entry>> {
        let catalog = self.catalog()?;
        let one = |entry: Entry| Ok(vec![entry]);
        let in_schema = || self.schema_named(bare(name), name.offset);
        match kind {
            "TABLE" | "SEQUENCE" | "" => one(relation_entry(self.relation(name)?)?),
            "ALL TABLES IN SCHEMA" => {
                let schema = in_schema()?;
                let tables = catalog.tables().filter(|def| def.schema == schema && !def.hidden && !def.is_composite());
                let views = catalog.views().filter(|def| def.schema == schema);
                Ok(tables.cloned().map(Entry::Table).chain(views.cloned().map(Entry::View)).collect())
            }
            "ALL SEQUENCES IN SCHEMA" => {
                let schema = in_schema()?;
                Ok(catalog.sequences().filter(|def| def.schema == schema).cloned().map(Entry::Sequence).collect())
            }
            "ALL FUNCTIONS IN SCHEMA" | "ALL ROUTINES IN SCHEMA" | "ALL PROCEDURES IN SCHEMA" => {
                let schema = in_schema()?;
                let meant = |def: &&Arc<FunctionDef>| {
                    def.schema == schema
                        && def.dialect == SQL_FUNCTIONS
                        && (kind.contains("ROUTINES")
                            || (def.kind == FunctionKind::Procedure) == kind.contains("PROCEDURES"))
                };
                Ok(catalog.functions().filter(meant).cloned().map(Entry::Function).collect())
            }
            "SCHEMA" => {
                let found = catalog.schema_by_name(bare(name)).cloned();
                one(Entry::Schema(found.ok_or_else(|| {
                    let text = format!("schema \"{}\" does not exist", bare(name));
                    SqlError::new(SqlState::INVALID_SCHEMA_NAME, text)
                })?))
            }
            "DATABASE" => {
                let found = self.set().shared.database_by_name(bare(name)).cloned();
                one(Entry::Database(found.ok_or_else(|| super::schema::missing_database(bare(name)))?))
            }
            "FUNCTION" | "PROCEDURE" | "ROUTINE" => match self.function_named(name) {
                Ok(def) => one(Entry::Function(def)),
                Err(error) => {
                    let own = name.parts.iter().rfind(|part| !part.starts_with('('));
                    let other = |def: &&Arc<FunctionDef>| def.dialect != SQL_FUNCTIONS && Some(&def.name) == own;
                    if catalog.functions().any(|def| other(&def)) {
                        return Err(SqlError::unsupported("privileges on procedures of other dialects"));
                    }
                    Err(error)
                }
            },
            "TYPE" | "DOMAIN" => {
                if let Some(def) = self.find_type(name)? {
                    if kind == "DOMAIN" && !matches!(def.kind, TypeKind::Domain(_)) {
                        let text = format!("\"{}\" is not a domain", def.name);
                        return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
                    }
                    return one(Entry::Type(def));
                }
                match self.find_relation(name)? {
                    Some(Relation::Table(def)) if def.is_composite() && kind == "TYPE" => one(Entry::Table(def)),
                    _ => Err(Self::missing_type(name)),
                }
            }
            "LANGUAGE" => Err(SqlError::unsupported("privileges on a language")),
            other => Err(SqlError::unsupported(format!("privileges on a {}", other.to_lowercase()))),
        }
    }

    /// Changes the access lists of one object. An empty list stands for the defaults, so the first grant writes them down.
    fn grant_on(&self, grant: &GrantStatement, kind: &str, grantees: &[Oid], mut entry: Entry) -> Result<()> {
        let Some((guarded, owner, list)) = entry.guard() else { return Ok(()) };
        let of = if kind == "SEQUENCE" { Guarded::Sequence } else { guarded };
        let wanted = self.wanted(grant, kind, of, entry.described().1)?;
        if of != guarded {
            let text = format!("\"{}\" is not a sequence", entry.described().1);
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
        }
        for (name, ..) in &wanted.columns {
            if !entry.columns().iter().any(|column| !column.dropped && column.name == *name) {
                let text = format!("column \"{name}\" of relation \"{}\" does not exist", entry.described().1);
                return Err(SqlError::new(SqlState::UNDEFINED_COLUMN, text));
            }
        }
        let (what, name) = entry.described();
        let (name, list) = (name.to_owned(), list.to_vec());
        let (columns, set) = (entry.columns().to_vec(), self.set());
        let mut changed = Vec::new();
        if !wanted.rights.is_empty() {
            let access = Access::new(&set.shared, guarded, owner, &list);
            let of = format!("\"{name}\"");
            let subject = (what, name.clone(), of);
            if let Some(access) = self.regrant(grant, access, None, &subject, (wanted.rights, wanted.all), grantees)? {
                changed.push((None, access.into_list()));
            }
        }
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| !column.dropped) {
            let mut asked = (Rights::default(), true);
            for (_, rights, all) in wanted.columns.iter().filter(|(name, ..)| *name == column.name) {
                asked = (asked.0 | *rights, asked.1 && *all);
            }
            // What is revoked on the whole relation is revoked on its columns too.
            if grant.revoke && !column.acl.is_empty() {
                asked.0 = asked.0 | (wanted.rights & Guarded::Column.all());
            }
            if asked.0.is_empty() {
                continue;
            }
            let access = Access::new(&set.shared, Guarded::Column, owner, &column.acl);
            // Who may grant on the whole relation may on its columns.
            let whole = Access::new(&set.shared, guarded, owner, &list);
            let of = format!("column \"{}\" of relation \"{name}\"", column.name);
            let subject = ("column", format!("\"{}\" of relation \"{name}\"", column.name), of);
            if let Some(access) = self.regrant(grant, access, Some(whole), &subject, asked, grantees)? {
                changed.push((Some(place), access.into_list()));
            }
        }
        // Columns are visited in their order, after the object itself.
        let mut at = None;
        entry.change_lists(|(_, _, list)| {
            if let Some((_, new)) = changed.iter_mut().find(|(place, _)| *place == at) {
                *list = std::mem::take(new);
            }
            at = Some(at.map_or(0, |place| place + 1));
            Ok(())
        })?;
        self.put(entry)
    }

    /// One list with the change made, if there is anything that the user can change. Errors: 42501 for a user without any
    /// privilege on the object, and those of the change.
    fn regrant<'a>(
        &self,
        grant: &GrantStatement,
        mut access: Access<'a>,
        whole: Option<Access<'a>>,
        (what, name, of): &(&str, String, String),
        (wanted, all): (Rights, bool),
        grantees: &[Oid],
    ) -> Result<Option<Access<'a>>> {
        let everything = Guarded::Table.all() | Guarded::Sequence.all() | Guarded::Schema.all();
        let everything = everything | Guarded::Database.all() | Guarded::Function.all();
        let (mut grantor, mut available) = access.grantor(self.user(), wanted);
        let mut any = access.held(grantor, everything);
        if let Some(whole) = &whole {
            let (other, more) = whole.grantor(self.user(), wanted);
            if more.count() > available.count() {
                (grantor, available) = (other, more);
            }
            any = any | whole.held(grantor, everything);
        }
        if available.is_empty() && any.is_empty() {
            return Err(crate::exec::privilege::denied(what, name));
        }
        if available != wanted && (available.is_empty() || !all) {
            let number = if available.is_empty() { "no" } else { "not all" };
            let (state, done) = if grant.revoke { ("01006", "could be revoked") } else { ("01007", "were granted") };
            let text = format!("{number} privileges {done} for {of}");
            self.backend.notice(SqlError::notice(Severity::Warning, SqlState::new(state), text));
        }
        if available.is_empty() {
            return Ok(None);
        }
        for grantee in grantees {
            if grant.revoke {
                access.revoke(grantor, *grantee, available, grant.grant_option, grant.cascade)?;
            } else {
                access.grant(grantor, *grantee, available, grant.grant_option)?;
            }
        }
        Ok(Some(access))
    }

    /// The privileges that are named, for a kind of object. Errors: 42601 for no privilege, 0LP01 for one that the kind
    /// does not have, 42703 for a column.
    fn wanted(&self, grant: &GrantStatement, kind: &str, guarded: Guarded, name: &str) -> Result<Wanted> {
        let invalid = |text: String| SqlError::new(SqlState::new("0LP01"), text);
        let relation = guarded == Guarded::Table || guarded == Guarded::Sequence && kind == "TABLE";
        let mut wanted = Wanted { rights: Rights::default(), all: false, columns: Vec::new() };
        for (word, columns) in &grant.privileges {
            let word = word.to_uppercase();
            let all = word == "ALL" || word == "ALL PRIVILEGES";
            let found = match Privilege::named(&word) {
                Some(found) => Rights::of(&[found]),
                None if all => guarded.all(),
                None => {
                    let text = format!("unrecognized privilege type \"{}\"", word.to_lowercase());
                    return Err(SqlError::syntax(text));
                }
            };
            if !columns.is_empty() {
                if !relation {
                    return Err(invalid("column privileges are only valid for relations".to_owned()));
                }
                let rights = if all { Guarded::Column.all() } else { found };
                if !rights.without(Guarded::Column.all()).is_empty() {
                    return Err(invalid(format!("invalid privilege type {word} for column")));
                }
                wanted.columns.extend(columns.iter().map(|column| (column.clone(), rights, all)));
                continue;
            }
            let possible = if relation { Guarded::Table.all() | Guarded::Sequence.all() } else { guarded.all() };
            if !found.without(possible).is_empty() {
                let of = match kind {
                    "TABLE" | "" => "relation".to_owned(),
                    other => other.trim_start_matches("ALL ").trim_end_matches("S IN SCHEMA").to_lowercase(),
                };
                return Err(invalid(format!("invalid privilege type {word} for {of}")));
            }
            if guarded == Guarded::Table && !found.without(guarded.all()).is_empty() {
                return Err(invalid(format!("invalid privilege type {word} for table")));
            }
            wanted.all |= all;
            wanted.rights = wanted.rights | found;
        }
        if guarded == Guarded::Sequence && !wanted.rights.without(guarded.all()).is_empty() {
            let text = format!("sequence \"{name}\" only supports USAGE, SELECT, and UPDATE privileges");
            self.backend.notice(SqlError::notice(Severity::Warning, SqlState::WARNING, text));
            wanted.rights = wanted.rights & guarded.all();
        }
        Ok(wanted)
    }

    fn grantees(&self, grant: &GrantStatement) -> Result<Vec<Oid>> {
        let one = |name: &String| if name == "public" { Ok(0) } else { self.role(name).map(|def| def.oid) };
        grant.grantees.iter().map(one).collect()
    }

    /// ALTER DEFAULT PRIVILEGES. Errors: 42704, 3F000, 42501 for a role that the user is not a member of, 0LP01 for a
    /// privilege that the kind of object does not have and for schemas in a schema.
    pub(super) fn alter_default_privileges(&self, change: &DefaultPrivileges) -> Result<String> {
        let invalid = |text: &str| Err(SqlError::new(SqlState::new("0LP01"), text.to_owned()));
        let kind = change.grant.objects.first().map_or("", bare);
        let (kind, word) = match kind {
            "tables" => ('r', "TABLE"),
            "sequences" => ('S', "SEQUENCE"),
            "functions" | "routines" => ('f', "FUNCTION"),
            "types" => ('T', "TYPE"),
            "schemas" if change.schemas.is_empty() => ('n', "SCHEMA"),
            "schemas" => return invalid("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS"),
            _ => return Err(SqlError::syntax(format!("syntax error at or near \"{kind}\""))),
        };
        let mut roles = Vec::new();
        for name in &change.roles {
            let role = self.role(name)?.oid;
            if !self.may_act_for(role) {
                return Err(SqlError::new(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    "permission denied to change default privileges",
                ));
            }
            roles.push(role);
        }
        if roles.is_empty() {
            roles.push(self.user());
        }
        let mut schemas = Vec::new();
        for name in &change.schemas {
            let found = self.catalog()?.schema_by_name(name).map(|def| def.oid);
            schemas.push(found.ok_or_else(|| {
                SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"))
            })?);
        }
        if schemas.is_empty() {
            schemas.push(0);
        }
        let (database, set, grantees) = (self.backend.database, self.set(), self.grantees(&change.grant)?);
        let Some(def) = set.shared.database(database).cloned() else { return Ok(String::new()) };
        let mut changed = (*def).clone();
        for (role, schema) in roles.iter().flat_map(|role| schemas.iter().map(move |schema| (*role, *schema))) {
            let same = |one: &DefaultAcl| (one.role, one.schema, one.kind) == (role, schema, kind);
            let place = changed.default_acls.iter().position(same);
            let mut acl = place.map(|place| changed.default_acls[place].acl.clone()).unwrap_or_default();
            let guarded = built_in(kind);
            let plain = guarded.defaults(role);
            if acl.is_empty() && schema == 0 {
                acl.clone_from(&plain);
            }
            // A list that is empty would be filled with the owner's own: what a schema adds has none.
            let nobody = AclItem { grantee: Oid::MAX, grantor: role, privileges: vec![(Privilege::Select, false)] };
            acl.push(nobody);
            let wanted = self.wanted(&change.grant, word, guarded, "")?;
            let mut access = Access::new(&set.shared, guarded, role, &acl);
            for grantee in &grantees {
                if change.grant.revoke {
                    let (option, cascade) = (change.grant.grant_option, change.grant.cascade);
                    access.revoke(role, *grantee, wanted.rights, option, cascade)?;
                } else {
                    access.grant(role, *grantee, wanted.rights, change.grant.grant_option)?;
                }
            }
            let mut acl = access.into_list();
            acl.retain(|item| item.grantee != Oid::MAX);
            let oid = place.map_or_else(|| self.allocate_oid(), |place| changed.default_acls.remove(place).oid);
            if !(acl.is_empty() && schema != 0 || schema == 0 && acl == plain) {
                changed.default_acls.push(DefaultAcl { oid, role, schema, kind, acl });
            }
        }
        self.put(Entry::Database(Arc::new(changed)))?;
        Ok("ALTER DEFAULT PRIVILEGES".to_owned())
    }

    /// The access list that an object of a kind starts with when the user makes it in a schema.
    pub(super) fn default_acl(&self, kind: char, schema: Oid) -> Vec<AclItem> {
        let set = self.set();
        let (user, database) = (self.user(), set.shared.database(self.backend.database));
        let of = |schema: Oid| {
            let mut all = database.into_iter().flat_map(|def| &def.default_acls);
            all.find(|one| (one.role, one.schema, one.kind) == (user, schema, kind)).map(|one| one.acl.clone())
        };
        let (everywhere, here) = (of(0), if schema == 0 { None } else { of(schema) });
        let Some(here) = here else { return everywhere.unwrap_or_default() };
        let mut acl = everywhere.unwrap_or_else(|| built_in(kind).defaults(user));
        for item in here {
            match acl.iter_mut().find(|own| own.grantee == item.grantee) {
                Some(own) => {
                    for (privilege, option) in item.privileges {
                        own.privileges.retain(|(other, _)| *other != privilege);
                        own.privileges.push((privilege, option));
                    }
                }
                None => acl.push(item),
            }
        }
        acl
    }

    /// GRANT and REVOKE of membership. Errors: 42704; 42501 without CREATEROLE and ADMIN OPTION, or for a superuser's role
    /// without being one; 0LP01 for a loop.
    fn grant_roles(&self, grant: &GrantStatement) -> Result<()> {
        for name in &grant.objects {
            let role = self.role(bare(name))?;
            self.may_grant_role(&role)?;
            for grantee in &grant.grantees {
                let member = self.role(grantee)?;
                if grant.revoke {
                    self.revoke_membership(&role, &member, grant.grant_option)?;
                } else {
                    self.grant_membership(&role, &member, grant.grant_option)?;
                }
            }
        }
        Ok(())
    }

    fn may_grant_role(&self, role: &RoleDef) -> Result<()> {
        let set = self.set();
        let denied = |text: String| Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text));
        let Some(own) = set.shared.role(self.user()) else { return denied("must be superuser".to_owned()) };
        if own.superuser {
            return Ok(());
        }
        if role.superuser {
            return denied("must be superuser to alter superusers".to_owned());
        }
        let admin = set.shared.roles().any(|def| {
            def.member_of.iter().any(|(oid, admin)| *oid == role.oid && *admin)
                && set.shared.is_member(own.oid, def.oid)
        });
        if own.create_role || admin {
            return Ok(());
        }
        denied(format!("must have admin option on role \"{}\"", role.name))
    }

    fn grant_membership(&self, role: &RoleDef, member: &RoleDef, admin: bool) -> Result<()> {
        if self.set().shared.is_member(role.oid, member.oid) {
            return Err(SqlError::new(
                SqlState::new("0LP01"),
                format!("role \"{}\" is a member of role \"{}\"", role.name, member.name),
            ));
        }
        let before = member.member_of.iter().find(|(oid, _)| *oid == role.oid).map(|(_, admin)| *admin);
        if before.is_some_and(|before| before || !admin) {
            let text = format!("role \"{}\" is already a member of role \"{}\"", member.name, role.name);
            self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
            return Ok(());
        }
        let mut changed = member.clone();
        changed.member_of.retain(|(oid, _)| *oid != role.oid);
        changed.member_of.push((role.oid, admin));
        self.put(Entry::Role(Arc::new(changed)))
    }

    fn revoke_membership(&self, role: &RoleDef, member: &RoleDef, option_only: bool) -> Result<()> {
        let mut changed = member.clone();
        let Some(place) = changed.member_of.iter().position(|(oid, _)| *oid == role.oid) else {
            self.backend.notice(SqlError::notice(
                Severity::Warning,
                SqlState::WARNING,
                format!("role \"{}\" is not a member of role \"{}\"", member.name, role.name),
            ));
            return Ok(());
        };
        if option_only {
            changed.member_of[place].1 = false;
        } else {
            changed.member_of.remove(place);
        }
        self.put(Entry::Role(Arc::new(changed)))
    }
}

/// A relation as it is kept. Errors: 42809 for an index.
fn relation_entry(relation: Relation) -> Result<Entry> {
    Ok(match relation {
        Relation::Table(def) => Entry::Table(def),
        Relation::View(def) => Entry::View(def),
        Relation::Sequence(def) => Entry::Sequence(def),
        Relation::Index(def, place) => {
            let text = format!("\"{}\" is an index", def.indexes[place].name);
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
        }
    })
}
