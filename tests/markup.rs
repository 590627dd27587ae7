//! Markdown as it stands on pages: nothing that was ever known to run a script gets through the writer.

use neospace::markdown;
use neospace_tests::markup;

#[test]
fn no_vector_gets_through_the_writer() {
    let vectors = markup::vectors();
    assert!(vectors.len() >= 200, "{}", vectors.len());
    let mut faults = Vec::new();
    for vector in &vectors {
        // Alone, and where somebody could hope that the writer is off its guard.
        for text in [
            vector.clone(),
            format!("hello {vector} there"),
            format!("> - **{vector}**"),
            format!("[{vector}](https://a.example)"),
            format!("[x](https://a.example/{vector})"),
            format!("https://a.example/{vector}"),
            format!("`{vector}"),
            format!("```\n{vector}"),
            format!("@ana{vector}"),
            format!("<b {vector}"),
        ] {
            let rendered = markdown::render(&text);
            faults
                .extend(markup::fault(&rendered.html).map(|fault| format!("{text:?}\n  {}\n  {fault}", rendered.html)));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_check_itself_finds_what_is_not_allowed() {
    for html in [
        "<script>alert(1)</script>",
        "<p onclick=\"alert(1)\">x</p>",
        "<a href=\"javascript:alert(1)\" rel=\"nofollow noopener ugc\" target=\"_blank\">x</a>",
        "<a href=\"https://a.example\">x</a>",
        "<a class=\"mention\" href=\"/logout\" data-name=\"ana\">@ana</a>",
        "<a class=\"mention\" href=\"/wall/ana\" data-name=\"ana\" id=\"x\">@ana</a>",
        "<p><p>x</p></p>",
        "<p>a < b</p>",
        "<!-- x -->",
        "<em>never closed",
    ] {
        assert!(markup::fault(html).is_some(), "{html}");
    }
    assert_eq!(
        markup::fault("<p>a &lt; b<br><code>c</code></p><ol start=\"7\"><li>d</li></ol>"),
        None
    );
}
