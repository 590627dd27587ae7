//! The configuration file: what is wrong is said with file, line and what is allowed, and a running server keeps what
//! it has.

use neospace_tests::{Server, eventually};

#[test]
fn a_wrong_configuration_stops_the_start_and_says_where_and_what_is_allowed() {
    for (text, line, said) in [
        ("nmae = \"Kiosk\"\n", 1, &["nmae", "name"][..]),
        (
            "name = \"Kiosk\"\nregistration = \"sometimes\"\n",
            2,
            &["sometimes", "open", "invite", "closed"],
        ),
        ("\n\nlisten = \"here\"\n", 3, &["listen", "127.0.0.1:5000"]),
        ("[limits]\nbody_kib = 1\n", 2, &["body_kib", "16"]),
        ("[limits]\nbody_kib = \"much\"\n", 2, &["much"]),
        ("[limits]\nbodies = 1\n", 2, &["bodies", "body_kib"]),
        (
            "[plugin.lamp]\nsource = \"lamp.wasm\"\n[plugin.lamp.limits]\nrender_ms = 0\n",
            4,
            &["render_ms", "1 to 60000"],
        ),
        ("name = \"Kiosk\norigin = 1\n", 1, &[]),
        ("name = \"A\"\nname = \"B\"\n", 2, &["name", "duplicate"]),
        ("origin = \"kiosk.example/wall\"\n", 1, &["origin", "https://"]),
        ("registration = \"invite\"\n", 1, &["invite_codes"]),
        (
            "registration = \"invite\"\ninvite_codes = [\"1234\"]\n",
            2,
            &["8 characters"],
        ),
        ("[plugins]\nrevoked = [\"b94d\"]\n", 2, &["SHA-256", "64"]),
        ("[plugin.guestbook]\ngrants = []\n", 1, &["source"]),
        (
            "[plugin.guestbook]\nsource = \"g.wasm\"\ngrants = [\"files\"]\n",
            3,
            &["files", "storage", "viewer-name"],
        ),
        (
            "[plugin.guestbook]\nsource = \"g.wasm\"\nsha256 = \"4f1c\"\n",
            3,
            &["SHA-256"],
        ),
        (
            "[plugin.guestbook]\nsource = \"g.wasm\"\nlimits = { storage = 1 }\n",
            3,
            &["storage_kib"],
        ),
        ("[plugin.Guestbook]\nsource = \"g.wasm\"\n", 1, &["a-z"]),
    ] {
        let (status, log) = Server::builder().refuse_config(text);
        assert_eq!(status.code(), Some(1), "{text}:\n{log}");
        assert!(
            log.contains(&format!("neospace.toml:{line}:")),
            "{text} has its fault in line {line}:\n{log}"
        );
        for word in said {
            assert!(log.contains(word), "{text}: nothing says {word:?}:\n{log}");
        }
        assert!(!log.contains("panicked"), "{text}:\n{log}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let (_, log) = Server::builder().refuse_config("name = \"\"\norigin = \"x\"\n[limits]\nbody_kib = 1\n");
    for line in [1, 2, 4] {
        assert!(
            log.contains(&format!("neospace.toml:{line}:")),
            "nothing about line {line}:\n{log}"
        );
    }
}

#[test]
fn a_variable_overrides_the_file_and_is_named_when_it_is_wrong() {
    let server = Server::builder()
        .config("registration = \"open\"")
        .variable("NEOSPACE_REGISTRATION", "closed")
        .start();
    let ana = server.guest_called("ana");
    ana.post("/register", &ana.registration(&[]).as_fields()).expect(403);

    for (name, value) in [
        ("NEOSPACE_REGISTRATION", "perhaps"),
        ("NEOSPACE_LIMITS__BODY_KIB", "1"),
        ("NEOSPACE_COLOUR", "red"),
    ] {
        let (status, log) = Server::builder().variable(name, value).refuse();
        assert!(
            !status.success() && (log.contains(name) || log.to_uppercase().contains("BODY_KIB")),
            "{name}={value}: {log}"
        );
    }
}

#[test]
fn a_taken_address_and_a_data_folder_in_use_are_said_plainly() {
    let server = Server::start();
    let (status, log) = Server::builder()
        .argument("--listen")
        .argument(&server.address().to_string())
        .refuse();
    assert!(
        !status.success() && log.contains(&server.address().to_string()),
        "{log}"
    );
    let data = server.data();
    let (status, log) = Server::builder()
        .argument("--data")
        .argument(data.to_str().expect("ASCII"))
        .refuse();
    assert!(!status.success() && log.contains("another neospace"), "{log}");
}

#[test]
fn a_changed_file_takes_effect_whole_or_not_at_all() {
    let server = Server::builder()
        .config("registration = \"open\"")
        .expect_in_log("is refused")
        .start();
    server.person("ana");
    server.write_config("registration = \"closed\"\nname = 7\n");
    let said = server
        .log()
        .wait_for(0, |line| line.contains("refused").then(|| line.to_owned()))
        .expect("a broken file is logged");
    assert!(said.contains("neospace.toml:2"), "{said}");
    // The half of it that was right didn't count either.
    server.person("bob");

    server.write_config("registration = \"closed\"\n");
    server
        .log()
        .wait_for(0, |line| line.contains("configuration reloaded").then_some(()))
        .expect("a good file is taken");
    let cyd = server.guest_called("cyd");
    cyd.post("/register", &cyd.registration(&[]).as_fields()).expect(403);
}

#[test]
fn the_operator_reloads_by_hand_too() {
    let server = Server::start();
    let output = server.operator(&["reload", "--data", server.data().to_str().expect("ASCII")]);
    assert!(output.status.success(), "{output:?}");
    server
        .log()
        .wait_for(0, |line| line.contains("configuration reloaded").then_some(()))
        .expect("it reloads");

    server.write_config("nmae = 1");
    let output = server.operator(&["check"]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("neospace.toml:1"),
        "{output:?}"
    );
    server.expect_in_log("is refused");
    eventually("the log to tell of the broken file", || {
        server
            .log()
            .lines()
            .iter()
            .any(|line| line.contains("refused"))
            .then_some(())
    });
}

#[test]
fn closed_registration_and_invitations_are_kept_at_the_door() {
    let server = Server::builder()
        .config("registration = \"invite\"\ninvite_codes = [\"open sesame\"]")
        .start();
    let ana = server.guest_called("ana");
    ana.post("/register", &ana.registration(&[]).as_fields()).expect(422);
    ana.post(
        "/register",
        &ana.registration(&[("invite", "open says me")]).as_fields(),
    )
    .expect(422);
    ana.post("/register", &ana.registration(&[("invite", "open sesame")]).as_fields())
        .see_other();
}
