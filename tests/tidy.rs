//! The house rules that the compiler does not hold: module order, file headers, registration lists, tidy top level.

use std::path::{Path, PathBuf};

/// Modules of `sql`, lowest first; a module uses only itself and earlier ones.
const SQL_LAYERS: &[&str] = &[
    "error", "env", "types", "catalog", "change", "parse", "expr", "store", "plan", "system", "exec", "session",
    "engine",
];
/// Modules of `triggers`, lowest first.
const TRIGGER_LAYERS: &[&str] = &[
    "retry",
    "inbox",
    "kind",
    "internal",
    "source",
    "cursor",
    "script",
    "view",
    "queue",
    "timer",
    "function",
    "callback",
    "relay",
    "registry",
    "signal",
    "fire",
    "sweep",
    "clockwork",
    "feed",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the project").to_path_buf()
}

/// Whether a file holds tests only: a `tests` module has the place of `#[cfg(test)] mod tests`, and may use any layer.
fn is_tests(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "tests")))
}

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a source folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn upward_uses(crate_name: &str, layers: &[&str]) -> Vec<String> {
    let src = root().join(crate_name).join("src");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).expect("found below src");
        let module = inside.iter().next().expect("a file has a name").to_string_lossy().replace(".rs", "");
        let Some(own) = layers.iter().position(|layer| *layer == module) else {
            if !["lib", "main"].contains(&module.as_str()) {
                wrong.push(format!("{crate_name}: module {module} is not in the list of layers"));
            }
            continue;
        };
        if is_tests(inside) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file can be read");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for part in line.split("crate::").skip(1) {
                let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if layers.iter().position(|layer| *layer == name).is_some_and(|place| place > own) {
                    wrong.push(format!("{}: {module} uses {name}, which stands above it", path.display()));
                }
            }
        }
    }
    wrong
}

#[test]
fn modules_use_only_earlier_ones() {
    let wrong = [upward_uses("sql", SQL_LAYERS), upward_uses("triggers", TRIGGER_LAYERS)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_its_header() {
    let mut wrong = Vec::new();
    for crate_name in ["sql", "triggers", "proxy", "tests"] {
        let folder = if crate_name == "tests" { root().join("tests") } else { root().join(crate_name).join("src") };
        for path in sources(&folder) {
            let text = std::fs::read_to_string(&path).expect("a source file can be read");
            if !text.starts_with("//!") {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "without a //! header:\n{}", wrong.join("\n"));
}

#[test]
fn sql_knows_no_wire_no_runtime_and_no_script_language() {
    let manifest = std::fs::read_to_string(root().join("sql/Cargo.toml")).expect("a manifest");
    for name in ["tokio", "pgwire", "mlua", "tripline-triggers", "deadpool"] {
        assert!(!manifest.contains(name), "sql depends on {name}");
    }
}

#[test]
fn triggers_reach_neither_the_store_nor_the_executor() {
    for path in sources(&root().join("triggers/src")) {
        let text = std::fs::read_to_string(&path).expect("a source file can be read");
        for name in ["tripline_sql::store", "tripline_sql::exec"] {
            assert!(!text.contains(name), "{} uses {name}", path.display());
        }
    }
}

#[test]
fn only_the_store_touches_files() {
    for path in sources(&root().join("sql/src")) {
        let inside = path.strip_prefix(root().join("sql/src")).expect("found below src").to_path_buf();
        let text = std::fs::read_to_string(&path).expect("a source file can be read");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        if !inside.starts_with("store/disk") && inside != Path::new("store/disk.rs") && !is_tests(&inside) {
            assert!(!text.contains("std::fs"), "{} does file I/O outside trait Disk", path.display());
        }
    }
}

#[test]
fn the_top_level_stays_tidy() {
    let allowed =
        ["Cargo.toml", "Cargo.lock", "proxy", "triggers", "sql", "tests", "compose.yaml", "README.md", "target"];
    for entry in std::fs::read_dir(root()).expect("the project can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
