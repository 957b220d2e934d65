//! Roles: CREATE, ALTER, DROP ROLE and USER. Passwords are stored as SCRAM verifiers, never in clear (PG-10).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::Ddl;
use crate::catalog::{AclItem, BOOTSTRAP_ROLE, DefaultAcl, Entry, EntryKey, RoleDef};
use crate::env::Rng;
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{RoleOption, SettingChange};
use crate::types::{DataType, Value, from_text};

const SCRAM_ITERATIONS: u32 = 4096;

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The SCRAM-SHA-256 verifier of a password with a fresh salt, in PostgreSQL's text form.
pub(crate) fn scram_verifier(password: &str, rng: &dyn Rng) -> String {
    let prepared = stringprep::saslprep(password).map_or_else(|_| password.to_owned(), std::borrow::Cow::into_owned);
    let mut salt = [0u8; 16];
    rng.fill(&mut salt);
    let mut block = keyed(prepared.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut salted = block;
    for _ in 1..SCRAM_ITERATIONS {
        block = keyed(prepared.as_bytes(), &block);
        salted.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    let stored: [u8; 32] = Sha256::digest(keyed(&salted, b"Client Key")).into();
    let server = keyed(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${SCRAM_ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

impl Ddl<'_> {
    /// A role by name; CURRENT_USER and its like too. Errors: 42704.
    pub(super) fn role(&self, name: &str) -> Result<Arc<RoleDef>> {
        let set = self.set();
        let found = match name {
            "current_user" | "current_role" => set.shared.role(self.user()),
            "session_user" => set.shared.role(self.backend.session_user.get()),
            other => set.shared.role_by_name(other),
        };
        found
            .cloned()
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")))
    }

    fn may_make_roles(&self, superuser: bool) -> Result<()> {
        let own = self.set().shared.role(self.user()).cloned();
        if own.as_ref().is_some_and(|own| own.superuser || (own.create_role && !superuser)) {
            return Ok(());
        }
        let text = if superuser {
            "must be superuser to alter superuser roles or change superuser attribute"
        } else {
            "permission denied to create role"
        };
        Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text))
    }

    fn apply_role_options(&self, def: &mut RoleDef, options: &[RoleOption]) -> Result<Vec<(String, bool)>> {
        let mut members = Vec::new();
        for option in options {
            match option {
                RoleOption::Superuser(on) => def.superuser = *on,
                RoleOption::CreateDb(on) => def.create_db = *on,
                RoleOption::CreateRole(on) => def.create_role = *on,
                RoleOption::Inherit(on) => def.inherit = *on,
                RoleOption::Login(on) => def.login = *on,
                RoleOption::Replication(on) => def.replication = *on,
                RoleOption::BypassRls(on) => def.bypass_rls = *on,
                RoleOption::ConnectionLimit(limit) => def.connection_limit = *limit,
                RoleOption::Password(None) => def.password = None,
                RoleOption::Password(Some(text)) => def.password = self.password(text)?,
                RoleOption::ValidUntil(text) => {
                    let style = self.backend.settings.borrow().style.clone();
                    def.valid_until = match from_text(text, DataType::TIMESTAMPTZ, &style)? {
                        Value::TimestampTz(moment) => Some(moment),
                        _ => None,
                    };
                }
                RoleOption::InRole(roles) => {
                    for role in roles {
                        let parent = self.role(role)?.oid;
                        if !def.member_of.iter().any(|(oid, _)| *oid == parent) {
                            def.member_of.push((parent, false));
                        }
                    }
                }
                RoleOption::Role(roles) => members.extend(roles.iter().map(|role| (role.clone(), false))),
                RoleOption::Admin(roles) => members.extend(roles.iter().map(|role| (role.clone(), true))),
            }
        }
        Ok(members)
    }

    fn password(&self, text: &str) -> Result<Option<String>> {
        if text.is_empty() {
            self.notice(
                SqlState::SUCCESSFUL_COMPLETION,
                "empty string is not a valid password, clearing password".to_owned(),
            );
            return Ok(None);
        }
        if text.starts_with("SCRAM-SHA-256$") {
            return Ok(Some(text.to_owned()));
        }
        if text.starts_with("md5") && text.len() == 35 {
            return Err(SqlError::unsupported("an md5 password"));
        }
        Ok(Some(scram_verifier(text, &*self.backend.shared.env.rng)))
    }

    pub(super) fn create_role(&self, name: &str, options: &[RoleOption], user: bool) -> Result<String> {
        self.may_make_roles(options.contains(&RoleOption::Superuser(true)))?;
        if name.starts_with("pg_") || ["public", "none"].contains(&name) {
            return Err(SqlError::new(SqlState::RESERVED_NAME, format!("role name \"{name}\" is reserved")));
        }
        if self.set().shared.role_by_name(name).is_some() {
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("role \"{name}\" already exists")));
        }
        let mut def = RoleDef {
            oid: self.allocate_oid(),
            name: name.to_owned(),
            inherit: true,
            login: user,
            connection_limit: -1,
            ..RoleDef::default()
        };
        let members = self.apply_role_options(&mut def, options)?;
        let oid = def.oid;
        self.put(Entry::Role(Arc::new(def)))?;
        for (member, admin) in members {
            let mut changed = (*self.role(&member)?).clone();
            changed.member_of.push((oid, admin));
            self.put(Entry::Role(Arc::new(changed)))?;
        }
        Ok("CREATE ROLE".to_owned())
    }

    pub(super) fn alter_role(
        &self,
        name: &str,
        options: &[RoleOption],
        rename: Option<&str>,
        set: Option<&SettingChange>,
        database: Option<&str>,
    ) -> Result<String> {
        let def = self.role(name)?;
        let only_password = options.iter().all(|option| matches!(option, RoleOption::Password(_)));
        if !(def.oid == self.user() && rename.is_none() && only_password) {
            self.may_make_roles(
                def.superuser || options.iter().any(|option| matches!(option, RoleOption::Superuser(_))),
            )?;
        }
        let mut changed = (*def).clone();
        self.apply_role_options(&mut changed, options)?;
        if let Some(to) = rename {
            if self.set().shared.role_by_name(to).is_some() {
                return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("role \"{to}\" already exists")));
            }
            to.clone_into(&mut changed.name);
        }
        if let Some(change) = set {
            let all = change.value.is_none() && change.name == "all";
            match database {
                None => {
                    changed.settings.retain(|(key, _)| !all && *key != change.name);
                    changed.settings.extend(change.value.clone().map(|value| (change.name.clone(), value)));
                }
                Some(database) => {
                    let found = self.set().shared.database_by_name(database).map(|def| def.oid);
                    let oid = found.ok_or_else(|| super::schema::missing_database(database))?;
                    changed.database_settings.retain(|(of, key, _)| *of != oid || !all && *key != change.name);
                    let kept = change.value.clone().map(|value| (oid, change.name.clone(), value));
                    changed.database_settings.extend(kept);
                }
            }
        }
        self.put(Entry::Role(Arc::new(changed)))?;
        Ok("ALTER ROLE".to_owned())
    }

    pub(super) fn drop_roles(&self, names: &[String], if_exists: bool) -> Result<String> {
        for name in names {
            let Some(def) = self.set().shared.role_by_name(name).cloned() else {
                if if_exists {
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("role \"{name}\" does not exist, skipping"));
                    continue;
                }
                return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")));
            };
            self.may_make_roles(def.superuser)?;
            if def.oid == self.user() {
                return Err(SqlError::new(SqlState::OBJECT_IN_USE, "current user cannot be dropped"));
            }
            if def.oid == BOOTSTRAP_ROLE {
                return Err(SqlError::new(
                    SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("cannot drop role {name} because it is required by the database system"),
                ));
            }
            let owned = self.owned_by(def.oid);
            if !owned.is_empty() {
                return Err(SqlError::new(
                    SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("role \"{name}\" cannot be dropped because some objects depend on it"),
                )
                .detail(owned.join("\n")));
            }
            for member in self.set().shared.roles().filter(|role| role.member_of.iter().any(|(oid, _)| *oid == def.oid))
            {
                let mut changed = (**member).clone();
                changed.member_of.retain(|(oid, _)| *oid != def.oid);
                self.put(Entry::Role(Arc::new(changed)))?;
            }
            self.remove(EntryKey::Role(def.oid))?;
        }
        Ok("DROP ROLE".to_owned())
    }

    /// What a role owns or was granted, as lines of a DETAIL.
    fn owned_by(&self, role: crate::types::Oid) -> Vec<String> {
        let set = self.set();
        let mut lines = Vec::new();
        for def in set.shared.databases().filter(|def| def.owner == role) {
            lines.push(format!("owner of database {}", def.name));
        }
        let defaults = set.shared.databases().flat_map(|def| &def.default_acls);
        let named = |one: &&DefaultAcl| one.role == role || one.acl.iter().any(|item| item.grantee == role);
        lines.extend(defaults.filter(named).map(|one| {
            let what = match one.kind {
                'r' => "relations",
                'S' => "sequences",
                'f' => "functions",
                'T' => "types",
                _ => "schemas",
            };
            let of = set.shared.role(one.role).map(|def| def.name.clone()).unwrap_or_default();
            if one.role == role {
                format!("owner of default privileges on new {what} belonging to role {of}")
            } else {
                format!("privileges for default privileges on new {what} belonging to role {of}")
            }
        }));
        let item = |item: &AclItem| item.grantee == role || item.grantor == role;
        let databases = set.shared.databases().cloned().map(Entry::Database);
        for entry in set.databases().flat_map(|catalog| catalog.owned()).chain(databases) {
            let Some((_, owner, list)) = entry.guard() else { continue };
            let (what, name) = entry.described();
            let name: String = match &entry {
                Entry::Function(def) => super::function::signature(def),
                _ => name.to_owned(),
            };
            let owned = matches!(&entry, Entry::Sequence(def) if def.owned_by.is_some());
            if owner == role && !owned && !matches!(entry, Entry::Database(_)) {
                lines.push(format!("owner of {what} {name}"));
            }
            if owner != role && list.iter().any(item) {
                lines.push(format!("privileges for {what} {name}"));
            }
            let columns = entry.columns().iter().filter(|column| !column.dropped && column.acl.iter().any(item));
            if owner != role {
                lines.extend(columns.map(|column| format!("privileges for column {} of {what} {name}", column.name)));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SeededRng;

    // PG-10: the verifier has PostgreSQL's form and does not hold the password.
    #[test]
    fn verifiers_have_the_form_of_postgresql() {
        let verifier = scram_verifier("secret", &SeededRng::new(1));
        let parts: Vec<&str> = verifier.split(['$', ':']).collect();
        assert_eq!((parts[0], parts[1], parts.len()), ("SCRAM-SHA-256", "4096", 5));
        assert_eq!(STANDARD.decode(parts[3]).expect("base64").len(), 32);
        assert!(!verifier.contains("secret"));
    }
}
