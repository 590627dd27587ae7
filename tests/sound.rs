//! Sounds: what an upload becomes, what is to be heard on a wall, and a voice that is recorded in the browser.

use neospace_tests::{Browser, Page, Person, Server, eventually, pictures, sounds};
use serde_json::{Value, json};

/// A browser with a microphone that hums, which pages get without being asked about.
fn browser() -> Browser {
    Browser::start_with(&[
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ])
}

fn set(person: &Person, fields: &[(&str, &str)]) -> String {
    let wall = format!("/wall/{}/sound", person.name);
    person.post(&wall, fields).see_other()
}

fn heard(person: &Person, wall: &str) -> Value {
    let asked = person.request("GET", &format!("/wall/{wall}/sound"));
    asked.header("accept", "application/json").send().expect(200).json()
}

/// Whether a browser that is on one of our pages plays an address; how long it says that it is, in seconds.
fn plays(page: &Page, url: &str) -> f64 {
    let script = format!(
        "(async () => {{
            const audio = new Audio({url:?})
            audio.muted = true
            await new Promise((done, failed) => {{ audio.onloadedmetadata = done; audio.onerror = () => failed(new Error(audio.error.message)) }})
            await audio.play()
            await new Promise((done) => {{ audio.ontimeupdate = () => audio.currentTime > 0.2 && done() }})
            return audio.duration
        }})()"
    );
    page.eval(&script).as_f64().expect("a duration")
}

#[test]
fn every_sound_loses_its_tags_and_keeps_its_shape() {
    let server = Server::start();
    let ana = server.person("ana");
    let wav = sounds::wav(22_050, 2, 1_000);
    let all = sounds::ALL.into_iter().chain([("tone.wav", &wav[..], "audio/wav")]);
    for (name, file, becomes) in all {
        let kept = ana.upload(name, file).expect(201).json();
        assert_eq!(kept["kind"], "audio", "{name}");
        let ms = kept["sound"]["duration_ms"].as_u64().expect("a duration");
        assert!((950..=1_120).contains(&ms), "{name} lasts {ms} ms");
        let peaks: Vec<u64> = kept["sound"]["peaks"]
            .as_array()
            .expect("peaks")
            .iter()
            .map(|peak| peak.as_u64().expect("a number"))
            .collect();
        assert_eq!(peaks.len(), 200);
        // It swells and fades: loud in the middle, soft at both ends.
        let middle = *peaks[80..120].iter().max().expect("some");
        assert!(middle >= 240, "{name}: {peaks:?}");
        assert!(peaks[2] < 120 && peaks[197] < 120, "{name}: {peaks:?}");
        assert!(peaks[50] > peaks[10] && peaks[150] > peaks[190], "{name}: {peaks:?}");
        let served = ana.get(kept["url"].as_str().expect("an address")).expect(200);
        assert_eq!(served.header("content-type"), becomes, "{name}");
        for tag in sounds::TAGS {
            assert!(
                memchr::memmem::find(&served.body, tag.as_bytes()).is_none(),
                "{name} still has {tag}"
            );
        }
    }
}

#[test]
fn a_sound_is_served_in_parts() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = ana.uploaded("tone.mp3", sounds::MP3);
    let url = format!("/media/{id}/sound");
    let whole = ana.get(&url).expect(200);
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let part = ana
        .request("GET", &url)
        .header("range", "bytes=100-199")
        .send()
        .expect(206);
    assert_eq!(part.body, whole.body[100..200]);
    assert_eq!(
        part.header("content-range"),
        format!("bytes 100-199/{}", whole.body.len())
    );
    let end = ana.request("GET", &url).header("range", "bytes=-50").send().expect(206);
    assert_eq!(end.body, whole.body[whole.body.len() - 50..]);
    let beyond = ana
        .request("GET", &url)
        .header("range", "bytes=9999999-")
        .send()
        .expect(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", whole.body.len()));
}

#[test]
fn what_comes_out_plays_in_a_browser() {
    let server = Server::start();
    let ana = server.person("ana");
    let browser = browser();
    let page = browser.page_of(&ana);
    page.goto(&server.url("/library"));
    let wav = sounds::wav(44_100, 1, 1_000);
    let all = sounds::ALL.into_iter().chain([("tone.wav", &wav[..], "audio/wav")]);
    for (name, file, kind) in all {
        let id = ana.uploaded(name, file);
        // Free builds of Chromium have no decoder for AAC.
        if page.eval(&format!("new Audio().canPlayType({kind:?})")) == "" {
            assert_eq!(kind, "audio/aac", "{name} must play");
            continue;
        }
        let lasts = plays(&page, &format!("/media/{id}/sound"));
        assert!((0.9..1.2).contains(&lasts), "{name} lasts {lasts} s");
    }
    page.check();
}

#[test]
fn an_anthem_stands_on_the_wall_for_everyone_until_it_is_taken_off() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let id = ana.uploaded("tone.mp3", sounds::MP3);
    let url = format!("/media/{id}/sound");
    bob.get(&url).expect(404);
    assert_eq!(
        set(&ana, &[("anthem", &id), ("anthem_title", "A <b>tone</b>")]),
        "/wall/ana?edit=1&tab=sound"
    );
    let wall = server.guest().get("/wall/ana").expect(200).text();
    assert!(
        wall.contains(&format!("data-src=\"{url}\"")) && wall.contains("A &lt;b&gt;tone&lt;/b&gt;"),
        "{wall}"
    );
    assert!(!wall.contains("autoplay"), "nothing plays by itself");
    let file = server.guest().get(&url).expect(200);
    assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    let library = ana.get("/library").expect(200).text();
    assert!(library.contains("the anthem of ana&#39;s wall"), "{library}");
    // In plain view there is no sound, and a way to the words.
    let plain = server.guest().get("/wall/ana?plain=1").expect(200).text();
    assert!(
        !plain.contains("neo-player") && plain.contains("href=\"/wall/ana/sound\""),
        "{plain}"
    );
    set(&ana, &[("anthem", "")]);
    assert!(!server.guest().get("/wall/ana").expect(200).text().contains(&url));
    bob.get(&url).expect(404);
    assert_eq!(heard(&bob, "ana")["anthem"], Value::Null);
}

#[test]
fn a_deleted_sound_is_gone_from_the_wall_at_once() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = ana.uploaded("tone.ogg", sounds::OPUS);
    set(&ana, &[("voice", &id), ("transcript", "Hello, I am ana.")]);
    assert!(
        server
            .guest()
            .get("/wall/ana/sound")
            .expect(200)
            .text()
            .contains("Hello, I am ana.")
    );
    assert_eq!(heard(&ana, "ana")["voice"]["transcript"], "Hello, I am ana.");
    ana.post(&format!("/library/{id}/delete"), &[]).see_other();
    let wall = server.guest().get("/wall/ana").expect(200).text();
    assert!(!wall.contains(&id), "{wall}");
    assert_eq!(heard(&ana, "ana")["voice"], Value::Null);
}

#[test]
fn only_its_owner_sets_what_is_heard_on_a_wall_and_only_with_their_own() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let (of_bob, picture) = (
        bob.uploaded("tone.mp3", sounds::MP3),
        ana.uploaded("dot.png", &pictures::png(9, 9)),
    );
    bob.post("/wall/ana/sound", &[("anthem", &of_bob)]).expect(403);
    server.guest().post("/wall/ana/sound", &[("anthem", "")]).expect(401);
    for wrong in [&*of_bob, &picture, "nonsense"] {
        let refused = ana
            .post_json("/wall/ana/sound", &[("anthem", wrong)])
            .expect(422)
            .json();
        assert_eq!(refused["errors"][0]["field"], "anthem", "{refused}");
    }
    // What was typed is still there, and the field is marked.
    let long = "a".repeat(81);
    let page = ana
        .post(
            "/wall/ana/sound",
            &[("anthem_title", &long), ("transcript", "still here")],
        )
        .expect(422);
    assert!(page.text().contains(&long) && page.text().contains("still here") && page.text().contains("aria-invalid"));
    let program = ana.program(&["walls:write"]);
    let own = ana.uploaded("tone.mp3", sounds::MP3);
    program.post_json("/wall/ana/sound", &[("anthem", &own)]).expect(200);
    ana.program(&["walls:read"])
        .post_json("/wall/ana/sound", &[("anthem", "")])
        .expect(403);
}

#[test]
fn a_visitor_plays_and_mutes_an_anthem_with_keys_alone_and_it_stays_muted() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let wav = sounds::wav(8_000, 1, 20_000);
    let id = ana.uploaded("long.wav", &wav);
    set(&ana, &[("anthem", &id), ("anthem_title", "Twenty seconds")]);
    let browser = browser();
    let page = browser.page_of(&bob);
    page.goto(&server.url("/wall/ana"));
    page.wait_for("neo-player [role=slider]");
    let fetched = page.requests();
    assert!(
        !fetched.iter().any(|url| url.contains(&id)),
        "nothing of it is fetched before it is pressed: {fetched:?}"
    );
    page.focus("neo-player [data-play]").press("Enter");
    page.wait_for("neo-player[data-playing]");
    assert_eq!(
        page.attribute("neo-player [data-play]", "aria-label").as_deref(),
        Some("Pause Twenty seconds")
    );
    page.focus("neo-player [role=slider]").press("PageUp");
    page.wait_until("Number(document.querySelector('neo-player [role=slider]').ariaValueNow) >= 19 || !document.querySelector('neo-player[data-playing]')");
    page.focus("neo-player [role=slider]").press("Home");
    page.wait_until("Number(document.querySelector('neo-player [role=slider]').ariaValueNow) < 3");
    page.focus("neo-player [data-mute]").press("Enter");
    assert_eq!(
        page.attribute("neo-player [data-mute]", "aria-pressed").as_deref(),
        Some("true")
    );
    page.reload();
    page.wait_for("neo-player [data-mute][aria-pressed=true]");
    page.check();
    page.check_accessibility();
}

#[test]
fn a_recording_that_the_server_did_not_take_is_still_there_to_send_again_or_to_keep() {
    let server = Server::builder().config("[limits]\nmedia_mib = 1\n").start();
    let ana = server.person("ana");
    // Something else that is on its way takes all the room there is.
    let begun = ana
        .post_json("/library/uploads", &[("name", "long.wav"), ("bytes", "1048000")])
        .expect(201)
        .json();
    let at = begun["at"].as_str().expect("an address").to_owned();
    let browser = browser();
    let page = browser.page_of(&ana);
    for fault in ["403", "ERR_INTERNET_DISCONNECTED"] {
        page.allow(fault);
    }
    page.goto(&server.url("/wall/ana?edit=1&tab=sound"));
    page.wait_for("neo-recorder [data-record]")
        .click("neo-recorder [data-record]");
    page.wait_until("document.querySelector('neo-recorder [data-time]').textContent >= '0:02'");
    page.click("neo-recorder [data-record]");
    let field = "neo-media-field:has(neo-recorder)";
    let line = format!("{field} [data-unsent] li");
    page.wait_for(&line);
    assert!(page.text(&format!("{field} [data-told]")).contains("of the 1 MiB"));
    page.check_accessibility();
    page.screenshot("sound-unsent");
    // It can be saved: what the link leads to is the recording.
    let downloads = tempfile::tempdir().expect("a folder");
    page.call(
        "Page.setDownloadBehavior",
        json!({ "behavior": "allow", "downloadPath": downloads.path() }),
    );
    page.click(&format!("{line} a"));
    let saved = eventually("the recording is on the disk", || {
        std::fs::read(downloads.path().join("voice.webm"))
            .ok()
            .filter(|bytes| bytes.len() > 1_000)
    });
    assert_eq!(saved[..4], *b"\x1a\x45\xdf\xa3", "it is a WebM");
    // Who leaves is asked first.
    let asks =
        "(() => { const leaving = new Event('beforeunload', { cancelable: true }); return !dispatchEvent(leaving) })()";
    assert_eq!(page.eval(asks), true);
    let first = page.attribute(&format!("{line} a"), "href").unwrap_or_default();
    page.eval("window.revoked = []; const revoke = URL.revokeObjectURL; URL.revokeObjectURL = (address) => (revoked.push(address), revoke.call(URL, address)); true");
    // The line breaks, and she doesn't wait for it.
    page.offline(true).click(&format!("{line} [data-again]"));
    page.wait_for(&format!("{field} [data-said] \"The line is down\""));
    assert!(!page.has(&line), "while it is on its way it isn't offered");
    page.click(&format!("{field} [data-cancel]")).wait_for(&line);
    assert!(page.text(&format!("{field} [data-told]")).contains("Cancelled."));
    page.offline(false);
    // It stays while she looks at something else in the drawer.
    page.click("#drawer .tabs a \"Look\"").wait_gone(field);
    page.click("#drawer .tabs a \"Sound\"").wait_for(&line);
    // There is room again.
    ana.request("DELETE", &at).send().expect(204);
    page.click(&format!("{line} [data-again]"));
    page.wait_until("document.querySelector('#media-voice').value !== ''");
    page.wait_for(&format!("{field} [data-chosen] neo-player"))
        .wait_gone(&line);
    assert_eq!(page.text(&format!("{field} [data-told]")), "");
    assert_eq!(page.eval(&format!("revoked.includes({first:?})")), true);
    assert_eq!(page.eval(asks), false);
    page.click("#sound-form > button");
    page.wait_for("#sound neo-player");
    page.viewport(390, 844);
    assert!(!page.overflows());
    page.check();
    // Nothing is left to ask about.
    page.goto(&server.url("/wall/ana"));
    assert_eq!(page.dialogs(), Vec::<String>::new());
}

#[test]
fn ana_records_her_voice_and_bob_sees_it_appear() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let browser = browser();
    let (hers, his) = (browser.page_of(&ana), browser.page_of(&bob));
    his.goto(&server.url("/wall/ana"));
    his.wait_for("neo-wall");
    hers.goto(&server.url("/wall/ana?edit=1&tab=sound"));
    hers.wait_for("neo-recorder [data-record]");
    hers.check_accessibility();
    hers.click("neo-recorder [data-record]");
    hers.wait_for("neo-recorder[data-recording]");
    hers.wait_until("document.querySelector('neo-recorder [data-time]').textContent >= '0:02'");
    hers.click("neo-recorder [data-record]");
    hers.wait_until("document.querySelector('#media-voice').value !== ''");
    hers.wait_for("[data-chosen] neo-player");
    hers.fill("#voice-words", "Hello, this is a hum.");
    hers.click("#sound-form > button");
    his.wait_for("#sound neo-player");
    assert!(his.text("#sound").contains("ana says hello"));
    his.click("#sound [data-play]");
    his.wait_for("#sound neo-player[data-playing]");
    let voice = heard(&bob, "ana")["voice"].clone();
    assert_eq!(voice["transcript"], "Hello, this is a hum.");
    assert!(
        voice["duration_ms"]
            .as_u64()
            .is_some_and(|ms| (1_000..8_000).contains(&ms)),
        "{voice}"
    );
    for (page, name) in [(&hers, "sound-edit"), (&his, "sound-wall")] {
        page.viewport(1_280, 900).screenshot(name);
        page.viewport(390, 844).screenshot(&format!("{name}-390"));
        assert!(!page.overflows(), "{name}");
        page.check();
    }
}
