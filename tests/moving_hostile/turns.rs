//! Who may bring, how often, and how many at a time.

use neospace_tests::{
    Person, Server, pictures,
    zips::{Contents, id_of, post, script, version},
};
use serde_json::json;

use super::{server, standing};

#[test]
fn only_members_bring_and_only_to_their_own_walls() {
    let server = server();
    let ana = server.person("ana");
    let honest = Contents::honest(1).bytes();
    server.guest().bring_to(&honest).expect(401);
    assert_eq!(
        server
            .guest()
            .request("GET", "/settings/import")
            .header("accept", "text/html")
            .send()
            .see_other(),
        "/login?next=/settings/import"
    );
    for path in ["/settings/import/bring", "/settings/import/discard"] {
        server.guest().post_json(path, &[("how", "add")]).expect(401);
    }
    server.guest().get("/settings/import/rooms").expect(401);
    // No token reaches it, and no other site.
    let program = ana.program(&["walls:read", "walls:write"]);
    assert!(matches!(program.bring_to(&honest).status, 401 | 403));
    ana.request("POST", "/settings/import")
        .header("sec-fetch-site", "cross-site")
        .body("application/zip", honest.clone())
        .send()
        .expect(403);
    // Nothing waits, so nothing comes.
    ana.post_json("/settings/import/bring", &[("how", "add")]).expect(404);
    ana.bring_to(&honest).expect(201);
    ana.post_json("/settings/import/bring", &[]).expect(422);
    ana.post_json("/settings/import/bring", &[("how", "burn")]).expect(422);
    ana.post_json("/settings/import/bring", &[("how", "add"), ("part", "password")])
        .expect(422);
    ana.post_json("/settings/import/bring", &[("how", "add"), ("parts", "1")])
        .expect(422);
    assert!(!server.guest().get("/wall/ana").text().contains("A first post"));
}

#[test]
fn the_same_archive_does_not_come_twice() {
    let server = server();
    let ana = server.person("ana");
    let work = id_of(0x33);
    let contents = Contents::honest(1)
        .media(&id_of(0x55), "image", &pictures::png(20, 20))
        .list("data/scripts.jsonl", &[script(&work, "waves")])
        .list("data/script-versions.jsonl", &[version(&work, 1, "// x")])
        .list(
            "data/post-drafts.jsonl",
            &[json!({ "post": null, "fields": [["body", "half a thought"]], "updated_at": 1 })],
        );
    ana.brings(&contents.bytes(), "add");
    let once = standing(&server, &ana);
    ana.bring_to(&contents.bytes()).expect(201);
    let page = ana
        .request("GET", "/settings/import")
        .header("accept", "text/html")
        .send()
        .expect(200)
        .text();
    assert!(page.contains("You brought this on"), "the page says so before");
    let refusal = ana
        .post_json("/settings/import/bring", &[("how", "add")])
        .expect(409)
        .json();
    assert!(
        refusal["detail"]
            .as_str()
            .is_some_and(|why| why.contains("doesn't come twice")),
        "{refusal}"
    );
    // In place of what is there, there is as much as before.
    let shown = |server: &Server| {
        let count = |table: &str, standing: &str| -> i64 {
            server
                .database()
                .query_row(&format!("select count(*) from {table} {standing}"), [], |row| {
                    row.get(0)
                })
                .expect("a number")
        };
        let standing = "where removed_at is null";
        [
            count("posts", standing),
            count("stickers", standing),
            count("scripts", ""),
            count("media", ""),
            count("post_drafts", ""),
        ]
    };
    let before = shown(&server);
    assert_eq!(before, [1, 1, 1, 1, 1], "{once:?}");
    assert_eq!(ana.bring(&[("how", "replace")])["state"], "none");
    assert_eq!(shown(&server), before);
}

#[test]
fn a_few_are_looked_through_at_a_time_and_others_are_asked_to_wait() {
    let server = server();
    let people: Vec<Person> = (0..6).map(|n| server.person(&format!("person{n}"))).collect();
    let heavy = Contents::honest(1)
        .list(
            "data/posts.jsonl",
            &(0..3_000).map(|n| post(n, &"word ".repeat(300))).collect::<Vec<_>>(),
        )
        .bytes();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = people
            .iter()
            .map(|person| scope.spawn(|| person.bring_to(&heavy).status))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("an answer"))
            .collect()
    });
    assert!(answers.iter().all(|status| matches!(status, 201 | 429)), "{answers:?}");
    assert!(answers.contains(&201), "{answers:?}");
    // Pages come meanwhile and after.
    server.guest().get("/").expect(200);
}
