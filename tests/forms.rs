//! Every form of every page, filled in wrongly in every way: each time a clear refusal, or a change that makes sense;
//! never our fault, never markup of the visitor's, and what was typed is kept.

use std::collections::BTreeSet;

use neospace_tests::{Answer, Person, Server, forms::Form};

/// A text that can be recognised, and would be markup if it weren't escaped.
const TYPED: &str = "<xss onload=alert(1)>\"'&";

/// Pages on which ana finds all forms that there are.
const PAGES: [&str; 28] = [
    "/login",
    "/register",
    "/settings",
    "/wall/ana",
    "/wall/ana?edit=1",
    "/wall/ana?edit=1&tab=you",
    "/wall/ana?edit=1&tab=look",
    "/wall/ana?edit=1&tab=css",
    "/wall/ana?edit=1&tab=stickers",
    "/wall/ana?edit=1&tab=posts",
    "/wall/ana?edit=1&tab=scripts",
    "/wall/ana?edit=1&tab=sound",
    "/wall/ana?edit=1&tab=found",
    "/wall/ana/posts/new",
    "/wall/ana/posts/new?kind=link",
    "/wall/ana/posts/new?kind=image",
    "/wall/ana/posts/new?kind=script",
    "/wall/cyd/remix",
    "/sandbox",
    "/library",
    "/neighbourhoods",
    "/directory",
    "/settings/import",
    "/rooms",
    "/rooms/lobby/people",
    "/welcome",
    "/logout",
    "/plugins/guestbook",
];

struct Site {
    server: Server,
    ana: Person,
    forms: Vec<Form>,
}

/// A wall with modules on it, and all forms that its owner and a guest find, one of each kind.
fn site() -> Site {
    let server = Server::builder().plugins(&["guestbook", "mood", "poll"]).start();
    let ana = server.person("ana");
    for plugin in ["guestbook", "mood", "poll"] {
        ana.post("/wall/ana/modules", &[("plugin", plugin)]).see_other();
    }
    server
        .person("cyd")
        .post("/wall/cyd/look/start", &[("start", "kitchen")])
        .see_other();
    let guest = server.guest();
    let wall = ana.get("/wall/ana?edit=1").expect(200).text();
    let ids = wall
        .split("id=\"module-")
        .skip(1)
        .filter_map(|piece| piece.split('"').next());
    let set = ids
        .map(|id| format!("/wall/ana?edit=1&module={id}"))
        .collect::<BTreeSet<_>>();
    let mut seen = BTreeSet::new();
    let mut forms = Vec::new();
    for person in [&ana, &guest] {
        for page in PAGES.iter().map(|page| page.to_string()).chain(set.iter().cloned()) {
            let answer = person.get(&page);
            // Files come in another form than fields: media.rs and moving.rs send those.
            let without_files = |form: &Form| form.fields.iter().all(|field| field.kind != "file");
            for form in answer.forms().into_iter().filter(without_files) {
                let names: Vec<_> = form.fields.iter().map(|field| field.name.clone()).collect();
                let kind: String = form
                    .action
                    .chars()
                    .filter(|character| !character.is_ascii_digit())
                    .collect();
                if seen.insert((kind, names)) {
                    forms.push(form);
                }
            }
        }
    }
    assert!(forms.len() >= 12, "only these forms were found: {forms:#?}");
    Site { server, ana, forms }
}

/// Whether an answer is one that a visitor may get: a change, or a refusal that says something; and nothing of what was
/// typed has become markup.
fn check(what: &str, form: &Form, answer: &Answer) {
    let told = || format!("{what}, sent to {}: {} {}", form.action, answer.status, answer.text());
    assert!(
        matches!(
            answer.status,
            200 | 303 | 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 429
        ),
        "{}",
        told()
    );
    let text = answer.text();
    assert!(!text.contains("<xss"), "{}", told());
    if answer.status >= 400 {
        assert!(
            text.contains("<h1") || text.contains("role=\"alert\"") || text.contains("class=\"error\""),
            "no sentence: {}",
            told()
        );
    }
}

/// Who may send a form without losing the session that the others need.
fn sender(site: &Site, form: &Form) -> Person {
    let leaves = [
        "/logout",
        "/login",
        "/register",
        "/settings/sessions",
        "/settings/password",
    ];
    if leaves.iter().any(|path| form.action.starts_with(path)) {
        site.server.guest()
    } else {
        site.ana.clone()
    }
}

#[test]
fn a_form_without_its_fields_is_refused_or_means_what_it_says() {
    let site = site();
    for form in &site.forms {
        check("nothing", form, &sender(&site, form).post(&form.action, &[]));
        for left_out in &form.fields {
            let mut fields = form.fields();
            fields.retain(|(name, _)| *name != left_out.name);
            check(
                &format!("without {}", left_out.name),
                form,
                &sender(&site, form).post(&form.action, &fields),
            );
        }
    }
}

#[test]
fn what_is_too_long_or_of_the_wrong_type_is_refused_and_kept_in_its_field() {
    let site = site();
    let long = "ä".repeat(40_000);
    let values = [
        TYPED,
        &long,
        "-1",
        "99999999999999999999",
        "1e400",
        "NaN",
        "2026-13-45T99:99",
        "\u{202e}\u{200b}\u{feff}",
        "../../etc/passwd",
        "a\r\nSet-Cookie: x=y",
        "%00",
        "null",
    ];
    let mut kept = 0;
    for form in &site.forms {
        for field in &form.fields {
            for value in values {
                let mut fields = form.fields();
                fields
                    .iter_mut()
                    .filter(|(name, _)| *name == field.name)
                    .for_each(|(_, its)| *its = value);
                let answer = sender(&site, form).post(&form.action, &fields);
                let shown = value.chars().take(30).collect::<String>();
                check(&format!("{} = {shown:?}", field.name), form, &answer);
                assert!(
                    !answer.header("set-cookie").contains("x=y"),
                    "{} writes headers",
                    field.name
                );
                // Of a refused form, what was typed into its lines is still there.
                let line = field.kind == "text" || field.kind == "textarea" || field.kind == "search";
                if answer.status == 422 && line && value == TYPED {
                    let back = answer
                        .forms()
                        .into_iter()
                        .flat_map(|form| form.fields)
                        .filter(|its| its.name == field.name);
                    let back: Vec<_> = back.map(|field| field.value).collect();
                    assert!(
                        back.iter().any(|back| back == value),
                        "{} of {} was lost: {back:?}\n{}",
                        field.name,
                        form.action,
                        answer.text()
                    );
                    kept += 1;
                }
            }
        }
    }
    assert!(kept >= 3, "only {kept} fields were refused and came back");
    site.ana.get("/wall/ana").expect(200);
}

#[test]
fn what_is_wrongly_encoded_is_refused() {
    let site = site();
    let form_type = "application/x-www-form-urlencoded";
    for form in &site.forms {
        let sender = sender(&site, form);
        let send = |kind: &str, body: &[u8]| sender.request("POST", &form.action).body(kind, body).send();
        let name = form.fields.first().map_or("x", |field| field.name.as_str());
        for body in [format!("{name}=%ff%fe"), format!("{name}=%00"), format!("%ff={name}")] {
            let answer = send(form_type, body.as_bytes());
            check(&body, form, &answer);
            // What reads no field need not mind; nobody else may take it.
            assert!(
                answer.status >= 400 || form.fields.is_empty(),
                "{body} was taken by {}: {}",
                form.action,
                answer.status
            );
        }
        for kind in ["text/plain", "multipart/form-data; boundary=x"] {
            let answer = send(kind, format!("{name}=x").as_bytes());
            check(kind, form, &answer);
            assert!(
                answer.status >= 400 || form.fields.is_empty(),
                "{kind} was taken by {}",
                form.action
            );
        }
    }
}

#[test]
fn no_form_of_mine_can_be_sent_by_a_stranger() {
    let site = site();
    let (bob, guest) = (site.server.person("bob"), site.server.guest());
    let before = site.ana.get("/wall/ana?edit=1").expect(200).text();
    let mine: Vec<_> = site
        .forms
        .iter()
        .filter(|form| form.action.starts_with("/wall/ana/") && !form.action.ends_with("/act"))
        .collect();
    assert!(mine.len() >= 5, "only {} forms of ana's wall were found", mine.len());
    for form in mine {
        for person in [&bob, &guest] {
            let answer = person.post(&form.action, &form.fields());
            let refused = matches!(answer.status, 401 | 403 | 404 | 422)
                || answer.status == 303 && answer.header("location").starts_with("/login");
            assert!(
                refused,
                "{} could send {}: {} {}",
                person.name,
                form.action,
                answer.status,
                answer.text()
            );
        }
    }
    let after = site.ana.get("/wall/ana?edit=1").expect(200).text();
    let ids = |page: &str| page.matches("id=\"module-").count() + page.matches("class=\"stick").count();
    assert_eq!(ids(&before), ids(&after));
}

#[test]
fn walls_and_pages_that_there_are_not_are_not_found() {
    let site = site();
    for path in [
        "/wall/nobody-here",
        "/wall/a",
        "/wall/ANA%00",
        "/wall/%2F%2FEVIL.example",
        "/wall/ANA%0d%0aSet-Cookie:%20x=y",
        "/wall/ana/modules/0",
        "/wall/ana/modules/99999999",
        "/wall/ana/modules/99999999999999999999999",
        "/wall/ana/modules/-1",
        "/wall/ana/modules/x",
        "/plugins/nothing",
        "/plugins/../etc",
        "/settings/sessions/1",
    ] {
        let mut answer = site.ana.get(path);
        if answer.status == 308 {
            let name = answer.header("location").to_owned();
            assert!(name.starts_with("/wall/"), "{path} leads to {name}");
            answer = site.ana.get(&name);
        }
        assert!(matches!(answer.status, 404 | 405), "{path}: {}", answer.status);
    }
    for path in [
        "/wall/nobody-here/profile",
        "/wall/nobody-here/modules",
        "/wall/ana/modules/99999999/remove",
        "/wall/ana/modules/x/act",
        "/settings/notices/x",
    ] {
        let answer = site.ana.post(path, &[("plugin", "guestbook"), ("token", "x")]);
        assert!(matches!(answer.status, 403 | 404), "{path}: {}", answer.status);
    }
    for query in [
        "?edit=yes&module=x",
        "?edit=1&module=99999999999999999999",
        "?safe=maybe",
        "?tab=%ff",
        "?edit=1&tab=none",
        "?edit=1&edit=2",
    ] {
        let answer = site.ana.get(&format!("/wall/ana{query}"));
        assert!(
            matches!(answer.status, 200 | 303 | 400 | 404),
            "{query}: {}",
            answer.status
        );
    }
    for query in ["?q=%ff", "?sort=best", "?after=%00", "?page=-1", "?q=%25"] {
        let answer = site.ana.get(&format!("/directory{query}"));
        assert!(matches!(answer.status, 200 | 400 | 404), "{query}: {}", answer.status);
    }
}
