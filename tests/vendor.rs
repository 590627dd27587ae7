//! Third-party browser code is what its authors published: every file is listed with its licence and checksum.

use std::{collections::BTreeSet, fs, path::Path};

use neospace_tests::{root, server::sha256};
use toml_edit::{DocumentMut, Item};

/// All files under a folder.
fn files(folder: &Path, found: &mut BTreeSet<String>, above: &Path) {
    for path in fs::read_dir(folder)
        .expect("it can be read")
        .map(|entry| entry.expect("it can be read").path())
    {
        if path.is_dir() {
            files(&path, found, above);
        } else {
            found.insert(path.strip_prefix(above).expect("it lies there").display().to_string());
        }
    }
}

#[test]
fn every_vendored_file_is_the_one_that_was_published() {
    for above in [root().join("static"), root().join("tests")] {
        let list = fs::read_to_string(above.join("vendor/list.toml")).expect("there is a list");
        let list: DocumentMut = list.parse().expect("the list is TOML");
        let mut listed = BTreeSet::from(["vendor/list.toml".to_owned()]);
        for file in list["file"].as_array_of_tables().expect("it lists files") {
            let said = |key: &str| {
                file.get(key)
                    .and_then(Item::as_str)
                    .unwrap_or_else(|| panic!("no {key} in {file}"))
            };
            let path = above.join(said("path"));
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(sha256(&bytes), said("sha256"), "{} was changed", path.display());
            assert!(
                !said("package").is_empty() && !said("version").is_empty() && !said("licence").is_empty(),
                "{file}"
            );
            assert!(
                above.join(said("licence_file")).exists(),
                "{} is missing",
                said("licence_file")
            );
            listed.extend([said("path").to_owned(), said("licence_file").to_owned()]);
        }
        let mut found = BTreeSet::new();
        for folder in ["vendor", "fonts"]
            .map(|name| above.join(name))
            .iter()
            .filter(|folder| folder.exists())
        {
            files(folder, &mut found, &above);
        }
        assert_eq!(found, listed, "files and list differ in {}", above.display());
    }
}
